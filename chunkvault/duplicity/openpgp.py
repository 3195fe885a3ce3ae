"""The two OpenPGP packets around a file's content: compressed data, literal data.

gpg makes them itself, but compresses four times slower than it has to. Given these
packets and told to add none (``--no-literal``), it only encrypts. What comes out is
the same message as ever. Source: RFC 4880, sections 4.2, 5.6 and 5.9.
"""

from collections.abc import Callable

from chunkvault.codec.deflate import Deflater, raw_deflater

__all__ = ["CompressedMessage"]

_COMPRESSED_TO_THE_END = bytes((0xA3, 1))  # old format, indeterminate length; ZIP
_LITERAL = bytes((0xCB,))
_BINARY_WITHOUT_NAME = b"b\0" + bytes(4)
_PART_BITS = 18
_PART_HEADER = bytes((224 + _PART_BITS,))
_FIVE_BYTE_LENGTH = b"\xff"


class CompressedMessage:
    """Puts a stream into packets.

    Args:
        sink: takes the packets' bytes.
    """

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._deflater: Deflater = raw_deflater()
        self._pending = bytearray(_BINARY_WITHOUT_NAME)
        sink(_COMPRESSED_TO_THE_END)
        self._compress(_LITERAL)

    def write(self, data: bytes) -> None:
        """The next bytes of the content."""
        self._pending += data
        size = 1 << _PART_BITS
        if len(self._pending) < size:
            return
        whole = len(self._pending) - len(self._pending) % size
        view = memoryview(self._pending)
        for start in range(0, whole, size):
            self._compress(_PART_HEADER)
            self._compress(view[start : start + size])
        view.release()
        del self._pending[:whole]

    def finish(self) -> None:
        """The content has ended."""
        self._compress(_FIVE_BYTE_LENGTH + len(self._pending).to_bytes(4, "big"))
        self._compress(self._pending)
        self._sink(self._deflater.flush())

    def _compress(self, data: bytes | bytearray | memoryview) -> None:
        if packed := self._deflater.compress(data):
            self._sink(packed)
