"""Which sets are to be written: times, fulls and increments.

An archive is added to at its end only. Times are whole seconds and strictly
increasing, since sets are tied together by them; of two snapshots in one second the
later one moves to the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chunkvault.duplicity.export.archive_state import ArchiveState
from chunkvault.duplicity.export.late_signatures import unsigned_set
from chunkvault.duplicity.export.records import ExportOptions, FullEvery
from chunkvault.duplicity.export.signature_writer import SetTimes
from chunkvault.duplicity.export.source import folder_of, require_same_source, root_of
from chunkvault.errors import DamageError, UsageError
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["Plan", "SetPlan", "find_snapshot", "make_plan"]

_NS = 10**9
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
    """All sets to write, and what becomes of the other snapshots.

    Attributes:
        sets: oldest first.
        present: snapshots that are in the archive already.
        too_old: snapshots that are older than its end.
        not_continued: why the chain that is there is not gone on with; empty if it
            is, or if there is none.
    """

    sets: list[SetPlan]
    present: int
    too_old: int
    not_continued: str = ""


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
    newest = None
    if not _has_late_orphans(state):
        newest = find_snapshot(repository, state.snapshot)
    new, present, too_old = _split(options.snapshots, state, newest)
    if not new:
        return Plan([], present, too_old)
    require_same_source(trees, new[0].snapshot, state)
    obstacle = _obstacle(state, newest, is_encrypted=is_encrypted)
    base = None if obstacle else newest
    planner = _Planner(trees, state, base, options.full_every)
    return Plan([planner.next(stored) for stored in new], present, too_old, obstacle)


def _obstacle(
    state: ArchiveState, newest: StoredSnapshot | None, *, is_encrypted: bool
) -> str:
    """Why nothing can be built on the newest set; empty if it can."""
    if state.chain is None:
        return ""
    is_ours, is_known = state.snapshot is not None, state.manifest is not None
    so_far = "" if state.is_encrypted else "not "
    reasons = {
        "increments in the archive have lost what they build on": _has_late_orphans(
            state
        ),
        "duplicity has written its newest backup": not is_ours and is_known,
        "nobody can tell what its newest backup is of": not is_ours,
        "the snapshot of its newest backup is gone": newest is None,
        f"so far it is {so_far}encrypted": state.is_encrypted != is_encrypted,
        "its newest backup lacks what was damaged": _is_unsure(state),
        "its newest backup has no signatures": unsigned_set(state.chain) is not None,
    }
    return next((text for text, is_so in reasons.items() if is_so), "")


def _has_late_orphans(state: ArchiveState) -> bool:
    """Whether increments of no chain are newer than the chain that ends last."""
    return state.chain is not None and state.end != state.chain.end


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


def find_snapshot(
    repository: Repository, snapshot_id: bytes | None
) -> StoredSnapshot | None:
    """The snapshot that a set was made from, if it is still there."""
    for name in repository.list_snapshots():
        if name.snapshot_id == snapshot_id:
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


def _is_unsure(state: ArchiveState) -> bool:
    """Whether the newest set lacks more than it could list."""
    return state.manifest is not None and b"." in state.manifest.lost
