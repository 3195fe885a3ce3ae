"""The bytes of many files in a row: every frame is read once, neighbours together.

Entries are gathered until they need a few dozen frames; these are read in the order
in which they lie in the repository, and then handed out in the order of entries.
A long file is not gathered: its chunks are read in groups of the same size.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from chunkvault.errors import DamageError
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import ChunkRef
from chunkvault.ids import BlobId
from chunkvault.repository import BlobLocation, BlobReader, FrameLocation

__all__ = ["MAX_GATHERED_REFS", "ChunkSource", "read_ahead", "read_in_groups"]

_MAX_FRAMES = 24
_MAX_ENTRIES = 512
MAX_GATHERED_REFS = 16
"""A file of more chunks than this is read on its own."""

_PARTS_IN_GROUP = 48
_Entry = TypeVar("_Entry")
_FrameKey = tuple[bytes, int]
"""Volume and number: much less to hash than a whole location."""


class ChunkSource:
    """Chunks of a group, out of frames that have been read already."""

    def __init__(self, reader: BlobReader) -> None:
        self._reader = reader
        self._locations: dict[BlobId, BlobLocation | None] = {}
        self._wanted: dict[_FrameKey, FrameLocation] = {}
        self._frames: dict[_FrameKey, bytes | DamageError] = {}

    def want(self, chunks: Iterable[ChunkRef]) -> None:
        """Find out where chunks are."""
        for ref in chunks:
            blob_id = ref.blob_id
            if blob_id is None or blob_id in self._locations:
                continue
            try:
                location = self._reader.locate(blob_id)
            except DamageError:
                self._locations[blob_id] = None  # told when it is asked for
                continue
            self._locations[blob_id] = location
            self._wanted[_key(location.frame)] = location.frame

    @property
    def is_full(self) -> bool:
        """Whether more would take too much memory."""
        return len(self._wanted) >= _MAX_FRAMES

    def fetch(self) -> None:
        """Read the frames."""
        in_order = [self._wanted[key] for key in sorted(self._wanted)]
        for frame, content in self._reader.read_frames(in_order):
            self._frames[_key(frame)] = content

    def read(self, ref: ChunkRef) -> bytes:
        """The bytes of a chunk that was wanted.

        Raises:
            DamageError: they are not to be had anywhere.
        """
        assert ref.blob_id is not None, "a hole is not read"
        location = self._locations.get(ref.blob_id)
        content = None if location is None else self._frames[_key(location.frame)]
        if location is None or not isinstance(content, bytes):
            data = self._reader.load(BlobKind.CHUNK, ref.blob_id)
        else:
            data = self._extract(ref.blob_id, location, content)
        if len(data) != ref.length:
            raise DamageError("a piece of a file has another length than its tree says")
        return data

    def _extract(
        self, blob_id: BlobId, location: BlobLocation, content: bytes
    ) -> bytes:
        try:
            return self._reader.extract(BlobKind.CHUNK, blob_id, location, content)
        except DamageError:
            # The chunk may have been stored a second time, elsewhere.
            return self._reader.load(BlobKind.CHUNK, blob_id)


def _key(frame: FrameLocation) -> _FrameKey:
    return frame.volume.volume_id, frame.number


def read_ahead(
    reader: BlobReader, entries: Iterable[tuple[_Entry, list[ChunkRef]]]
) -> Iterator[tuple[_Entry, ChunkSource]]:
    """The entries in their order, each with what reads its chunks.

    An entry with many chunks comes alone, with a source that reads as it goes.

    Args:
        reader: reads frames.
        entries: each with the chunks that it needs.
    """
    source = ChunkSource(reader)
    gathered: list[_Entry] = []
    for entry, chunks in entries:
        is_small = len(chunks) <= MAX_GATHERED_REFS
        if gathered and (
            source.is_full or len(gathered) >= _MAX_ENTRIES or not is_small
        ):
            yield from _hand_out(gathered, source)
            gathered, source = [], ChunkSource(reader)
        if not is_small:
            yield entry, ChunkSource(reader)
            continue
        source.want(chunks)
        gathered.append(entry)
    yield from _hand_out(gathered, source)


def _hand_out(
    gathered: list[_Entry], source: ChunkSource
) -> Iterator[tuple[_Entry, ChunkSource]]:
    source.fetch()
    for entry in gathered:
        yield entry, source


def read_in_groups(
    reader: BlobReader, parts: Iterable[bytes | ChunkRef]
) -> Iterator[tuple[bytes | ChunkRef, ChunkSource]]:
    """The parts of a long file in order, each chunk with what reads it."""
    remaining = iter(parts)
    while group := list(islice(remaining, _PARTS_IN_GROUP)):
        source = ChunkSource(reader)
        source.want(part for part in group if isinstance(part, ChunkRef))
        source.fetch()
        for part in group:
            yield part, source
