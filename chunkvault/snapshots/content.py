"""The content of files: which chunks, and their bytes in order."""

from collections.abc import Callable, Iterator
from itertools import islice

from chunkvault.errors import DamageError, FormatError
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import ChunkRef, ListRef, iterate_refs
from chunkvault.format.node import Node
from chunkvault.ids import BlobId
from chunkvault.repository import BlobLocation, BlobReader, FrameLocation

__all__ = ["file_refs", "read_file"]

_REFS_AT_ONCE = 64
_ZEROS = bytes(1 << 20)


def file_refs(
    reader: BlobReader, node: Node, note: Callable[[ListRef], None] | None = None
) -> Iterator[ChunkRef]:
    """The runs of a file in order; holds one content list per level.

    ``note`` is told of every content list before its first run comes.

    Raises:
        DamageError: a content list is missing or broken, or the runs do not add
            up to the file's size.
    """
    total = 0
    load = _list_loader(reader)
    for ref in iterate_refs(node.content, node.content_list, load, note):
        total += ref.length
        yield ref
    if total != node.size:
        raise FormatError("the pieces of a file do not add up to its size")


def read_file(reader: BlobReader, node: Node) -> Iterator[bytes]:
    """A file's content piece by piece, holes as zeros; memory stays flat.

    Raises:
        DamageError: a piece is missing or damaged; every piece before it was
            right.
    """
    refs = file_refs(reader, node)
    while batch := list(islice(refs, _REFS_AT_ONCE)):
        yield from _read_batch(reader, batch)


def _list_loader(reader: BlobReader) -> Callable[[BlobId], bytes]:
    def load(blob_id: BlobId) -> bytes:
        return reader.load(BlobKind.TREE, blob_id)

    return load


def _read_batch(reader: BlobReader, batch: list[ChunkRef]) -> Iterator[bytes]:
    locations = {
        ref.blob_id: reader.locate(BlobKind.CHUNK, ref.blob_id)
        for ref in batch
        if ref.blob_id is not None
    }
    frames = _Frames(reader, list(locations.values()))
    for ref in batch:
        if ref.blob_id is None:
            yield from _zeros(ref.length)
        else:
            yield _chunk(reader, ref.blob_id, locations[ref.blob_id], frames, ref)


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
