"""Index rows of blobs that nobody stored, by the million.

Ids are consecutive pieces of one BLAKE3 stream: any of them can be computed alone,
and a whole run of them at the speed of memory. The rows of a run are sorted in
slabs, cut by the first byte of the prefix and built by columns, at 2 µs a row and
20 bytes of memory; as objects they took ten times both.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from struct import Struct

from blake3 import blake3

from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.columns import encode_u8, encode_u32
from chunkvault.format.index_blocks import (
    ROWS_PER_BLOCK,
    EncodedBlock,
    encode_section,
)
from chunkvault.ids import ID_BYTES, BlobId

__all__ = [
    "BLOBS_PER_VOLUME",
    "BLOB_BYTES",
    "FRAMES_PER_VOLUME",
    "invented_blocks",
    "invented_id",
]

BLOB_BYTES = 32 << 10
FRAMES_PER_VOLUME = 32
_BLOBS_PER_FRAME = 32
BLOBS_PER_VOLUME = _BLOBS_PER_FRAME * FRAMES_PER_VOLUME
_DELTA_EVERY = 8
_DELTA_BYTES = BLOB_BYTES // 100

_STREAM = blake3(b"ids of blobs that nobody stored")
_SLAB_ROWS = 1 << 19
_NUMBER_BYTES = 4
_RECORD_BYTES = PREFIX_BYTES + _NUMBER_BYTES
_RECORD_WORDS = _RECORD_BYTES // 4
_FIRST_BYTES = [bytes((first,)) for first in range(256)]


def invented_id(number: int) -> BlobId:
    """The id of the blob of this number."""
    return BlobId(_STREAM.digest(ID_BYTES, seek=number * ID_BYTES))


def invented_blocks(start: int, count: int) -> Iterator[EncodedBlock]:
    """The blob blocks of a run of blobs that follow each other, from ``start`` on.

    Every eighth is a delta from the one before it. They fill volumes of
    `BLOBS_PER_VOLUME`, numbered from zero.
    """
    slabs = [
        _slab(start, first, min(_SLAB_ROWS, count - first))
        for first in range(0, count, _SLAB_ROWS)
    ]
    waiting: list[bytes] = []
    for records in _in_order(slabs):
        waiting += records
        full = len(waiting) // ROWS_PER_BLOCK * ROWS_PER_BLOCK
        for place in range(0, full, ROWS_PER_BLOCK):
            yield _block(waiting[place : place + ROWS_PER_BLOCK], start)
        waiting = waiting[full:]
    if waiting:
        yield _block(waiting, start)


def _slab(start: int, first: int, count: int) -> tuple[bytes, list[int]]:
    """Sorted records, joined, and where those of each first byte begin and end."""
    ids = _STREAM.digest(ID_BYTES * count, seek=ID_BYTES * (start + first))
    joined = bytearray(_RECORD_BYTES * count)
    words, id_words = memoryview(joined).cast("I"), memoryview(ids).cast("I")
    for place in range(PREFIX_BYTES // 4):
        words[place::_RECORD_WORDS] = id_words[place :: ID_BYTES // 4]
    numbers = memoryview(array("I", range(first, first + count)))
    words[PREFIX_BYTES // 4 :: _RECORD_WORDS] = numbers
    records = sorted(_split(joined))
    borders = [bisect_left(records, first) for first in _FIRST_BYTES]
    ends = [border * _RECORD_BYTES for border in (*borders, count)]
    return b"".join(records), ends


def _in_order(slabs: Sequence[tuple[bytes, list[int]]]) -> Iterator[list[bytes]]:
    """The records of all slabs, sorted, in pieces."""
    borders = [list(pairwise(ends)) for _, ends in slabs]
    for first in range(len(_FIRST_BYTES)):
        records: list[bytes] = []
        for (joined, _), places in zip(slabs, borders, strict=True):
            begin, end = places[first]
            records += _split(joined[begin:end])
        records.sort()
        yield records


def _split(joined: bytes | bytearray) -> Sequence[bytes]:
    count = len(joined) // _RECORD_BYTES
    return Struct(f"{_RECORD_BYTES}s" * count).unpack(joined)


def _block(records: Sequence[bytes], start: int) -> EncodedBlock:
    prefixes = b"".join([record[:PREFIX_BYTES] for record in records])
    numbers = memoryview(b"".join([record[PREFIX_BYTES:] for record in records]))
    places = numbers.cast("I").tolist()
    deltas = [place % _DELTA_EVERY == _DELTA_EVERY - 1 for place in places]
    bases = [
        invented_id(start + place - 1)[:PREFIX_BYTES]
        for place, is_delta in zip(places, deltas, strict=True)
        if is_delta
    ]
    columns = [
        prefixes,
        encode_u32([place // BLOBS_PER_VOLUME for place in places]),
        encode_u32([place // _BLOBS_PER_FRAME % FRAMES_PER_VOLUME for place in places]),
        encode_u32([place % _BLOBS_PER_FRAME * BLOB_BYTES for place in places]),
        encode_u32([_DELTA_BYTES if is_delta else BLOB_BYTES for is_delta in deltas]),
        encode_u8(deltas),
        b"".join(bases),
        encode_u32([BLOB_BYTES] * len(bases)),
    ]
    return EncodedBlock(prefixes, encode_section(columns))
