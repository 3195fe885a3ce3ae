"""A repository: its identity, its keys, and what reads and writes its blobs."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Self

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.codec.hashing import content_hash
from chunkvault.codec.passphrase import DEFAULT_COST, KdfCost
from chunkvault.codec.sealing import NONCE_BYTES, random_bytes
from chunkvault.errors import (
    AccessDenied,
    DamageError,
    FormatError,
    ObjectExists,
    ObjectNotFound,
    RepositoryExists,
    RepositoryNotFound,
    UnsupportedFormat,
)
from chunkvault.format import names
from chunkvault.format.config import decode_config, encode_config
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.keys import MASTER_KEY_BYTES, KeyBundle, Secret, Settings
from chunkvault.format.names import SnapshotName
from chunkvault.format.snapshot import (
    Snapshot,
    StoredSnapshot,
    decode_snapshot,
    encode_snapshot,
)
from chunkvault.format.subkeys import Keyring, derive_keyring
from chunkvault.ids import ID_BYTES, BlobId, RepositoryId, SlotId, SnapshotId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.blob_reader import BlobReader
from chunkvault.repository.blob_writer import BlobWriter
from chunkvault.repository.hints import decode_hints, encode_hints
from chunkvault.repository.integrity import verify_object, verify_volume
from chunkvault.repository.recollection import Recollection
from chunkvault.repository.slots import store_slot, unlock, unlock_known

__all__ = [
    "DEFAULT_SETTINGS",
    "Repository",
    "create_repository",
    "open_repository",
]

DEFAULT_SETTINGS = Settings(
    chunker=ChunkerParameters(minimum=16 << 10, average=64 << 10, maximum=256 << 10),
    frame_bytes=1 << 20,
    volume_bytes=16 << 20,
)
"""Sizes measured in docs/decisions/0002."""

_DATA_FOLDERS = (
    names.SNAPSHOTS,
    names.INDEX,
    names.PARTS,
    *names.VOLUME_FOLDERS.values(),
)


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
        return sorted(name for name in parsed if name is not None)

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

    def _mend_config(self) -> None:
        if all(problem.object_name != names.CONFIG for problem in self._problems):
            return
        # A storage that permits no deletion keeps a damaged one; it is got round.
        with suppress(AccessDenied, ObjectExists):
            self.backend.delete(names.CONFIG)
            self.backend.put(names.CONFIG, encode_config(self.id))

    def _read_snapshot(self, name: SnapshotName) -> Snapshot:
        data = self.backend.get(name.object_name)
        if content_hash(data) != name.snapshot_id:
            raise FormatError("its bytes are not those that were stored")
        snapshot = decode_snapshot(data, self._keyring)
        tag = self.snapshot_tag(snapshot.host, snapshot.paths)
        if (snapshot.time_ns, tag) != (name.time_ns, name.tag):
            raise FormatError("it stands under the name of another one")
        return snapshot


def create_repository(  # noqa: PLR0913 - each has a sensible default
    backend: Backend,
    secret: Secret,
    *,
    settings: Settings = DEFAULT_SETTINGS,
    label: str = "",
    now_ns: int = 0,
    cost: KdfCost = DEFAULT_COST,
    extra_verify: bool = True,
) -> Repository:
    """Make an empty repository. The config is written last: before it, nothing is.

    What an interrupted creation left is no obstacle, and is removed.

    Raises:
        RepositoryExists: there is one already, or something else is there.
    """
    leftovers = _require_vacant(backend)
    repository_id = RepositoryId(random_bytes(ID_BYTES))
    bundle = KeyBundle(
        masters=(random_bytes(MASTER_KEY_BYTES),),
        settings=settings,
        label=label,
        created_ns=now_ns,
    )
    slot_id = store_slot(backend, bundle, secret, repository_id, cost)
    try:
        backend.put(names.CONFIG, encode_config(repository_id))
    except ObjectExists:
        backend.delete(names.object_name(names.KEYS, slot_id))
        raise RepositoryExists("somebody else just created a repository") from None
    # Not earlier: they may belong to somebody who is creating one at this moment.
    for name in leftovers:
        backend.delete(name)
    return Repository(
        backend, repository_id, bundle, slot_id, extra_verify=extra_verify
    )


def open_repository(
    backend: Backend,
    secret: Secret,
    *,
    extra_verify: bool = True,
    bases: Backend | None = None,
    recollection: Recollection | None = None,
    connections: int = 0,
) -> Repository:
    """Open a repository with a passphrase or a device key.

    A lost or damaged config is got round, since every key slot knows what it
    said; it is then among the repository's `problems`. Where the key slot is
    remembered and opens, config and list of slots are not looked at.

    Args:
        backend: where the repository is.
        secret: what opens it.
        extra_verify: read again what was compressed and sealed, before it is put.
        bases: where bases of deltas are read from, if reading from ``backend``
            costs a download; may have less than it.
        recollection: what earlier runs of this machine remember of the names.
        connections: requests that may be under way at once; 0 for a near storage.

    Raises:
        RepositoryNotFound: there is none.
        WrongKey: no key slot opens.
        UnsupportedFormat: a newer version wrote it.
        DamageError: too much of it is lost.
    """
    opened = partial(
        Repository,
        backend,
        extra_verify=extra_verify,
        bases=bases,
        connections=connections,
    )
    if recollection is not None:
        known = (recollection.slot, recollection.repository_id)
        unlocked = unlock_known(backend, secret, *known)
        if unlocked is not None:
            return opened(*unlocked, runs=recollection.runs)
    expected, problem = _read_config(backend)
    if problem is not None:
        _require_remains(backend, problem)
    repository_id, bundle, slot_id = unlock(backend, secret, expected)
    repository = opened(repository_id, bundle, slot_id)
    if expected not in (None, repository_id):
        what = "object config is of another repository"
        problem = DamageError(what, object_name=names.CONFIG)
    if problem is not None:
        repository.add_problem(problem)
    return repository


def _read_config(backend: Backend) -> tuple[RepositoryId | None, DamageError | None]:
    try:
        return decode_config(backend.get(names.CONFIG)), None
    except ObjectNotFound:
        what = "object config is missing"
        return None, DamageError(what, object_name=names.CONFIG)
    except FormatError as error:
        what = f"object config is damaged: {error}"
        return None, FormatError(what, object_name=names.CONFIG)


def _require_vacant(backend: Backend) -> list[str]:
    """Names of what an interrupted creation left; refuses anything else.

    Key slots stand alone only before the first config is written.
    """
    leftovers = []
    for info in backend.list(""):
        if not info.name.startswith(names.KEYS) or not names.hash_in_name(info.name):
            raise RepositoryExists("the location is not empty, or holds a repository")
        leftovers.append(info.name)
    return leftovers


def _require_remains(backend: Backend, problem: DamageError) -> None:
    """Refuse to go on without a config where there is nothing to go on with."""
    has_slots = _has_any(backend, names.KEYS)
    has_data = any(_has_any(backend, folder) for folder in _DATA_FOLDERS)
    is_missing = not isinstance(problem, FormatError)
    if has_slots and (has_data or not is_missing):
        return
    if has_data:
        raise DamageError(
            f"{problem}, and so are all key slots",
            object_name=names.CONFIG,
            hint="restore 'config' and the folder 'keys' from a copy",
        )
    if not is_missing:
        raise problem
    if has_slots:
        raise RepositoryNotFound(
            "the creation of a repository at this location was interrupted",
            hint="run 'chunkvault init' again",
        )
    raise RepositoryNotFound("there is no repository at this location")


def _has_any(backend: Backend, folder: str) -> bool:
    return next(iter(backend.list(folder)), None) is not None
