"""Format chapter 6, continued: rows of blob blocks as sortable bytes, for merging.

Merging runs of millions of rows in Python objects costs ten times what reading and
writing them costs. Here a row is one `bytes` that begins with the prefix, so that
sorting compares memory, and blocks are taken apart and put together by columns::

    0    16  prefix
    16   16  volume, frame, offset, length: as in the columns
    32   1   1 for a delta
    33   3   zero
    36   4   length of a delta's blob, expanded; else zero
    40   16  prefix of a delta's base; else zero
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import compress

from chunkvault.errors import FormatError
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.columns import encode_u32
from chunkvault.format.index_blocks import BlobBlock, EncodedBlock, encode_section

__all__ = ["block_of_records", "records_of_block"]

_RECORD_BYTES = 56
_WORDS = _RECORD_BYTES // 4
_PREFIX_WORDS = PREFIX_BYTES // 4
_COLUMNS = range(4, 8)
_FLAG = 32
_PLAIN_LENGTH = slice(36, 40)
_BASE = slice(40, 56)


def records_of_block(block: BlobBlock, numbering: Sequence[int]) -> list[bytes]:
    """The rows of a block, sorted, with other numbers for their volumes.

    Args:
        block: as it was decoded.
        numbering: the new number of each volume.

    Raises:
        FormatError: it names a volume that ``numbering`` does not have.
    """
    count = len(block.lengths)
    joined = bytearray(count * _RECORD_BYTES)
    words, prefixes = _words(joined), _words(block.prefixes)
    for place in range(_PREFIX_WORDS):
        words[place::_WORDS] = prefixes[place::_PREFIX_WORDS]
    columns = (_renumbered(block, numbering), block.frames, block.offsets)
    for place, column in zip(_COLUMNS, (*columns, block.lengths), strict=True):
        words[place::_WORDS] = _words(encode_u32(column))
    for number, (base, plain_length) in block.deltas.items():
        start = number * _RECORD_BYTES
        delta = b"\x01\0\0\0" + plain_length.to_bytes(4, "little") + base
        joined[start + _FLAG : start + _RECORD_BYTES] = delta
    return sorted(_splitter(count).unpack(joined))


def block_of_records(records: Sequence[bytes]) -> EncodedBlock:
    """Undo `records_of_block`; as many as a block may have."""
    joined = b"".join(records)
    words = _words(joined)
    spread = bytearray(len(records) * PREFIX_BYTES)
    prefixes = _words(spread)
    for place in range(_PREFIX_WORDS):
        prefixes[place::_PREFIX_WORDS] = words[place::_WORDS]
    flags = joined[_FLAG::_RECORD_BYTES]
    deltas = list(compress(records, flags))
    columns = [
        bytes(spread),
        *(words[place::_WORDS].tobytes() for place in _COLUMNS),
        flags,
        b"".join([delta[_BASE] for delta in deltas]),
        b"".join([delta[_PLAIN_LENGTH] for delta in deltas]),
    ]
    return EncodedBlock(bytes(spread), encode_section(columns))


def _renumbered(block: BlobBlock, numbering: Sequence[int]) -> list[int]:
    try:
        return list(map(numbering.__getitem__, block.volumes))
    except IndexError:
        raise FormatError("a block of an index run names no volume of it") from None


def _words(data: bytes | bytearray) -> memoryview:
    # Only moved, never read as numbers: the order of their bytes does not matter.
    return memoryview(data).cast("I")


@lru_cache(maxsize=8)
def _splitter(count: int) -> struct.Struct:
    return struct.Struct(f"{_RECORD_BYTES}s" * count)
