"""The content of files: which chunks, and their bytes in order."""

from collections.abc import Callable, Iterator
from contextlib import closing

from chunkvault.errors import DamageError, FormatError
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import ChunkRef, ListRef, decode_refs, iterate_refs
from chunkvault.format.node import Node
from chunkvault.ids import BlobId
from chunkvault.repository import BlobLocation, BlobReader, FrameLocation
from chunkvault.workers import map_ordered

__all__ = ["file_refs", "read_file"]

_REFS_AT_ONCE = 64
_AHEAD = 4
"""Batches that are read ahead from a far storage: some 4 MiB each."""

_ZEROS = bytes(1 << 20)

_Piece = bytes | int
"""Content, or the length of a hole."""

_Batch = tuple[list[ChunkRef], DamageError | None]
"""Runs, and what kept others from coming after them."""


def file_refs(
    reader: BlobReader, node: Node, note: Callable[[ListRef], None] | None = None
) -> Iterator[ChunkRef]:
    """The runs of a file in order; holds one content list per level.

    ``note`` is told of every content list before its first run comes.

    Raises:
        DamageError: a content list is missing or broken, or the runs do not add
            up to the file's size.
    """
    if node.content_list is not None:
        return _listed_refs(reader, node, note)
    refs = decode_refs(node.content)
    _check_total(sum(ref.length for ref in refs), node)
    return iter(refs)


def read_file(reader: BlobReader, node: Node) -> Iterator[bytes]:
    """A file's content piece by piece, holes as zeros; memory stays flat.

    From a far storage some pieces are read ahead, several at once.

    Raises:
        DamageError: a piece is missing or damaged; every piece before it was
            right.
    """

    def load(batch: _Batch) -> tuple[list[_Piece], DamageError | None]:
        return _collect(_read_batch(reader, batch))

    batches = _batches(file_refs(reader, node))
    if not reader.connections:
        for batch in batches:
            yield from _expanded(_read_batch(reader, batch))
        return
    with closing(map_ordered(load, batches, reader.connections, _AHEAD)) as done:
        for pieces, error in done:
            yield from _expanded(iter(pieces))
            if error is not None:
                raise error


def _listed_refs(
    reader: BlobReader, node: Node, note: Callable[[ListRef], None] | None
) -> Iterator[ChunkRef]:
    total = 0
    load = _list_loader(reader)
    for ref in iterate_refs(node.content, node.content_list, load, note):
        total += ref.length
        yield ref
    _check_total(total, node)


def _check_total(total: int, node: Node) -> None:
    if total != node.size:
        raise FormatError("the pieces of a file do not add up to its size")


def _list_loader(reader: BlobReader) -> Callable[[BlobId], bytes]:
    def load(blob_id: BlobId) -> bytes:
        return reader.load(BlobKind.TREE, blob_id)

    return load


def _batches(refs: Iterator[ChunkRef]) -> Iterator[_Batch]:
    batch: list[ChunkRef] = []
    try:
        for ref in refs:
            batch.append(ref)
            if len(batch) == _REFS_AT_ONCE:
                yield batch, None
                batch = []
    except DamageError as error:
        yield batch, error
    else:
        if batch:
            yield batch, None


def _collect(pieces: Iterator[_Piece]) -> tuple[list[_Piece], DamageError | None]:
    """All pieces, or those before the first one that is damaged."""
    collected: list[_Piece] = []
    try:
        collected.extend(pieces)
    except DamageError as error:
        return collected, error
    return collected, None


def _expanded(pieces: Iterator[_Piece]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, int):
            yield from _zeros(piece)
        else:
            yield piece


def _read_batch(reader: BlobReader, batch: _Batch) -> Iterator[_Piece]:
    refs, error = batch
    locations = {
        ref.blob_id: reader.locate(ref.blob_id)
        for ref in refs
        if ref.blob_id is not None
    }
    frames = _Frames(reader, list(locations.values()))
    for ref in refs:
        if ref.blob_id is None:
            yield ref.length
        else:
            yield _chunk(reader, ref.blob_id, locations[ref.blob_id], frames, ref)
    if error is not None:
        raise error


def _chunk(
    reader: BlobReader,
    blob_id: BlobId,
    location: BlobLocation,
    frames: "_Frames",
    ref: ChunkRef,
) -> bytes:
    try:
        content = frames.get(location.frame)
        data = reader.extract(BlobKind.CHUNK, blob_id, location, content)
    except DamageError:
        # The chunk may have been stored a second time, elsewhere.
        data = reader.load(BlobKind.CHUNK, blob_id)
    if len(data) != ref.length:
        raise FormatError("a piece of a file has another length than the tree says")
    return data


def _zeros(length: int) -> Iterator[bytes]:
    for _ in range(length // len(_ZEROS)):
        yield _ZEROS
    if length % len(_ZEROS):
        yield bytes(length % len(_ZEROS))


class _Frames:
    """The frames of one batch, each fetched once, neighbours together."""

    def __init__(self, reader: BlobReader, locations: list[BlobLocation]) -> None:
        wanted = dict.fromkeys(location.frame for location in locations)
        self._pending = reader.read_frames(list(wanted))
        self._contents: dict[FrameLocation, bytes | DamageError] = {}

    def get(self, frame: FrameLocation) -> bytes:
        while frame not in self._contents:
            fetched, content = next(self._pending)
            self._contents[fetched] = content
        content = self._contents[frame]
        if isinstance(content, DamageError):
            raise content
        return content
