"""librsync deltas: a new file as copies of the old one and literal bytes.

::

    72 73 02 36                  magic, then commands:
    00                           the end
    01 … 40                      so many literal bytes follow
    41 42 43 44                  a length of 1, 2, 4, 8 bytes, then literal bytes
    45 + 4p + l                  a copy: position of 2^p bytes, length of 2^l bytes

Numbers are big-endian. Source: ``doc/formats.md`` of librsync.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from chunkvault.errors import FormatError

__all__ = [
    "DELTA_END",
    "DELTA_MAGIC",
    "Copy",
    "Literal",
    "copy_command",
    "literal_command",
    "read_delta",
]

DELTA_MAGIC = bytes.fromhex("72730236")
DELTA_END = b"\0"

_SHORT_LITERAL_MAX = 0x40
_LITERAL_WITH_LENGTH = 0x41
_FIRST_COPY = 0x45
_LAST_COPY = 0x54
_PIECE_BYTES = 1 << 20
_MAX_FILE_BYTES = 2**63 - 1


class Copy(NamedTuple):
    """Bytes that the old file has too."""

    offset: int
    length: int


class Literal(NamedTuple):
    """Bytes that stand in the delta; long ones come in pieces of a megabyte."""

    data: bytes


def copy_command(offset: int, length: int) -> bytes:
    """The command that copies from the old file."""
    place, count = _width(offset), _width(length)
    operation = _FIRST_COPY + 4 * place + count
    return (
        bytes((operation,))
        + offset.to_bytes(1 << place, "big")
        + length.to_bytes(1 << count, "big")
    )


def literal_command(length: int) -> bytes:
    """What stands in front of so many literal bytes (at least one)."""
    if length <= _SHORT_LITERAL_MAX:
        return bytes((length,))
    width = _width(length)
    return bytes((_LITERAL_WITH_LENGTH + width,)) + length.to_bytes(1 << width, "big")


def read_delta(read: Callable[[int], bytes], old_size: int) -> Iterator[Copy | Literal]:
    """The commands of a delta, one after the other.

    Args:
        read: gives up to so many bytes, fewer only at the end of the delta.
        old_size: length of the old file; no copy reaches beyond it.

    Raises:
        FormatError: the delta is none, ends early, goes on after its end, or
            copies what the old file does not have.
    """
    if _exactly(read, len(DELTA_MAGIC)) != DELTA_MAGIC:
        raise FormatError("not a delta of librsync")
    total = 0
    while operation := _exactly(read, 1)[0]:
        if operation < _FIRST_COPY:
            length = _literal_length(read, operation)
            total = _checked_total(total, length)
            yield from _literals(read, length)
        else:
            copy = _copy(read, operation, old_size)
            total = _checked_total(total, copy.length)
            yield copy
    if read(1):
        raise FormatError("something follows the end of a delta")


def _literal_length(read: Callable[[int], bytes], operation: int) -> int:
    if operation <= _SHORT_LITERAL_MAX:
        return operation
    return _number(read, operation - _LITERAL_WITH_LENGTH)


def _literals(read: Callable[[int], bytes], length: int) -> Iterator[Literal]:
    while length:
        data = _exactly(read, min(length, _PIECE_BYTES))
        length -= len(data)
        yield Literal(data)


def _copy(read: Callable[[int], bytes], operation: int, old_size: int) -> Copy:
    if operation > _LAST_COPY:
        raise FormatError(f"a delta has an unknown command {operation:#x}")
    place, count = divmod(operation - _FIRST_COPY, 4)
    copy = Copy(_number(read, place), _number(read, count))
    if copy.offset + copy.length > old_size:
        raise FormatError("a delta copies from beyond the end of the old file")
    return copy


def _checked_total(total: int, length: int) -> int:
    """Copies cost nothing to write down: bound what they add up to."""
    if total + length > _MAX_FILE_BYTES:
        raise FormatError("a delta makes a file longer than any file can be")
    return total + length


def _number(read: Callable[[int], bytes], width: int) -> int:
    return int.from_bytes(_exactly(read, 1 << width), "big")


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    data = read(size)
    if len(data) < size:
        raise FormatError("a delta ends early")
    return data


def _width(number: int) -> int:
    """How many bytes a number takes, as a power of two."""
    for width in range(3):
        if number < 1 << (8 << width):
            return width
    return 3
