"""Remove what killed runs left behind: nothing that a snapshot could need.

There are four kinds of it. Two are no objects at all, and the store knows of them:
unfinished uploads and temporary files. Two are objects of the index: runs that others
replace, and parts that no run names. Volumes are never touched, for the next backup
takes those over that no run lists. Whatever is removed was left alone for a day by the
store's own clock, or is known to be nobody's; so backups, merges and other prunes may
be at work meanwhile, and the command may be killed and repeated at any moment.

What decides that a volume is not needed any more will stand beside this, as one more
kind of thing to remove.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.upkeep import Leftover, LeftoverKind, Upkeep, upkeep_of
from chunkvault.errors import AccessDenied, SafetyStop
from chunkvault.format import names
from chunkvault.format.blob import BlobKind
from chunkvault.report import Progress, Reporter
from chunkvault.repository import IndexSurplus, Repository, find_surplus

__all__ = ["KINDS", "PruneOptions", "PruneSummary", "Tally", "prune"]

RUNS = "runs"
PARTS = "parts"
KINDS = (LeftoverKind.UPLOAD.value, LeftoverKind.FILE.value, RUNS, PARTS)
"""What is removed, in that order."""

_FOLDERS = (
    names.KEYS,
    names.INDEX,
    names.PARTS,
    names.SNAPSHOTS,
    names.VOLUME_FOLDERS[BlobKind.CHUNK],
    names.VOLUME_FOLDERS[BlobKind.TREE],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """How to prune.

    Attributes:
        dry_run: only tell what would be removed.
        list_entries: tell the reporter of each thing.
    """

    dry_run: bool = False
    list_entries: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many things, and the bytes they take."""

    number: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneSummary:
    """What was done, by kind of thing (`KINDS`).

    Attributes:
        removed: what was removed, or would be.
        left: what may still be somebody's.
        notes: what could not be looked for, or is left for a reason, for people.
    """

    removed: dict[str, Tally]
    left: dict[str, Tally]
    notes: tuple[str, ...]


def prune(
    repository: Repository, options: PruneOptions, reporter: Reporter
) -> PruneSummary:
    """Remove what nobody needs; see the module. Open the repository without a cache.

    Raises:
        SafetyStop: the place does not look like a repository that is complete.
        AccessDenied: the storage does not permit deletions; nothing is lost by that.
        UnsupportedFormat: a newer version wrote a part of the index.
    """
    _require_complete(repository)
    job = _Job(repository, options, reporter)
    progress = Progress(task="prune")
    reporter.begin(progress)
    try:
        job.run(progress)
    finally:
        reporter.end()
    return job.summary()


def _require_complete(repository: Repository) -> None:
    """Refuse a place without its config: perhaps it is still being copied there."""
    for problem in repository.problems:
        if problem.object_name == names.CONFIG:
            raise SafetyStop(
                f"{problem}: nothing was removed",
                hint="if a copy is being made, wait for its end; else a backup writes"
                " it again",
            )


class _Job:
    """One run; its counters."""

    def __init__(
        self, repository: Repository, options: PruneOptions, reporter: Reporter
    ) -> None:
        self._backend = repository.backend
        self._index = repository.index
        self._options = options
        self._reporter = reporter
        self._upkeep: Upkeep | None = upkeep_of(self._backend)
        self._removed: Counter[str] = Counter()
        self._removed_bytes: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._left_bytes: Counter[str] = Counter()
        self._notes: list[str] = []

    def run(self, progress: Progress) -> None:
        if self._upkeep is None:
            self._notes.append(
                "this storage shows neither what interrupted runs left nor the ages of"
                " objects, so nothing can be removed for certain"
            )
        leftovers = [] if self._upkeep is None else [*self._upkeep.leftovers()]
        ours = [one for one in leftovers if _is_ours(one)]
        surplus = find_surplus(self._backend, self._index, self._upkeep)
        self._notes += surplus.doubts
        progress.total_files = sum(one.is_abandoned for one in ours) + len(surplus.runs)
        progress.total_files += len(surplus.parts)
        try:
            self._remove_leftovers(ours, progress)
            self._remove_surplus(surplus, progress)
        except AccessDenied as error:
            raise AccessDenied(
                f"{error}",
                hint="prune needs a key that may delete; what it would have removed"
                " takes space and does no harm",
            ) from error

    def summary(self) -> PruneSummary:
        return PruneSummary(
            removed=_tallies(self._removed, self._removed_bytes),
            left=_tallies(self._left, self._left_bytes),
            notes=tuple(self._notes),
        )

    def _remove_leftovers(
        self, leftovers: Iterable[Leftover], progress: Progress
    ) -> None:
        for leftover in leftovers:
            kind = leftover.kind.value
            if leftover.is_abandoned and self._try_remove(leftover):
                self._note_removed(kind, leftover.name, leftover.size, progress)
            else:
                self._note_left(kind, leftover.size)

    def _try_remove(self, leftover: Leftover) -> bool:
        if self._options.dry_run:
            return True
        return self._upkeep is not None and self._upkeep.remove(leftover)

    def _remove_surplus(self, surplus: IndexSurplus, progress: Progress) -> None:
        # The runs first: who finds one finds its parts.
        for info in (*surplus.runs, *surplus.parts):
            if not self._options.dry_run:
                self._backend.delete(info.name)
            self._note_removed(_kind_of(info), info.name, info.size, progress)
        for info in surplus.waiting:
            self._note_left(_kind_of(info), info.size)

    def _note_removed(
        self, kind: str, name: str, size: int, progress: Progress
    ) -> None:
        self._removed[kind] += 1
        self._removed_bytes[kind] += size
        progress.done_files += 1
        progress.done_bytes += size
        if self._options.list_entries:
            self._reporter.entry("deleted", name.encode("utf-8", "surrogateescape"))

    def _note_left(self, kind: str, size: int) -> None:
        self._left[kind] += 1
        self._left_bytes[kind] += size


def _is_ours(leftover: Leftover) -> bool:
    """Whether an upload is for an object of a repository; others share buckets."""
    if leftover.kind is not LeftoverKind.UPLOAD or leftover.name == names.CONFIG:
        return True
    is_hash = names.hash_in_name(leftover.name) is not None
    return is_hash and leftover.name.startswith(_FOLDERS)


def _kind_of(info: ObjectInfo) -> str:
    return PARTS if info.name.startswith(names.PARTS) else RUNS


def _tallies(numbers: Counter[str], sizes: Counter[str]) -> dict[str, Tally]:
    return {
        kind: Tally(number=numbers[kind], stored_bytes=sizes[kind]) for kind in KINDS
    }
