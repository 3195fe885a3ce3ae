"""First question: are all objects there, and are the small ones intact?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chunkvault.backends.base import ObjectInfo
from chunkvault.errors import DamageError, ObjectNotFound, UnsupportedFormat
from chunkvault.format import names
from chunkvault.format.config import decode_config
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import short_hex
from chunkvault.operations.check.ledger import Ledger
from chunkvault.repository import Repository, SnapshotName, list_slots

__all__ = ["ObjectsFound", "check_objects", "load_snapshots", "snapshots_gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsFound:
    """What the listing and the small objects told.

    Attributes:
        stored_bytes: of all objects.
        volumes: that the index names.
        index_runs: that are intact.
        key_slots: that are intact.
        missing: ids of the volumes that are gone.
        resized: ids of those that are there with another size.
        unlisted: ids of the volumes that are there and in no index run.
    """

    stored_bytes: int
    volumes: int
    index_runs: int
    key_slots: int
    missing: frozenset[bytes]
    resized: frozenset[bytes]
    unlisted: frozenset[bytes]


def check_objects(repository: Repository, ledger: Ledger) -> ObjectsFound:
    """Compare the listing with the index; read config, key slots and index runs."""
    sizes = {info.name: info.size for info in repository.backend.list("")}
    _check_config(repository, ledger)
    key_slots = _check_slots(repository, ledger)
    index_runs = _check_runs(repository, ledger, sizes)
    adopted = repository.index.adopt_unlisted()
    volumes, missing, resized = _check_volumes(repository, ledger, sizes)
    for problem in repository.index.problems:
        ledger.damaged(problem.object_name, str(problem))
    _note_others(ledger, sizes, adopted)
    return ObjectsFound(
        stored_bytes=sum(sizes.values()),
        volumes=volumes,
        index_runs=index_runs,
        key_slots=key_slots,
        missing=missing,
        resized=resized,
        unlisted=frozenset(volume.volume_id for volume, _ in adopted.values()),
    )


def load_snapshots(repository: Repository, ledger: Ledger) -> list[StoredSnapshot]:
    """Every snapshot that can be read, newest first."""
    listed = repository.list_snapshots()
    loaded = []
    for name in reversed(listed):
        try:
            loaded.append(repository.load_snapshot(name))
        except DamageError as error:
            ledger.damaged(name.object_name, str(error))
            ledger.affected(name.object_name, short_hex(name.snapshot_id), b"/")
    _note_parents(ledger, loaded, listed)
    return loaded


def snapshots_gone(
    repository: Repository, remembered: Iterable[str]
) -> tuple[str, ...]:
    """Names that this machine remembers and that the listing does not have."""
    present = {info.name for info in repository.backend.list(names.SNAPSHOTS)}
    return tuple(sorted(set(remembered) - present))


def _check_config(repository: Repository, ledger: Ledger) -> None:
    try:
        found = decode_config(repository.backend.get(names.CONFIG))
    except ObjectNotFound:
        ledger.damaged(names.CONFIG, "object config is missing")
    except (DamageError, UnsupportedFormat) as error:
        ledger.damaged(names.CONFIG, f"object config is damaged: {error}")
    else:
        if found != repository.id:
            ledger.damaged(names.CONFIG, "object config is of another repository")


def _check_slots(repository: Repository, ledger: Ledger) -> int:
    slots = list_slots(repository.backend)
    for slot in slots:
        if slot.problem:
            name = names.object_name(names.KEYS, slot.slot_id)
            ledger.damaged(name, f"key slot {name} is damaged: {slot.problem}")
    return sum(not slot.problem for slot in slots)


def _check_runs(repository: Repository, ledger: Ledger, sizes: dict[str, int]) -> int:
    """How many index runs are intact; a broken one is read round by the index."""
    intact = 0
    for name in sorted(sizes):
        is_run = name.startswith(names.INDEX)
        is_known = is_run or name.startswith(names.PARTS)
        if not is_known or names.hash_in_name(name) is None:
            continue
        problem = repository.verify_object(ObjectInfo(name, sizes[name]))
        if problem is None:
            intact += is_run
        else:
            ledger.damaged(name, str(problem))
    return intact


def _check_volumes(
    repository: Repository, ledger: Ledger, sizes: dict[str, int]
) -> tuple[int, frozenset[bytes], frozenset[bytes]]:
    """How many volumes the index names; which are missing, which have a wrong size."""
    count = 0
    missing, resized = set(), set()
    for volume in repository.volumes():
        count += 1
        name = names.volume_name(volume.kind, volume.volume_id)
        size = sizes.get(name)
        if size is None and _is_there(repository, name):
            ledger.notes.append(f"volume {name} is there, but was not listed")
        elif size is None:
            missing.add(volume.volume_id)
            ledger.damaged(name, f"volume {name} is missing")
        elif size != volume.size:
            resized.add(volume.volume_id)
            what = f"has {size} bytes instead of {volume.size}"
            ledger.damaged(name, f"volume {name} {what}")
    return count, frozenset(missing), frozenset(resized)


def _is_there(repository: Repository, name: str) -> bool:
    """Ask for it by name: a listing may have left something out."""
    try:
        repository.backend.get(name, 0, 1)
    except ObjectNotFound:
        return False
    return True


def _note_others(
    ledger: Ledger, sizes: dict[str, int], unlisted: Iterable[str]
) -> None:
    """Mention what is there without need."""
    for name in unlisted:
        ledger.notes.append(
            f"volume {name} is in no index run; the next backup lists it"
        )
    for name in sorted(sizes):
        if not _is_ours(name):
            ledger.notes.append(f"object {name} is not part of a repository")


def _is_ours(name: str) -> bool:
    if name == names.CONFIG:
        return True
    if name.startswith(names.SNAPSHOTS):
        return names.parse_snapshot_name(name) is not None
    folders = (names.KEYS, names.INDEX, names.PARTS, *names.VOLUME_FOLDERS.values())
    return name.startswith(folders) and names.hash_in_name(name) is not None


def _note_parents(
    ledger: Ledger, loaded: Sequence[StoredSnapshot], listed: Sequence[SnapshotName]
) -> None:
    present = {name.snapshot_id for name in listed}
    for kept in loaded:
        parent = kept.snapshot.parent
        if parent is not None and parent not in present:
            ledger.notes.append(
                f"snapshot {short_hex(kept.snapshot_id)} was taken after "
                f"{short_hex(parent)}, which is no longer there"
            )
