"""What an export is asked for, and what it tells when it is done."""

from dataclasses import dataclass, field

from chunkvault.duplicity.names import NO_PREFIXES, Prefixes
from chunkvault.format.snapshot import StoredSnapshot

__all__ = ["Counts", "ExportOptions", "ExportSummary", "FullEvery", "summarize"]

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FullEvery:
    """When a chain is long enough, and a new one begins with a full set.

    Attributes:
        sets: of so many sets; None for any number.
        seconds: of so much time; None for any.
    """

    sets: int | None = 30
    seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What to export, and how.

    Attributes:
        snapshots: oldest first, all of one machine and the same folders.
        volume_bytes: how large a volume gets, about.
        full_every: how long a chain gets.
        compress: whether the files are compressed.
        prefixes: what stands in front of the names of the archive's files.
        dry_run: only tell what would be written.
        list_entries: tell of every path.
    """

    snapshots: tuple[StoredSnapshot, ...]
    volume_bytes: int = 200 * _MIB
    full_every: FullEvery = FullEvery()
    compress: bool = True
    prefixes: Prefixes = NO_PREFIXES
    dry_run: bool = False
    list_entries: bool = False


@dataclass(slots=True)
class Counts:
    """What has been done so far; the fields are those of `ExportSummary`."""

    sets_full: int = 0
    sets_incremental: int = 0
    sets_present: int = 0
    sets_too_old: int = 0
    not_continued: str = ""
    sets: list[str] = field(default_factory=list)
    entries_new: int = 0
    entries_changed: int = 0
    entries_deleted: int = 0
    deltas: int = 0
    content_bytes: int = 0
    stored_bytes: int = 0
    volumes: int = 0
    leftovers: int = 0
    damaged: int = 0
    not_held: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSummary:
    """What an export has done, or would do.

    Attributes:
        sets_full: full backup sets written.
        sets_incremental: increments written.
        sets_present: snapshots that were in the archive already.
        sets_too_old: snapshots older than what is in the archive, which can only
            be added to at its end.
        not_continued: why a new chain had to begin after the one that was there;
            empty if that was gone on with, or nothing was there.
        sets: times of the sets written, as in the names of files.
        entries_new: paths written that the set before lacks.
        entries_changed: paths written that the set before has otherwise.
        entries_deleted: paths told to be gone.
        deltas: files that went out as a delta.
        content_bytes: of files, read and written.
        stored_bytes: of all files of the archive that were written.
        volumes: written.
        leftovers: files of interrupted exports that were removed.
        damaged: paths that cannot be read from the repository.
        not_held: how many of the written entries have what duplicity cannot hold.
    """

    sets_full: int
    sets_incremental: int
    sets_present: int
    sets_too_old: int
    not_continued: str
    sets: tuple[str, ...]
    entries_new: int
    entries_changed: int
    entries_deleted: int
    deltas: int
    content_bytes: int
    stored_bytes: int
    volumes: int
    leftovers: int
    damaged: int
    not_held: dict[str, int]


def summarize(counts: Counts) -> ExportSummary:
    """The counts, as they are now."""
    fields = {name: getattr(counts, name) for name in Counts.__slots__}
    fields["sets"] = tuple(counts.sets)
    fields["not_held"] = dict(sorted(counts.not_held.items()))
    return ExportSummary(**fields)
