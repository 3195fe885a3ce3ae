"""Index rows of volumes that were stored, until they go into an index run.

The last run of a session takes over what the shortest runs have: a run of few rows
costs a cold reader a request like any other.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from operator import itemgetter
from threading import Lock

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.codec.hashing import content_hash
from chunkvault.codec.sealing import random_bytes
from chunkvault.errors import AccessDenied, DamageError, ObjectNotFound
from chunkvault.format import names
from chunkvault.format.directory import BlobRecord
from chunkvault.format.index_blocks import EncodedBlock, IndexRow, VolumeRecord
from chunkvault.format.index_run import (
    SALT_BYTES,
    RunSealer,
    build_run,
    build_run_of,
    build_run_sealer,
)
from chunkvault.format.subkeys import Keyring
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.stored_run import StoredRun

__all__ = [
    "RunWriter",
    "delete_runs",
    "hashes_of",
    "store_merged_run",
    "store_run",
]

_FLUSH_ROWS = 100_000
_FLUSH_BYTES = 256 << 20
"""After an interruption, volumes beyond the last run are read back one by one."""

_SHORTEST_ROWS = 512
"""Runs of so many rows together are stored again by every backup: 14 KB at most."""


class RunWriter:
    """Collects what an index run will hold. `add` may be called by any thread."""

    def __init__(
        self,
        backend: Backend,
        keyring: Keyring,
        index: BlobIndex,
        on_stored: Callable[[Iterable[bytes]], None],
    ) -> None:
        """Start with nothing.

        Args:
            backend: where runs are put.
            keyring: seals them.
            index: is told of every run.
            on_stored: is told the id prefixes of a run that the index now knows.
        """
        self._on_stored = on_stored
        self._backend = backend
        self._keyring = keyring
        self._index = index
        self._rows: list[IndexRow] = []
        self._volumes: list[VolumeRecord] = []
        self._bytes = 0
        self._lock = Lock()

    def adopt(self, unlisted: dict[str, tuple[VolumeRecord, list[BlobRecord]]]) -> None:
        """Take over volumes that are stored but that no run lists.

        An interrupted session left them, or the run that listed them is lost.
        """
        for volume, blobs in unlisted.values():
            number = len(self._volumes)
            self._volumes.append(volume)
            self._rows += [IndexRow(blob.prefix, number, *blob[1:]) for blob in blobs]

    def add(self, volume: VolumeRecord, rows: Callable[[int], list[IndexRow]]) -> int:
        """A volume that is durable; gives the bytes stored on this occasion.

        Args:
            volume: that was put.
            rows: its rows, given the volume's number in the run.
        """
        with self._lock:
            self._rows += rows(len(self._volumes))
            self._volumes.append(volume)
            self._bytes += volume.size
            if len(self._rows) < _FLUSH_ROWS and self._bytes < _FLUSH_BYTES:
                return 0
            rows_taken, volumes = self._take()
        # Outside of the lock: other uploads go on meanwhile.
        return self._store(rows_taken, volumes)

    def finish(self) -> int:
        """Store what is left; gives the bytes stored."""
        with self._lock:
            rows, volumes = self._take()
        if not volumes:
            return 0
        taken_over = self._take_over(rows, volumes)
        stored = self._store(rows, volumes, taken_over)
        delete_runs(self._backend, taken_over)
        return stored

    def _take_over(
        self, rows: list[IndexRow], volumes: list[VolumeRecord]
    ) -> list[StoredRun]:
        """Add what the shortest runs have; gives those runs, which are not needed."""
        taken_over: list[StoredRun] = []
        with suppress(DamageError, ObjectNotFound):
            for run in _shortest(self._index.runs):
                found, first = list(run.rows()), len(volumes)
                volumes += run.volumes()
                rows += [row._replace(volume=row.volume + first) for row in found]
                taken_over.append(run)
        return taken_over

    def _take(self) -> tuple[list[IndexRow], list[VolumeRecord]]:
        """What is to be stored; from now on nothing is."""
        taken = self._rows, self._volumes
        self._rows, self._volumes, self._bytes = [], [], 0
        return taken

    def _store(
        self,
        rows: list[IndexRow],
        volumes: list[VolumeRecord],
        replaced: Sequence[StoredRun] = (),
    ) -> int:
        rows.sort(key=itemgetter(0))
        info = store_run(
            self._backend, self._keyring, rows, volumes, hashes_of(replaced)
        )
        if replaced:
            self._index.replace_runs(info, replaced)
        else:
            self._index.add_run(info)
        self._on_stored(row.prefix for row in rows)
        return info.size


def store_run(
    backend: Backend,
    keyring: Keyring,
    rows: Iterable[IndexRow],
    volumes: Iterable[VolumeRecord],
    replaces: Sequence[bytes] = (),
) -> ObjectInfo:
    """Put an index run; ``rows`` sorted. Durable on return; memory stays flat."""
    return _store(
        backend,
        keyring,
        lambda sealer, put: build_run(sealer, rows, volumes, replaces, put),
    )


def store_merged_run(
    backend: Backend,
    keyring: Keyring,
    blocks: Iterable[EncodedBlock],
    volumes: Iterable[VolumeRecord],
    replaces: Sequence[bytes],
) -> ObjectInfo:
    """As `store_run`, of full blocks; names the runs that it replaces."""
    return _store(
        backend,
        keyring,
        lambda sealer, put: build_run_of(sealer, blocks, volumes, replaces, put),
    )


def hashes_of(runs: Iterable[StoredRun]) -> list[bytes]:
    """What a run that replaces these says of them."""
    return [names.hash_in_name(run.name) or b"" for run in runs]


def delete_runs(backend: Backend, runs: Iterable[StoredRun]) -> None:
    """Delete runs that another one replaces, as far as the storage permits."""
    for run in runs:
        with suppress(AccessDenied):
            # The run first: who finds it finds its parts.
            for name in (run.name, *run.part_names):
                backend.delete(name)


def _shortest(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """The runs that have few rows all together."""
    rows = 0
    shortest = []
    for run in sorted(runs, key=lambda run: run.fence.row_count):
        rows += run.fence.row_count
        if rows > _SHORTEST_ROWS:
            break
        shortest.append(run)
    return shortest


_PutPart = Callable[[bytes], bytes]


def _store(
    backend: Backend,
    keyring: Keyring,
    build: Callable[[RunSealer, _PutPart], Iterable[bytes]],
) -> ObjectInfo:
    parts: list[bytes] = []

    def put_part(data: bytes) -> bytes:
        digest = content_hash(data)
        backend.put(names.object_name(names.PARTS, digest), data)
        parts.append(digest)
        return digest

    sealer = build_run_sealer(keyring, random_bytes(SALT_BYTES))
    data = b"".join(build(sealer, put_part))
    folder = names.LONG_INDEX if parts else names.INDEX
    name = names.object_name(folder, content_hash(data))
    backend.put(name, data)
    return ObjectInfo(name, len(data))
