"""Index rows of volumes that were stored, until they go into an index run."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from threading import Lock

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.codec.hashing import content_hash
from chunkvault.codec.sealing import random_bytes
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

__all__ = ["RunWriter", "store_merged_run", "store_run"]

_FLUSH_ROWS = 100_000
_FLUSH_BYTES = 256 << 20
"""After an interruption, volumes beyond the last run are read back one by one."""


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
        return self._store(rows, volumes) if volumes else 0

    def _take(self) -> tuple[list[IndexRow], list[VolumeRecord]]:
        """What is to be stored; from now on nothing is."""
        taken = self._rows, self._volumes
        self._rows, self._volumes, self._bytes = [], [], 0
        return taken

    def _store(self, rows: list[IndexRow], volumes: list[VolumeRecord]) -> int:
        rows.sort(key=itemgetter(0))
        info = store_run(self._backend, self._keyring, rows, volumes)
        self._index.add_run(info)
        self._on_stored(row.prefix for row in rows)
        return info.size


def store_run(
    backend: Backend,
    keyring: Keyring,
    rows: Iterable[IndexRow],
    volumes: Iterable[VolumeRecord],
) -> ObjectInfo:
    """Put an index run; ``rows`` sorted. Durable on return; memory stays flat."""
    return _store(
        backend, keyring, lambda sealer, put: build_run(sealer, rows, volumes, (), put)
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
