"""The bytes of an upload as SDKs want them: read from memory, at a pace."""

from collections.abc import Iterator

from chunkvault.backends.pace import SLICE_BYTES, Pace

__all__ = ["Body"]

_PIECE_BYTES = 256 << 10
"""What is sent at once without a rate: a socket may take its whole timeout for it."""


class Body:
    """A buffer to be read like a file, piece by piece and without a copy of all.

    An SDK may read it twice: to sign it, and to send it. Only what is sent keeps the
    pace: what `pieces` gives, or what is read after `begin_sending`.

    Attributes:
        size: in bytes.
    """

    def __init__(self, data: bytes | bytearray | memoryview, pace: Pace) -> None:
        self._view = memoryview(data).cast("B")
        self._pace = pace
        self._position = 0
        self._is_sending = False
        self.size = len(self._view)

    def __len__(self) -> int:
        return self.size

    def begin_sending(self) -> None:
        """From here on what is read goes over the wire."""
        self._is_sending = True

    def pieces(self) -> Iterator[memoryview]:
        """All of it once, as it goes over the wire: at the pace, without a copy."""
        step = SLICE_BYTES if self._pace.is_limited else _PIECE_BYTES
        for start in range(0, self.size, step):
            piece = self._view[start : start + step]
            self._pace.take(len(piece))
            yield piece

    def read(self, amount: int = -1) -> bytes:
        """The next bytes; empty at the end."""
        end = self.size if amount < 0 else self._position + amount
        if self._is_sending and self._pace.is_limited:
            end = min(end, self._position + SLICE_BYTES)
        piece = bytes(self._view[self._position : end])
        self._position += len(piece)
        if self._is_sending:
            self._pace.take(len(piece))
        return piece

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(SLICE_BYTES):
            yield piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, counted from the beginning, from here, or from the end."""
        self._position = (0, self._position, self.size)[whence] + offset
        return self._position

    def tell(self) -> int:
        """How far it was read."""
        return self._position
