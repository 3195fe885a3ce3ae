"""Format chapter 6, continued: the fence of an index run, and its filters.

The fence says where the blocks are. A filter has two bytes of the prefix of every
row: who asks for a blob that is not there learns so from it 63 times in 64, and
need not read a block. Filters take a thirteenth of the index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from chunkvault.errors import FormatError
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.index_blocks import (
    ROWS_PER_BLOCK,
    RUN_HEADER_BYTES,
    VOLUMES_PER_BLOCK,
    decode_section,
    encode_section,
)
from chunkvault.ids import ID_BYTES

__all__ = [
    "BLOCKS_PER_FILTER",
    "Fence",
    "RunPart",
    "decode_fence",
    "encode_fence",
    "filter_of",
    "may_hold",
]

BLOCKS_PER_FILTER = 256
_PRINT = slice(6, 8)
_PRINT_BYTES = 2
_PRINTS = slice(6 // _PRINT_BYTES, None, PREFIX_BYTES // _PRINT_BYTES)
_BLOCK_BYTES = ROWS_PER_BLOCK * _PRINT_BYTES
_FIELDS = 8


class RunPart(NamedTuple):
    """An object that holds some sections of a long run: its hash and its size."""

    digest: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Fence:
    """Where the sections of a run are.

    Ends are offsets behind sections in the *body*: the header, then all parts, then
    what follows the header in the run itself.

    Attributes:
        first_prefixes: of each blob block, joined.
        blob_ends: of the blob blocks.
        volume_ends: of the volume blocks.
        filter_ends: of the filters.
        row_count: blobs in the run.
        volume_count: volumes in the run.
        replaces: hashes of runs that this one was merged from.
        parts: objects that hold the beginning of the body.
    """

    first_prefixes: bytes
    blob_ends: Sequence[int]
    volume_ends: Sequence[int]
    filter_ends: Sequence[int]
    row_count: int
    volume_count: int
    replaces: tuple[bytes, ...]
    parts: tuple[RunPart, ...] = ()

    @property
    def part_bytes(self) -> int:
        """Length of all parts."""
        return sum(part.size for part in self.parts)


def filter_of(prefixes: bytes) -> bytes:
    """What a filter has of the rows with these prefixes, joined."""
    return memoryview(prefixes).cast("H")[_PRINTS].tobytes()


def may_hold(bits: bytes, block: int, prefix: bytes) -> bool:
    """Whether a block can have a row with the prefix.

    Args:
        bits: the filter of the block.
        block: number of the block in the run.
        prefix: what is looked for.
    """
    start = block % BLOCKS_PER_FILTER * _BLOCK_BYTES
    end, wanted = start + _BLOCK_BYTES, prefix[_PRINT]
    found = bits.find(wanted, start, end)
    while found >= 0 and found % _PRINT_BYTES:
        found = bits.find(wanted, found + 1, end)
    return found >= 0


def encode_fence(fence: Fence) -> bytes:
    """Undone by `decode_fence`."""
    return encode_section(
        [
            fence.first_prefixes,
            list(fence.blob_ends),
            list(fence.volume_ends),
            list(fence.filter_ends),
            fence.row_count,
            fence.volume_count,
            list(fence.replaces),
            [list(part) for part in fence.parts],
        ]
    )


def decode_fence(plain: bytes, fence_offset: int) -> Fence:
    """The fence of a run whose fence begins at ``fence_offset``.

    Raises:
        FormatError: it points outside the run, or contradicts itself.
    """
    value = decode_section(plain)
    if not isinstance(value, list) or len(value) != _FIELDS or not _has_types(*value):
        raise FormatError("the fence of an index run makes no sense")
    firsts, blob_ends, volume_ends, filter_ends, *counts, replaces, parts = value
    fence = Fence(
        firsts,
        blob_ends,
        volume_ends,
        filter_ends,
        counts[0],
        counts[1],
        tuple(replaces),
        tuple(RunPart(*part) for part in parts),
    )
    if not _is_coherent(fence, fence_offset):
        raise FormatError("the fence of an index run makes no sense")
    return fence


def _is_coherent(fence: Fence, fence_offset: int) -> bool:
    blocks = len(fence.blob_ends)
    ends = [
        RUN_HEADER_BYTES,
        *fence.blob_ends,
        *fence.volume_ends,
        *fence.filter_ends,
    ]
    return (
        len(fence.first_prefixes) == blocks * PREFIX_BYTES
        and len(fence.filter_ends) == -(-blocks // BLOCKS_PER_FILTER)
        and all(left < right for left, right in pairwise(ends))
        and ends[-1] <= fence_offset + fence.part_bytes
        and -(-fence.row_count // ROWS_PER_BLOCK) == blocks
        and 0 <= fence.volume_count <= len(fence.volume_ends) * VOLUMES_PER_BLOCK
    )


def _has_types(*fields: object) -> bool:
    firsts, *ends, row_count, volume_count, replaces, parts = fields
    return (
        isinstance(firsts, bytes)
        and all(map(_is_numbers, [*ends, [row_count, volume_count]]))
        and isinstance(replaces, list)
        and all(map(_is_hash, replaces))
        and isinstance(parts, list)
        and all(map(_is_part, parts))
    )


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and {int}.issuperset(map(type, value))


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == ID_BYTES


def _is_part(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and _is_hash(value[0])
        and type(value[1]) is int
        and value[1] > 0
    )
