"""Format chapter 7, continued: what a file's content consists of.

A reference is 40 bytes: how many bytes of the file (little-endian u64), and the
id of the chunk that holds them. The id of a hole is 32 zero bytes.

Up to `MAX_INLINE_REFS` references stand in the node itself. More become *content
lists*: blobs of kind tree, cut after references whose id starts with a byte
below `_CUT_BELOW`, so that an edit changes the lists around it and no others. A
list of lists has the same form, its references giving the bytes below each list;
there are as many levels as it takes to end in a single list::

    [3, references of chunks]      [4, references of lists]
"""

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from chunkvault.codec.packing import pack, unpack_canonical
from chunkvault.errors import FormatError
from chunkvault.ids import ID_BYTES, BlobId

__all__ = [
    "MAX_INLINE_REFS",
    "REF_BYTES",
    "ChunkRef",
    "ContentList",
    "ContentListWriter",
    "ListRef",
    "decode_content_list",
    "decode_refs",
    "encode_content_list",
    "encode_ref",
    "encode_refs",
    "iterate_refs",
]

_REF = Struct(f"<Q{ID_BYTES}s")
REF_BYTES = _REF.size
MAX_INLINE_REFS = 16

_HOLE = bytes(ID_BYTES)
_LENGTH = itemgetter(0)
_LEAF = 3
_INNER = 4
_CUT_BELOW = 4
_MAX_REFS_PER_LIST = 4096


class ChunkRef(NamedTuple):
    """A run of a file: its length, and the chunk with its bytes (None: a hole)."""

    length: int
    blob_id: BlobId | None


class ContentList(NamedTuple):
    """A decoded content list.

    Attributes:
        is_leaf: whether the references are of chunks rather than of lists.
        refs: in the order of the file.
    """

    is_leaf: bool
    refs: list[ChunkRef]


def encode_ref(length: int, blob_id: BlobId | None) -> bytes:
    """One reference."""
    return _REF.pack(length, blob_id or _HOLE)


def encode_refs(refs: Iterable[ChunkRef]) -> bytes:
    """References one after the other."""
    return b"".join(encode_ref(*ref) for ref in refs)


def decode_refs(data: bytes) -> list[ChunkRef]:
    """Undo `encode_refs`.

    Raises:
        FormatError: not whole references, or one of no length.
    """
    if len(data) % REF_BYTES:
        raise FormatError("a file's content is not a list of references")
    refs = [
        ChunkRef(length, None if blob_id == _HOLE else blob_id)
        for length, blob_id in _REF.iter_unpack(data)
    ]
    if not all(map(_LENGTH, refs)):
        raise FormatError("a file's content has a piece of no length")
    return refs


def encode_content_list(refs: bytes, *, is_leaf: bool) -> bytes:
    """A content list from encoded references."""
    return pack([_LEAF if is_leaf else _INNER, refs])


def decode_content_list(data: bytes) -> ContentList:
    """Undo `encode_content_list`.

    Raises:
        FormatError: the blob is something else.
    """
    value = unpack_canonical(data)
    if not isinstance(value, list) or len(value) != 2:
        raise FormatError("not a content list")
    form, refs = value
    if form not in (_LEAF, _INNER) or not isinstance(refs, bytes):
        raise FormatError("not a content list")
    decoded = decode_refs(refs)
    if form == _INNER and any(ref.blob_id is None for ref in decoded):
        raise FormatError("a content list refers to a hole as if it were a list")
    return ContentList(form == _LEAF, decoded)


class ListRef(NamedTuple):
    """A content list, and the bytes of the file below it."""

    length: int
    blob_id: BlobId
    is_leaf: bool


class ContentListWriter:
    """Collects a file's references; flat memory however long the file.

    Args:
        save: stores a content list and gives its id; is told how many bytes of the
            file are below it, and whether it lists chunks.
    """

    def __init__(self, save: Callable[[bytes, int, bool], BlobId]) -> None:
        self._save = save
        self._levels: list[bytearray] = [bytearray()]
        self._totals: list[int] = [0]
        self._is_inline = True

    def add(self, length: int, blob_id: BlobId | None) -> None:
        """The next run of the file."""
        self._add(0, length, blob_id)

    def finish(self) -> tuple[bytes, BlobId | None]:
        """``content`` and ``content_list`` of the file's node."""
        inline = self._levels[0]
        if self._is_inline:
            return bytes(inline), None
        level = 0
        while level + 1 < len(self._levels) or self._count(level) > 1:
            if self._levels[level]:
                self._close(level)
            level += 1
        return b"", self._root(level)

    def _root(self, level: int) -> BlobId:
        # A single reference to a list: that list is the root.
        return BlobId(bytes(self._levels[level][8:REF_BYTES]))

    def _count(self, level: int) -> int:
        if level == 0:
            return 2
        return len(self._levels[level]) // REF_BYTES

    def _add(self, level: int, length: int, blob_id: BlobId | None) -> None:
        if level == len(self._levels):
            self._levels.append(bytearray())
            self._totals.append(0)
        refs = self._levels[level]
        refs += encode_ref(length, blob_id)
        self._totals[level] += length
        count = len(refs) // REF_BYTES
        if level == 0 and self._is_inline:
            if count <= MAX_INLINE_REFS:
                return
            self._split_inline()
        elif count == _MAX_REFS_PER_LIST or self._cuts_after(blob_id):
            self._close(level)

    def _split_inline(self) -> None:
        # Only now is it known that the file needs lists: cut what is there as if
        # it had been known from the start.
        self._is_inline = False
        pending = decode_refs(bytes(self._levels[0]))
        self._levels[0] = bytearray()
        self._totals[0] = 0
        for ref in pending:
            self._add(0, *ref)

    @staticmethod
    def _cuts_after(blob_id: BlobId | None) -> bool:
        return blob_id is not None and blob_id[0] < _CUT_BELOW

    def _close(self, level: int) -> None:
        refs, total = bytes(self._levels[level]), self._totals[level]
        self._levels[level] = bytearray()
        self._totals[level] = 0
        is_leaf = level == 0
        data = encode_content_list(refs, is_leaf=is_leaf)
        blob_id = self._save(data, total, is_leaf)
        self._add(level + 1, total, blob_id)


def iterate_refs(
    content: bytes,
    content_list: BlobId | None,
    load: Callable[[BlobId], bytes],
    note: Callable[[ListRef], None] | None = None,
) -> Iterator[ChunkRef]:
    """All references of a file in order; holds one list per level.

    ``note`` is told of every content list before its first reference comes.

    Raises:
        DamageError: a list is missing, broken, nested without end, or does not
            have the length that the list above it says.
    """
    if content_list is None:
        yield from decode_refs(content)
        return
    yield from _iterate_list(content_list, load, note or _ignore, None, 0)


_MAX_LEVELS = 16


def _ignore(_list: ListRef) -> None:
    pass


def _iterate_list(
    blob_id: BlobId,
    load: Callable[[BlobId], bytes],
    note: Callable[[ListRef], None],
    expected: int | None,
    depth: int,
) -> Iterator[ChunkRef]:
    if depth > _MAX_LEVELS:
        raise FormatError("content lists are nested too deeply")
    listed = decode_content_list(load(blob_id))
    length = sum(ref.length for ref in listed.refs)
    if expected is not None and length != expected:
        raise FormatError("a content list has another length than its parent says")
    note(ListRef(length, blob_id, listed.is_leaf))
    for ref in listed.refs:
        if listed.is_leaf or ref.blob_id is None:
            yield ref
        else:
            yield from _iterate_list(ref.blob_id, load, note, ref.length, depth + 1)
