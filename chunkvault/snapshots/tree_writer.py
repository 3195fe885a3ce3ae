"""Write trees and file content as blobs."""

from collections.abc import Iterator
from typing import Protocol

from chunkvault.codec.chunker import Chunker
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import ContentListWriter, encode_ref
from chunkvault.format.tree import TreeBuilder
from chunkvault.ids import BlobId
from chunkvault.repository import Settings
from chunkvault.snapshots.base_finder import BaseFinder

__all__ = ["BlobSink", "ContentWriter", "StreamWriter", "tree_builder"]


class BlobSink(Protocol):
    """What blobs are saved to: a `BlobWriter`, or one that only counts."""

    def save(
        self, kind: int, data: bytes | memoryview, base: BlobId | None = None
    ) -> BlobId:
        """Store a blob unless it is stored, by preference as a delta; gives its id."""


def tree_builder(writer: BlobSink, before: BlobId | None = None) -> TreeBuilder:
    """Stores one directory, node by node; ``before`` is the tree that it had."""
    return TreeBuilder(lambda data: writer.save(BlobKind.TREE, data, before))


class ContentWriter:
    """Cuts the content of files into chunks and stores them."""

    def __init__(self, writer: BlobSink, settings: Settings) -> None:
        self._writer = writer
        self._chunker = Chunker(settings.chunker)
        self._uncut_bytes = settings.chunker.average

    def save_small(self, data: bytes, bases: BaseFinder | None = None) -> bytes:
        """Store content that is one chunk: ``content`` of the file's node."""
        if not data:
            return b""
        base = None if bases is None else bases.find(0)
        return encode_ref(len(data), self._writer.save(BlobKind.CHUNK, data, base))

    def is_small(self, size: int) -> bool:
        """Whether content of this size is stored as one chunk.

        Cutting a file that is no longer than an average chunk would save little
        when it changes, and cost a look at every byte and more rows of index.
        """
        return size <= self._uncut_bytes

    def start(self, bases: BaseFinder | None = None) -> "StreamWriter":
        """Store content that comes in pieces."""
        return StreamWriter(self._writer, self._chunker, bases)


class StreamWriter:
    """The content of one file, piece by piece; memory stays flat."""

    def __init__(
        self, writer: BlobSink, chunker: Chunker, bases: BaseFinder | None
    ) -> None:
        self._writer = writer
        self._chunker = chunker
        self._bases = bases
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

    def add_chunk(self, length: int, blob_id: BlobId) -> bool:
        """The next bytes are a stored chunk, cut where more bytes followed.

        False, and nothing is done, unless a chunk begins here anyway.
        """
        if self._rest:
            return False
        if self._bases is not None:
            self._bases.find(self.size)  # to keep step
            self._bases.saved(self.size, blob_id)
        self._lists.add(length, blob_id)
        self.size += length
        return True

    def settle(self, length: int, blob_id: BlobId) -> bool:
        """What was written last is a stored chunk, cut where more bytes followed.

        Whether it begins where a chunk begins here; if so, it ends here, too.
        """
        if len(self._rest) != length:
            return False
        self._rest = b""
        return self.add_chunk(length, blob_id)

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
        base = None if self._bases is None else self._bases.find(self.size)
        blob_id = self._writer.save(BlobKind.CHUNK, chunk, base)
        if self._bases is not None:
            self._bases.saved(self.size, blob_id)
        self._lists.add(len(chunk), blob_id)
        self.size += len(chunk)

    def _save_list(self, data: bytes) -> BlobId:
        return self._writer.save(BlobKind.TREE, data)
