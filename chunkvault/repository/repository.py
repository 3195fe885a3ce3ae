"""A repository: its identity, its keys, and what reads and writes its blobs."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Self

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.codec.hashing import content_hash
from chunkvault.codec.passphrase import DEFAULT_COST, KdfCost
from chunkvault.codec.sealing import NONCE_BYTES, random_bytes
from chunkvault.errors import (
    AccessDenied,
    DamageError,
    FormatError,
    ObjectExists,
    ObjectNotFound,
    SafetyStop,
    UnsupportedFormat,
)
from chunkvault.format import names
from chunkvault.format.config import encode_config
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.keys import KeyBundle, Secret
from chunkvault.format.names import SnapshotName
from chunkvault.format.snapshot import (
    Snapshot,
    StoredSnapshot,
    decode_snapshot,
    encode_snapshot,
)
from chunkvault.format.subkeys import Keyring, derive_keyring
from chunkvault.ids import BlobId, RepositoryId, SlotId, SnapshotId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.blob_reader import BlobReader
from chunkvault.repository.blob_writer import BlobWriter
from chunkvault.repository.hints import decode_hints, encode_hints
from chunkvault.repository.integrity import read_intact, verify_object, verify_volume
from chunkvault.repository.recollection import Recollection
from chunkvault.repository.slots import store_slot

__all__ = ["Repository"]


class Repository:
    """An open repository; a context manager that closes its backend.

    Attributes:
        id: random, drawn at its creation.
        backend: where its objects are.
        settings: what every client does alike.
        reader: blobs out.
        index: where blobs are.
        slot_id: the key slot that opened it.
        problems: damage found so far that did not stop anything.
        connections: requests that may be under way at once; 0 where the storage is
            near, and nothing is gained by asking for several things at once.
    """

    def __init__(  # noqa: PLR0913 - what opening found out, given once
        self,
        backend: Backend,
        repository_id: RepositoryId,
        bundle: KeyBundle,
        slot_id: SlotId,
        *,
        extra_verify: bool,
        bases: Backend | None = None,
        runs: Sequence[ObjectInfo] = (),
        connections: int = 0,
    ) -> None:
        self.id = repository_id
        self.backend = backend
        self.settings = bundle.settings
        self.slot_id = slot_id
        self._bundle = bundle
        self._keyring: Keyring = derive_keyring(bundle.masters, repository_id)
        self._extra_verify = extra_verify
        self.index = BlobIndex(backend, self._keyring, runs)
        self.connections = connections
        self.reader = BlobReader(backend, self._keyring, self.index, connections)
        self._base_reader = self.reader
        self._bases = bases
        if bases is not None:
            self._base_reader = BlobReader(
                bases, self._keyring, self.index, is_partial=True
            )
        self._problems: list[DamageError] = []
        self._snapshots: list[SnapshotName] = []

    @property
    def problems(self) -> list[DamageError]:
        """Damage to config or index that was got round, for a warning."""
        return self._problems + self.index.problems

    @property
    def recollection(self) -> Recollection:
        """What opens it with fewer requests the next time; costs none."""
        slot = names.object_name(names.KEYS, self.slot_id)
        return Recollection(self.id, slot, tuple(self.index.known_runs))

    def add_problem(self, problem: DamageError) -> None:
        """Damage that was got round and that a warning should name."""
        self._problems.append(problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the backend."""
        if self._bases is not None:
            self._bases.close()
        self.backend.close()

    def blob_id(self, kind: int, data: bytes | memoryview) -> BlobId:
        """The id that a blob with this content has here."""
        return self._keyring.identify(kind, data)

    def writer(self, *, workers: int = 2) -> BlobWriter:
        """A session of writing, see `BlobWriter`; ``workers=0`` uses no threads.

        A config that was found lost or damaged is written again.
        """
        self._mend_config()
        return BlobWriter(
            self.backend,
            self._keyring,
            self.settings,
            self.index,
            self._base_reader,
            workers=workers,
            extra_verify=self._extra_verify,
            connections=self.connections,
        )

    def volumes(self) -> Iterator[VolumeRecord]:
        """Every volume that the index knows."""
        return self.index.volumes()

    def verify_volume(self, volume: VolumeRecord) -> list[DamageError]:
        """Read a volume whole; everything in it that is not as it was stored."""
        return verify_volume(self.backend, self._keyring, self.reader, volume)

    def verify_object(self, info: ObjectInfo) -> DamageError | None:
        """Compare an object with the hash in its name; None if they agree."""
        return verify_object(self.backend, info)

    def add_slot(
        self, secret: Secret, label: str, now_ns: int, cost: KdfCost = DEFAULT_COST
    ) -> SlotId:
        """Add a key slot; durable on return."""
        bundle = KeyBundle(
            masters=self._bundle.masters,
            settings=self.settings,
            label=label,
            created_ns=now_ns,
        )
        return store_slot(self.backend, bundle, secret, self.id, cost)

    def snapshot_tag(self, host: str, paths: Sequence[bytes]) -> bytes:
        """What stands for host and paths in the names of their snapshots."""
        return self._keyring.tag(host, tuple(paths))

    def list_snapshots(self) -> list[SnapshotName]:
        """What the names of all snapshots tell, oldest first; one listing."""
        parsed = (
            names.parse_snapshot_name(info.name)
            for info in self.backend.list(names.SNAPSHOTS)
        )
        self._snapshots = sorted(name for name in parsed if name is not None)
        return self._snapshots

    def load_snapshot(self, name: SnapshotName) -> StoredSnapshot:
        """Read one snapshot object.

        Raises:
            DamageError: it is gone, or not what was stored under this name.
        """
        try:
            snapshot = self._read_snapshot(name)
        except ObjectNotFound:
            raise DamageError(
                f"snapshot {name.object_name} is missing", object_name=name.object_name
            ) from None
        except DamageError as error:
            raise DamageError(
                f"snapshot {name.object_name} is damaged: {error}",
                object_name=name.object_name,
            ) from error
        newer = len(self._snapshots) - bisect_right(self._snapshots, name)
        self.index.order.note_age(newer / max(len(self._snapshots), 1))
        with suppress(DamageError, UnsupportedFormat):  # the index knows, too
            self.index.add_hints(decode_hints(snapshot.hints))
        return StoredSnapshot(name.snapshot_id, snapshot, name.object_name)

    def save_snapshot(
        self, snapshot: Snapshot, tops: Sequence[BlobId] = ()
    ) -> StoredSnapshot:
        """Commit a snapshot: what it refers to must be durable. Durable on return.

        Args:
            snapshot: to be stored.
            tops: its trees that are read most often, the root first: who restores
                from it then finds them without the index.
        """
        hints = encode_hints(tops or [snapshot.tree], self.index.find_recent)
        snapshot = replace(snapshot, hints=hints)
        data = encode_snapshot(snapshot, self._keyring, random_bytes(NONCE_BYTES))
        snapshot_id = SnapshotId(content_hash(data))
        tag = self.snapshot_tag(snapshot.host, snapshot.paths)
        name = names.snapshot_name(snapshot.time_ns, tag, snapshot_id)
        self.backend.put(name, data)
        return StoredSnapshot(snapshot_id, snapshot, name)

    def require_store(self) -> None:
        """See that the storage is the one that was opened; one small request.

        A disk that is unmounted under its server leaves an empty folder, which
        takes what is put there, and nobody notices.

        Raises:
            SafetyStop: config and key slot are gone.
        """
        # A config that was lost alone is got round; our key slot was there.
        for name in (names.CONFIG, names.object_name(names.KEYS, self.slot_id)):
            with suppress(ObjectNotFound):
                self.backend.get(name, 0, 1)
                return
        raise SafetyStop(
            "the repository is gone from the storage: no snapshot was made",
            hint="see whether the right disk or bucket is there, then run the"
            " command again",
        )

    def _mend_config(self) -> None:
        if all(problem.object_name != names.CONFIG for problem in self._problems):
            return
        # A storage that permits no deletion keeps a damaged one; it is got round.
        with suppress(AccessDenied, ObjectExists):
            self.backend.delete(names.CONFIG)
            self.backend.put(names.CONFIG, encode_config(self.id))

    def _read_snapshot(self, name: SnapshotName) -> Snapshot:
        data = read_intact(self.backend, name.object_name)
        if content_hash(data) != name.snapshot_id:
            raise FormatError("its bytes are not those that were stored")
        snapshot = decode_snapshot(data, self._keyring)
        tag = self.snapshot_tag(snapshot.host, snapshot.paths)
        if (snapshot.time_ns, tag) != (name.time_ns, name.tag):
            raise FormatError("it stands under the name of another one")
        return snapshot
