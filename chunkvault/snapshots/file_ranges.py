"""Any part of a file's content, without reading the rest."""

from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

from chunkvault.errors import FormatError
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import ChunkRef, decode_content_list, decode_refs
from chunkvault.format.node import Node
from chunkvault.ids import BlobId
from chunkvault.repository import BlobReader

__all__ = ["FileRanges", "Run"]

_KEPT_LISTS = 8
_MAX_LEVELS = 16


class Run(NamedTuple):
    """A run of a file: one reference, and where it stands.

    Attributes:
        start: of its first byte in the file.
        ref: its length and chunk; None for a hole.
        is_cut: whether the chunk ends where the content says so, rather than
            because a hole or the end of the file follows.
    """

    start: int
    ref: ChunkRef
    is_cut: bool

    @property
    def end(self) -> int:
        """Of the byte after its last one in the file."""
        return self.start + self.ref.length


class _List(NamedTuple):
    """A content list for searching: where each of its references begins."""

    starts: list[int]
    refs: list[ChunkRef]
    is_leaf: bool


class FileRanges:
    """One file of a snapshot, read at any place. One thread.

    Holds a bounded number of content lists and one chunk; frames are kept by the
    reader of blobs. All of it goes with the last reference to this: whoever opens one
    file after the other must not wait for the collector of cycles.
    """

    def __init__(self, reader: BlobReader, node: Node) -> None:
        self.size = node.size
        self._reader = reader
        self._root = node.content_list
        self._inline = None if self._root else _searchable(decode_refs(node.content))
        self._lists: dict[BlobId, _List] = {}
        self._chunk: tuple[ChunkRef, bytes] | None = None

    def find(self, offset: int) -> Run:
        """The run that a byte lies in; ``offset`` is below the size.

        Raises:
            DamageError: a content list is missing or broken, or the file is
                shorter than its node says.
        """
        run = self._find(offset)
        is_cut = run.ref.blob_id is not None and self._has_data_at(run.end)
        return run._replace(is_cut=is_cut)

    def read(self, run: Run, offset: int, length: int) -> bytes:
        """Bytes of one run that lie in it wholly.

        Raises:
            DamageError: the chunk is missing or damaged.
        """
        if run.ref.blob_id is None:
            return bytes(length)
        data = self._content(run.ref)
        if length == len(data):
            return data
        begin = offset - run.start
        return data[begin : begin + length]

    def _find(self, offset: int) -> Run:
        start, listed = 0, self._inline
        blob_id = self._root
        for _ in range(_MAX_LEVELS):
            if blob_id is not None:
                listed = self._list(blob_id)
            assert listed is not None, "the content is inline or in a list"
            place = bisect_right(listed.starts, offset - start) - 1
            if place >= len(listed.refs):
                raise FormatError("the pieces of a file do not add up to its size")
            start += listed.starts[place]
            ref = listed.refs[place]
            if listed.is_leaf or ref.blob_id is None:
                return Run(start, ref, is_cut=False)
            blob_id = ref.blob_id
        raise FormatError("content lists are nested too deeply")

    def _has_data_at(self, offset: int) -> bool:
        return offset < self.size and self._find(offset).ref.blob_id is not None

    def _list(self, blob_id: BlobId) -> _List:
        """A list, which from now on is the one that was used last."""
        found = self._lists.pop(blob_id, None)
        if found is None:
            listed = decode_content_list(self._reader.load(BlobKind.TREE, blob_id))
            found = _searchable(listed.refs, is_leaf=listed.is_leaf)
            if len(self._lists) >= _KEPT_LISTS:
                del self._lists[next(iter(self._lists))]
        self._lists[blob_id] = found
        return found

    def _content(self, ref: ChunkRef) -> bytes:
        assert ref.blob_id is not None, "a hole has no chunk"
        if self._chunk is not None and self._chunk[0] == ref:
            return self._chunk[1]
        data = self._reader.load(BlobKind.CHUNK, ref.blob_id)
        if len(data) != ref.length:
            raise FormatError("a piece of a file has another length than the tree says")
        self._chunk = ref, data
        return data


def _searchable(refs: list[ChunkRef], *, is_leaf: bool = True) -> _List:
    # The sum at the end stands for the place behind the last reference.
    starts = [0, *accumulate(ref.length for ref in refs)]
    return _List(starts, refs, is_leaf)
