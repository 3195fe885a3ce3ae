"""Invented rows are rows as any run has them."""

import pytest

from bench.data import invented_index
from bench.data.invented_index import (
    BLOB_BYTES,
    BLOBS_PER_VOLUME,
    invented_blocks,
    invented_id,
)
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.index_blocks import ROWS_PER_BLOCK, decode_blob_block


def rows_of(start, count):
    blocks = [decode_blob_block(one.plain) for one in invented_blocks(start, count)]
    assert all(len(block.lengths) == ROWS_PER_BLOCK for block in blocks[:-1])
    return [block.row(place) for block in blocks for place in range(len(block.lengths))]


@pytest.mark.parametrize(("start", "count"), [(0, 1), (0, 5000), (4096, 2049)])
def test_each_blob_has_one_row_at_its_place(start, count, monkeypatch):
    monkeypatch.setattr(invented_index, "_SLAB_ROWS", 1500)
    rows = rows_of(start, count)
    assert rows == sorted(rows)
    by_prefix = {row.prefix: row for row in rows}
    assert len(by_prefix) == count
    for number in range(count):
        row = by_prefix[invented_id(start + number)[:PREFIX_BYTES]]
        assert row.volume == number // BLOBS_PER_VOLUME
        assert row.plain_length == BLOB_BYTES


def test_every_eighth_is_a_delta_from_the_one_before():
    deltas = {row.prefix: row.base for row in rows_of(0, 32) if row.base}
    assert deltas == {
        invented_id(number)[:PREFIX_BYTES]: invented_id(number - 1)[:PREFIX_BYTES]
        for number in (7, 15, 23, 31)
    }
