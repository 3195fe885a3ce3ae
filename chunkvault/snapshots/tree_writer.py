"""Write trees and file content as blobs."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

from chunkvault.codec.chunker import Chunker
from chunkvault.errors import DamageError
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import ContentListWriter, encode_ref
from chunkvault.format.tree import ChildTree, TreeBuilder, decode_tree, is_tree_of_trees
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


def tree_builder(
    writer: BlobSink,
    before: BlobId | None = None,
    load: Callable[[BlobId], bytes] | None = None,
) -> TreeBuilder:
    """Stores one directory, node by node.

    Args:
        writer: where it is stored.
        before: the tree that it had, or that of a similar one.
        load: gives the bytes of ``before`` and its parts.
    """

    def save(data: bytes, first_name: bytes) -> BlobId:
        base = None
        if before is not None and load is not None:
            with suppress(DamageError):
                base = _find_part(before, data, first_name, load)
        return writer.save(BlobKind.TREE, data, base)

    return TreeBuilder(save)


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
        base = None if bases is None else bases.find(0, len(data))
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
        self,
        writer: BlobSink,
        chunker: Chunker,
        bases: BaseFinder | None,
    ) -> None:
        self._writer = writer
        self._chunker = chunker
        self._bases = bases
        self._lists = ContentListWriter(self._save_list)
        self._rest = b""
        self.size = 0

    def write(self, data: bytes, *, is_end: bool = False) -> None:
        """The next bytes of the file; ``is_end`` if they are known to be the last.

        That saves looking at the last chunk twice.
        """
        data = self._rest + data if self._rest else data
        self._rest = self._store(memoryview(data), is_end=is_end)

    def write_hole(self, length: int) -> None:
        """The next bytes of the file are a hole of this length."""
        self._end_data()
        self.size += length
        self._lists.add(length, None)

    def add_chunk(self, length: int, blob_id: BlobId) -> bool:
        """The next bytes are a stored chunk, cut where more bytes followed.

        False, and nothing is done, unless a chunk begins here anyway.
        """
        if self._rest:
            return False
        if self._bases is not None:
            self._bases.find(self.size)  # to keep step
            self._bases.saved(self.size, blob_id)
        self.size += length
        self._lists.add(length, blob_id)
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
        if self._rest:
            self._rest = self._store(memoryview(self._rest), is_end=True)

    def _store(self, data: memoryview, *, is_end: bool) -> bytes:
        """Store chunks; gives what needs more data to be cut."""
        used = 0
        for length in self._chunker.cut(data, is_end=is_end):
            self._save(data[used : used + length])
            used += length
        return bytes(data[used:])

    def _save(self, chunk: memoryview) -> None:
        start, length = self.size, len(chunk)
        base = None if self._bases is None else self._bases.find(start, length)
        blob_id = self._writer.save(BlobKind.CHUNK, chunk, base)
        if self._bases is not None:
            self._bases.saved(start, blob_id)
        self.size += length
        self._lists.add(length, blob_id)

    def _save_list(self, data: bytes, length: int, is_leaf: bool) -> BlobId:  # noqa: FBT001
        base = None
        if self._bases is not None:
            base = self._bases.find_list(self.size - length, length, is_leaf=is_leaf)
        return self._writer.save(BlobKind.TREE, data, base)


def _find_part(
    tree: BlobId, part: bytes, first_name: bytes, load: Callable[[BlobId], bytes]
) -> BlobId:
    """The old part of a directory that stands where a new part of it will stand.

    Args:
        tree: the old directory.
        part: the new part.
        first_name: in it.
        load: gives the bytes of a tree.

    Raises:
        DamageError: an old part is missing or broken.
    """
    while is_tree_of_trees(data := load(tree)) and not is_tree_of_trees(part):
        children = cast("list[ChildTree]", decode_tree(data))
        before = [child for child in children if child.first_name <= first_name]
        tree = (before or children[:1])[-1].blob_id
    return tree
