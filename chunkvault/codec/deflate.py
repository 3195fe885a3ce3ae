"""Deflate (RFC 1951), as the formats of other programs need it. Pure.

The library is ISA-L: at its first level it is about as dense as zlib at its first,
and five times as fast. On the source of Linux 6.1: 64 MB of 300 in 0.8 s, where zlib
takes 3.9 s to 66 MB and, at its usual level, 10.6 s to 52 MB.
"""

from typing import Protocol, cast

from isal import isal_zlib

__all__ = ["Deflater", "gzip_deflater", "raw_deflater"]

_LEVEL = 1
_RAW_WBITS = -15
_GZIP_WBITS = 31


class Deflater(Protocol):
    """Compresses a stream."""

    def compress(self, data: bytes | bytearray | memoryview, /) -> bytes:
        """The next bytes; gives what has become of them so far."""

    def flush(self) -> bytes:
        """The end of the stream."""


def raw_deflater() -> Deflater:
    """A stream without header and checksum."""
    return _deflater(_RAW_WBITS)


def gzip_deflater() -> Deflater:
    """A stream that gzip reads."""
    return _deflater(_GZIP_WBITS)


def _deflater(wbits: int) -> Deflater:
    return cast("Deflater", isal_zlib.compressobj(_LEVEL, wbits=wbits))
