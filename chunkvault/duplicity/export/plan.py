"""Which sets are to be written: times, fulls and increments.

An archive is added to at its end only. Times are whole seconds and strictly
increasing, since sets are tied together by them; of two snapshots in one second the
later one moves to the next.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chunkvault.duplicity.export.archive_state import ArchiveState
from chunkvault.duplicity.export.changes import Root
from chunkvault.duplicity.export.records import ExportOptions, FullEvery
from chunkvault.duplicity.export.set_writer import SetTimes
from chunkvault.errors import DamageError, SafetyStop, UsageError
from chunkvault.format.node import EMPTY_DIRECTORY, NodeKind
from chunkvault.format.snapshot import Snapshot, StoredSnapshot
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = [
    "Plan",
    "SetPlan",
    "folder_of",
    "host_of",
    "make_plan",
    "require_one_series",
    "root_of",
]

_NS = 10**9
_WHITESPACE = re.compile(rb"\s")
_ROOTS = (NodeKind.DIRECTORY, NodeKind.FILE)
_LATEST_TIME = 253402300799
"""The last second of the year 9999: the names have four digits for it."""


@dataclass(frozen=True, slots=True)
class SetPlan:
    """One set to write: from which snapshot, and what it continues."""

    stored: StoredSnapshot
    times: SetTimes
    base: StoredSnapshot | None


@dataclass(frozen=True, slots=True)
class Plan:
    """All sets to write, oldest first, and what becomes of the other snapshots."""

    sets: list[SetPlan]
    present: int
    too_old: int


def require_one_series(snapshots: Sequence[StoredSnapshot]) -> None:
    """An archive holds the history of one thing.

    Raises:
        UsageError: the snapshots are of several machines or of other folders.
    """
    series = {(one.snapshot.host, one.snapshot.paths) for one in snapshots}
    if len(series) > 1:
        shown = "; ".join(sorted(_describe(*one) for one in series)[:4])
        raise UsageError(
            f"the snapshots are of {len(series)} different sources: {shown}",
            hint="a folder of duplicity holds one: choose with --host, --path or"
            " --tag, and export the others to folders of their own",
        )


def folder_of(trees: TreeReader, snapshot: Snapshot) -> bytes:
    """What an archive shows as ``.``: what was backed up, or ``/`` for several.

    Raises:
        DamageError: the snapshot's trees cannot be read.
    """
    if len(snapshot.paths) != 1:
        return b"/"
    node = trees.lookup(snapshot.tree, snapshot.paths[0])
    return snapshot.paths[0] if node is not None and node.kind in _ROOTS else b"/"


def root_of(trees: TreeReader, snapshot: Snapshot) -> Root:
    """The folder, or the file, that becomes the root of the archive.

    Raises:
        DamageError: the snapshot's trees cannot be read.
    """
    node = trees.lookup(snapshot.tree, folder_of(trees, snapshot))
    if node is None:
        return Root(EMPTY_DIRECTORY, snapshot.tree)
    return Root(node._replace(name=b""), node.subtree)


def host_of(snapshot: Snapshot) -> bytes | None:
    """The machine, as a manifest can name it."""
    host = snapshot.host.encode("utf-8", "surrogateescape")
    try:
        host.decode("utf-8")
    except UnicodeDecodeError:
        return None  # duplicity could not read the manifest
    return None if not host or _WHITESPACE.search(host) else host


def make_plan(
    repository: Repository,
    trees: TreeReader,
    state: ArchiveState,
    options: ExportOptions,
    *,
    is_encrypted: bool,
) -> Plan:
    """What to write.

    Raises:
        SafetyStop: the archive is of another machine or folder.
    """
    base = _find_base(repository, state)
    new, present, too_old = _split(options.snapshots, state, base)
    if new:
        _require_same_source(trees, new[0].snapshot, state)
    if state.is_encrypted != is_encrypted or _is_unsure(state):
        base = None
    planner = _Planner(trees, state, base, options.full_every)
    return Plan([planner.next(stored) for stored in new], present, too_old)


class _Planner:
    """Gives each snapshot its time and decides between full and increment."""

    def __init__(
        self,
        trees: TreeReader,
        state: ArchiveState,
        base: StoredSnapshot | None,
        every: FullEvery,
    ) -> None:
        self._trees = trees
        self._end = state.end
        self._base = base
        self._every = every
        self._chain_sets = 0 if state.chain is None else len(state.chain.sets)
        self._chain_start = 0 if state.chain is None else state.chain.start

    def next(self, stored: StoredSnapshot) -> SetPlan:
        end = _second_of(stored)
        if self._end is not None:
            end = max(end, self._end + 1)
        if not 0 < end <= _LATEST_TIME:
            raise UsageError("the time of a snapshot is none that duplicity can name")
        base = None if self._is_long_enough(end) else self._base
        if base is not None and not self._has_same_root(base, stored):
            base = None
        start = None if base is None else self._end
        if base is None:
            self._chain_sets, self._chain_start = 0, end
        self._chain_sets += 1
        self._end, self._base = end, stored
        return SetPlan(stored, SetTimes(start, end), base)

    def _has_same_root(self, old: StoredSnapshot, new: StoredSnapshot) -> bool:
        """Not so where what was a folder is one no more, or the other way round."""
        trees = self._trees
        if folder_of(trees, old.snapshot) != folder_of(trees, new.snapshot):
            return False
        before, now = (root_of(trees, one.snapshot).node for one in (old, new))
        return before.kind == now.kind

    def _is_long_enough(self, end: int) -> bool:
        sets, seconds = self._every.sets, self._every.seconds
        return (sets is not None and self._chain_sets >= sets) or (
            seconds is not None and end - self._chain_start >= seconds
        )


def _find_base(repository: Repository, state: ArchiveState) -> StoredSnapshot | None:
    """The snapshot of the newest set, if it is ours and still there."""
    for name in repository.list_snapshots():
        if name.snapshot_id == state.snapshot:
            try:
                return repository.load_snapshot(name)
            except DamageError:
                return None
    return None


def _split(
    snapshots: Sequence[StoredSnapshot],
    state: ArchiveState,
    base: StoredSnapshot | None,
) -> tuple[list[StoredSnapshot], int, int]:
    """The snapshots to add; how many are there already; how many come too late."""
    if state.end is None:
        return list(snapshots), 0, 0
    new: list[StoredSnapshot] = []
    present = too_old = 0
    for stored in reversed(snapshots):
        if _is_after(stored, state.end, base):
            new.append(stored)
        elif state.origins.holds(stored.snapshot_id, _second_of(stored)):
            present += 1
        else:
            too_old += 1
    return new[::-1], present, too_old


def _second_of(stored: StoredSnapshot) -> int:
    return stored.snapshot.time_ns // _NS


def _is_after(stored: StoredSnapshot, end: int, base: StoredSnapshot | None) -> bool:
    if base is None:
        return _second_of(stored) > end
    return _order(stored) > _order(base)


def _order(stored: StoredSnapshot) -> tuple[int, str]:
    return stored.snapshot.time_ns, stored.object_name


def _require_same_source(
    trees: TreeReader, snapshot: Snapshot, state: ArchiveState
) -> None:
    manifest = state.manifest
    if manifest is None:
        return
    host, folder = host_of(snapshot), folder_of(trees, snapshot)
    same_host = manifest.host in (None, host)
    if same_host and manifest.folder in (None, folder):
        return
    old = _describe_bytes(manifest.host, manifest.folder)
    new = _describe_bytes(host, folder)
    raise SafetyStop(
        f"the archive is of {old}, the snapshots are of {new}",
        hint="name another folder: duplicity keeps one source in each",
    )


def _is_unsure(state: ArchiveState) -> bool:
    """Whether the newest set lacks more than it could list."""
    return state.manifest is not None and b"." in state.manifest.lost


def _describe(host: str, paths: tuple[bytes, ...]) -> str:
    shown = ", ".join(path.decode(errors="backslashreplace") for path in paths)
    return f"{shown} of {host}"


def _describe_bytes(host: bytes | None, folder: bytes | None) -> str:
    name = (host or b"an unknown machine").decode(errors="backslashreplace")
    path = (folder or b"an unknown folder").decode(errors="backslashreplace")
    return f"{path} of {name}"
