"""Write trees and file content as blobs."""

from collections.abc import Iterator
from typing import Protocol

from chunkvault.codec.chunker import Chunker
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import ContentListWriter, encode_ref
from chunkvault.format.tree import TreeBuilder
from chunkvault.ids import BlobId
from chunkvault.repository import Settings

__all__ = ["BlobSink", "ContentWriter", "StreamWriter", "tree_builder"]


class BlobSink(Protocol):
    """What blobs are saved to: a `BlobWriter`, or one that only counts."""

    def save(self, kind: int, data: bytes | memoryview) -> BlobId:
        """Store a blob unless it is stored; gives its id."""


def tree_builder(writer: BlobSink) -> TreeBuilder:
    """Stores one directory, node by node."""
    return TreeBuilder(lambda data: writer.save(BlobKind.TREE, data))


class ContentWriter:
    """Cuts the content of files into chunks and stores them."""

    def __init__(self, writer: BlobSink, settings: Settings) -> None:
        self._writer = writer
        self._chunker = Chunker(settings.chunker)
        self._uncut_bytes = settings.chunker.average

    def save_small(self, data: bytes) -> bytes:
        """Store content that is one chunk: ``content`` of the file's node."""
        if not data:
            return b""
        return encode_ref(len(data), self._writer.save(BlobKind.CHUNK, data))

    def is_small(self, size: int) -> bool:
        """Whether content of this size is stored as one chunk.

        Cutting a file that is no longer than an average chunk would save little
        when it changes, and cost a look at every byte and more rows of index.
        """
        return size <= self._uncut_bytes

    def start(self) -> "StreamWriter":
        """Store content that comes in pieces."""
        return StreamWriter(self._writer, self._chunker)


class StreamWriter:
    """The content of one file, piece by piece; memory stays flat."""

    def __init__(self, writer: BlobSink, chunker: Chunker) -> None:
        self._writer = writer
        self._chunker = chunker
        self._lists = ContentListWriter(self._save_list)
        self._rest = b""
        self.size = 0

    def write(self, data: bytes) -> None:
        """The next bytes of the file."""
        data = self._rest + data
        used = 0
        for chunk in self._cut(memoryview(data), is_end=False):
            used += len(chunk)
            self._save(chunk)
        self._rest = data[used:]

    def write_hole(self, length: int) -> None:
        """The next bytes of the file are a hole of this length."""
        self._end_data()
        self._lists.add(length, None)
        self.size += length

    def finish(self) -> tuple[bytes, BlobId | None]:
        """``content`` and ``content_list`` of the file's node."""
        self._end_data()
        return self._lists.finish()

    def _end_data(self) -> None:
        for chunk in self._cut(memoryview(self._rest), is_end=True):
            self._save(chunk)
        self._rest = b""

    def _cut(self, data: memoryview, *, is_end: bool) -> Iterator[memoryview]:
        start = 0
        for length in self._chunker.cut(data, is_end=is_end):
            yield data[start : start + length]
            start += length

    def _save(self, chunk: memoryview) -> None:
        self._lists.add(len(chunk), self._writer.save(BlobKind.CHUNK, chunk))
        self.size += len(chunk)

    def _save_list(self, data: bytes) -> BlobId:
        return self._writer.save(BlobKind.TREE, data)
