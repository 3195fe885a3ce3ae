"""Which backup sets have become snapshots already.

An imported snapshot says in ``Snapshot.program`` which set it was made from. With
its time, machine and folder, which its name tells, that is what it is known by; so
the tags are free to be changed, and an archive may be moved or copied.

A set that was exported from this repository need not become a snapshot again: its
manifest names the one that it was made from.
"""

from collections import defaultdict

import chunkvault
from chunkvault.duplicity.chains import BackupSet
from chunkvault.duplicity.names import format_set_time
from chunkvault.errors import DamageError
from chunkvault.format.names import SnapshotName
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.repository import Repository

__all__ = ["ImportedSets", "program_of", "set_name", "set_time_ns"]

_NS_PER_SECOND = 10**9


class ImportedSets:
    """The imported snapshots of a repository, as it was when this was made."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._by_time: dict[int, list[SnapshotName]] = defaultdict(list)
        self._by_id: dict[bytes, SnapshotName] = {}
        for name in repository.list_snapshots():
            self._by_time[name.time_ns].append(name)
            self._by_id[name.snapshot_id] = name

    def find(self, one: BackupSet, host: str, folder: bytes) -> StoredSnapshot | None:
        """The snapshot that was made of a set of this machine and folder."""
        tag = self._repository.snapshot_tag(host, (folder,))
        for name in self._by_time.get(set_time_ns(one), ()):
            stored = self._load(name) if name.tag == tag else None
            if stored is not None and stored.snapshot.program.endswith(_mark(one)):
                return stored
        return None

    def find_origin(
        self, snapshot_id: bytes | None, host: str, folder: bytes
    ) -> StoredSnapshot | None:
        """The snapshot of this machine and folder that a set was exported from."""
        name = self._by_id.get(snapshot_id or b"")
        tag = self._repository.snapshot_tag(host, (folder,))
        return self._load(name) if name is not None and name.tag == tag else None

    def _load(self, name: SnapshotName) -> StoredSnapshot | None:
        try:
            return self._repository.load_snapshot(name)
        except DamageError:
            return None  # then it is imported once more


def program_of(one: BackupSet) -> str:
    """What the snapshot of a set says of what wrote it."""
    return f"chunkvault {chunkvault.__version__}{_mark(one)}"


def set_name(one: BackupSet) -> str:
    """What the names of the set's files begin with in the usual style."""
    end = format_set_time(one.end)
    if one.start is None:
        return f"duplicity-full.{end}"
    return f"duplicity-inc.{format_set_time(one.start)}.to.{end}"


def set_time_ns(one: BackupSet) -> int:
    """The time of the snapshot."""
    return one.end * _NS_PER_SECOND


def _mark(one: BackupSet) -> str:
    return f", imported from {set_name(one)}"
