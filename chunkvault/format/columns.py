"""Columns of little-endian numbers, as directories and index runs store them."""

from array import array
from collections.abc import Iterable

from chunkvault.errors import FormatError

__all__ = ["decode_u8", "decode_u32", "encode_u8", "encode_u32"]

_IS_BIG_ENDIAN = array("I", [1]).tobytes()[0] == 0


def encode_u32(numbers: Iterable[int]) -> bytes:
    """Four bytes each."""
    column = array("I", numbers)
    if _IS_BIG_ENDIAN:  # pragma: no cover
        column.byteswap()
    return column.tobytes()


def decode_u32(data: object, count: int) -> "array[int]":
    """Undo `encode_u32`.

    Raises:
        FormatError: not exactly ``count`` numbers.
    """
    column = array("I", _checked(data, 4 * count))
    if _IS_BIG_ENDIAN:  # pragma: no cover
        column.byteswap()
    return column


def encode_u8(numbers: Iterable[int]) -> bytes:
    """One byte each."""
    return bytes(numbers)


def decode_u8(data: object, count: int) -> bytes:
    """Undo `encode_u8`.

    Raises:
        FormatError: not exactly ``count`` numbers.
    """
    return _checked(data, count)


def _checked(data: object, length: int) -> bytes:
    if not isinstance(data, bytes) or len(data) != length:
        raise FormatError("a column has the wrong length")
    return data
