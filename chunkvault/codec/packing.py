"""Strict, limited msgpack (package ``msgpack``).

What is read back is hostile until checked: nesting, lengths and extension types
are limited before anything large is built, and small records must be in the one
form that `pack` writes.
"""

from typing import Any, TypeVar

import msgpack

from chunkvault.errors import FormatError

__all__ = [
    "MAX_PACKED_BYTES",
    "pack",
    "typed",
    "unpack",
    "unpack_canonical",
    "value_ends",
]

MAX_PACKED_BYTES = 32 << 20

_MAX_ARRAY_ITEMS = 1 << 20
_MAX_MAP_ITEMS = 1 << 10

_Value = TypeVar("_Value")


def pack(value: Any) -> bytes:  # noqa: ANN401 - any msgpack value
    """The bytes of None, bool, int, bytes, str, and lists and dicts of these."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def unpack(data: bytes | bytearray | memoryview) -> Any:  # noqa: ANN401
    """The value packed in ``data``; arrays come as lists.

    Raises:
        FormatError: not exactly one value, or beyond the limits.
    """
    if len(data) > MAX_PACKED_BYTES:
        raise FormatError("record is too large")
    try:
        # Arrays are allocated at the length they claim: no more than can follow.
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=min(len(data), _MAX_ARRAY_ITEMS),
            max_map_len=min(len(data), _MAX_MAP_ITEMS),
            max_ext_len=0,
            ext_hook=_refuse_extension,
        )
    except (ValueError, TypeError, MemoryError, msgpack.UnpackException) as error:
        raise FormatError(f"record cannot be decoded: {error}") from None


def unpack_canonical(data: bytes | bytearray | memoryview) -> Any:  # noqa: ANN401
    """As `unpack`, but only what `pack` would have written, byte for byte.

    That refuses duplicate keys, padded numbers and everything else in which two
    readers could differ. For small records; it costs as much again.

    Raises:
        FormatError: as `unpack`, or not canonical.
    """
    value = unpack(data)
    try:
        canonical = pack(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"record cannot be decoded: {error}") from None
    if canonical != bytes(data):
        raise FormatError("record is not in canonical form")
    return value


def value_ends(data: bytes) -> list[int]:
    """Where each of the values ends that stand in ``data`` one after the other.

    Nothing is decoded. Empty if that is not all that ``data`` consists of.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=MAX_PACKED_BYTES)
    ends: list[int] = []
    try:
        unpacker.feed(data)
        while not ends or ends[-1] < len(data):
            unpacker.skip()
            ends.append(unpacker.tell())
    except (ValueError, msgpack.UnpackException):
        return []
    return ends


def typed(value: object, kind: type[_Value]) -> _Value:
    """``value``, which must be of exactly this type: True is not a number.

    Raises:
        TypeError: it is not.
    """
    if type(value) is not kind:
        raise TypeError
    return value


def _refuse_extension(code: int, _data: bytes) -> None:
    # One of no bytes is within max_ext_len.
    raise ValueError(f"extension type {code}")
