"""Rows as sortable bytes: the way there and back, and volumes that are not there."""

import random

import pytest

from chunkvault.errors import FormatError
from chunkvault.format.index_blocks import IndexRow, decode_blob_block, encode_rows
from chunkvault.format.index_records import block_of_records, records_of_block


def some_rows(count):
    source = random.Random(count)
    for number in range(count):
        length, base = 1 + source.randrange(1000), None
        plain = length
        if number % 3 == 0:
            base, plain = source.randbytes(16), source.randrange(1 << 24)
        place = (source.randrange(5), source.randrange(1 << 32), number)
        yield IndexRow(source.randbytes(16), *place, length, plain, base)


@pytest.mark.parametrize("count", [1, 2, 1000, 1024])
def test_records_give_the_block_that_rows_give(count):
    rows = sorted(some_rows(count))
    block = decode_blob_block(encode_rows(rows).plain)
    records = records_of_block(block, range(5))
    assert records == sorted(records)
    assert block_of_records(records) == encode_rows(rows)


def test_records_have_the_new_numbers_of_their_volumes():
    rows = sorted(some_rows(100))
    block = decode_blob_block(encode_rows(rows).plain)
    numbering = [70, 71, 2**32 - 1, 73, 0]
    again = block_of_records(records_of_block(block, numbering))
    assert again == encode_rows(
        [row._replace(volume=numbering[row.volume]) for row in rows]
    )


def test_volume_that_is_not_there_is_refused():
    block = decode_blob_block(encode_rows(sorted(some_rows(100))).plain)
    with pytest.raises(FormatError):
        records_of_block(block, range(4))
