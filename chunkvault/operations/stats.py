"""How much there is, and what it would be without what chunkvault does to it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress

from chunkvault.errors import DamageError
from chunkvault.format import names
from chunkvault.format.blob import BlobKind
from chunkvault.format.index_blocks import BlobBlock
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.repository import Repository, StoredRun, list_slots
from chunkvault.snapshots.catalog import Catalog, SnapshotQuery

__all__ = ["BlobStats", "ObjectStats", "Stats", "stats"]

_OTHER = "other"
_FOLDERS = {
    names.VOLUME_FOLDERS[BlobKind.CHUNK]: "chunk volumes",
    names.VOLUME_FOLDERS[BlobKind.TREE]: "tree volumes",
    names.INDEX: "index runs",
    names.PARTS: "parts of index runs",
    names.SNAPSHOTS: "snapshots",
    names.KEYS: "key slots",
    names.CONFIG: "config",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStats:
    """Objects of one kind: how many, and their bytes on the backend."""

    objects: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobStats:
    """Blobs of one kind.

    Attributes:
        blobs: distinct ones; one that was stored twice may count twice.
        deltas: how many of them are stored as the difference from another.
        blob_bytes: of their content.
        plain_bytes: what is left to compress once deltas are taken.
        stored_bytes: compressed and sealed, without padding and directories.
    """

    blobs: int
    deltas: int
    blob_bytes: int
    plain_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The figures of a repository.

    Attributes:
        snapshots: how many are there and fit the query.
        newest: the newest of them, with its own totals; None if there is none.
        restored_bytes: content of the files of all of these together, each
            snapshot as if it were alone.
        objects: by kind, as a person would call it.
        chunks: pieces of file content.
        trees: directories and content lists.
        stored_bytes: of all objects.
        key_slots: how many keys or passwords open the repository.
        damaged_snapshots: how many cannot be read and are not counted.
    """

    snapshots: int
    newest: StoredSnapshot | None
    restored_bytes: int
    objects: dict[str, ObjectStats]
    chunks: BlobStats
    trees: BlobStats
    stored_bytes: int
    key_slots: int
    damaged_snapshots: int

    @property
    def compression_ratio(self) -> float:
        """How many bytes of chunks stand in one stored byte."""
        return _ratio(self.chunks.plain_bytes, self.chunks.stored_bytes)

    @property
    def dedup_ratio(self) -> float:
        """How many bytes of files stand in one byte of distinct chunks, less deltas.

        It means what it says only where the query takes in every snapshot.
        """
        return _ratio(self.restored_bytes, self.chunks.plain_bytes)


def stats(repository: Repository, query: SnapshotQuery | None = None) -> Stats:
    """Count; reads the listing, the index and the snapshot objects.

    ``query`` narrows the snapshots down, not the objects and blobs.

    Raises:
        DamageError: an index run cannot be read.
    """
    catalog = Catalog(repository)
    snapshots = catalog.all(query)
    objects = _count_objects(repository)
    blobs = _count_blobs(repository)
    return Stats(
        snapshots=len(snapshots),
        newest=snapshots[-1] if snapshots else None,
        restored_bytes=sum(kept.snapshot.totals.bytes for kept in snapshots),
        objects=objects,
        chunks=blobs[BlobKind.CHUNK],
        trees=blobs[BlobKind.TREE],
        stored_bytes=sum(kind.stored_bytes for kind in objects.values()),
        key_slots=len(list_slots(repository.backend)),
        damaged_snapshots=len(catalog.damaged),
    )


def _count_objects(repository: Repository) -> dict[str, ObjectStats]:
    counts = dict.fromkeys((*_FOLDERS.values(), _OTHER), (0, 0))
    for info in repository.backend.list(""):
        kind = _kind_of(info.name)
        objects, stored_bytes = counts[kind]
        counts[kind] = (objects + 1, stored_bytes + info.size)
    return {
        kind: ObjectStats(objects=objects, stored_bytes=stored_bytes)
        for kind, (objects, stored_bytes) in counts.items()
        if objects or kind != _OTHER
    }


def _kind_of(name: str) -> str:
    for folder, kind in _FOLDERS.items():
        if name.startswith(folder):
            return kind
    return _OTHER


def _count_blobs(repository: Repository) -> dict[int, BlobStats]:
    """Per kind of blob; one pass through the index."""
    blobs: Counter[int] = Counter()
    deltas: Counter[int] = Counter()
    blob_bytes: Counter[int] = Counter()
    for run in repository.index.runs:
        kinds_of_volumes = run.kinds()
        for block in run.blocks():
            kinds = _kinds_of_rows(run, block, kinds_of_volumes)
            blobs.update(kinds)
            deltas.update(map(kinds.__getitem__, block.deltas))
            for kind, length in _lengths(block, kinds):
                blob_bytes[kind] += length
    plain_bytes: Counter[int] = Counter()
    stored_bytes: Counter[int] = Counter()
    for volume in repository.volumes():
        for frame in volume.frames:
            plain_bytes[volume.kind] += frame.plain_length
            stored_bytes[volume.kind] += frame.stored_length
    return {
        kind: BlobStats(
            blobs=blobs[kind],
            deltas=deltas[kind],
            blob_bytes=blob_bytes[kind],
            plain_bytes=plain_bytes[kind],
            stored_bytes=stored_bytes[kind],
        )
        for kind in (BlobKind.CHUNK, BlobKind.TREE)
    }


def _kinds_of_rows(run: StoredRun, block: BlobBlock, kinds: bytes) -> bytes:
    """The kind of each blob of a block, given that of each volume of its run."""
    try:
        return bytes(map(kinds.__getitem__, block.volumes))
    except IndexError:
        raise DamageError(
            f"index run {run.name} names a volume that it does not list",
            object_name=run.name,
        ) from None


def _lengths(block: BlobBlock, kinds: bytes) -> Iterator[tuple[int, int]]:
    """For each kind the length of its blobs in a block, deltas expanded."""
    lengths = list(block.lengths)
    for number, (_, plain_length) in block.deltas.items():
        lengths[number] = plain_length
    for kind in set(kinds):
        yield kind, sum(compress(lengths, [one == kind for one in kinds]))


def _ratio(bigger: int, smaller: int) -> float:
    return bigger / smaller if smaller else 1.0
