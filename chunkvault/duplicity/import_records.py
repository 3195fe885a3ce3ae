"""What an import is told, and what it tells."""

from dataclasses import dataclass, field

from chunkvault.duplicity.names import NO_PREFIXES, Prefixes

__all__ = [
    "INCOMPLETE_TAG",
    "ImportCounts",
    "ImportOptions",
    "ImportSummary",
    "summarize",
]

INCOMPLETE_TAG = "incomplete"
"""On snapshots that lack something that duplicity had backed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What to import, and as what.

    Attributes:
        default_host: the machine's name where the archive has none.
        user: who runs the import.
        host: the machine's name, whatever the archive says.
        folder: what was backed up, absolute, whatever the archive says.
        tags: of every imported snapshot.
        prefixes: what stands in front of the names of the archive's files.
        dry_run: look only at what there is to import.
        workers: threads that compress; 0 does everything in the caller's.
        list_entries: tell the reporter about each path.
    """

    default_host: str
    user: str
    host: str | None = None
    folder: bytes | None = None
    tags: tuple[str, ...] = ("imported",)
    prefixes: Prefixes = NO_PREFIXES
    dry_run: bool = False
    workers: int = 2
    list_entries: bool = False


@dataclass(slots=True)
class ImportCounts:
    """Counters that an import adds to; see `ImportSummary`."""

    imported: int = 0
    known: int = 0
    skipped: int = 0
    stored: int = 0
    changed: int = 0
    deleted: int = 0
    lost: int = 0
    damaged: int = 0
    refused: int = 0
    read_bytes: int = 0
    added_bytes: int = 0
    stored_bytes: int = 0
    snapshots: list[str] = field(default_factory=list)

    def add(self, of_set: "ImportCounts") -> None:
        """Count what became of the entries and files of one set."""
        self.stored += of_set.stored
        self.changed += of_set.changed
        self.deleted += of_set.deleted
        self.lost += of_set.lost
        self.damaged += of_set.damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import did.

    Attributes:
        sets_imported: backup sets that became snapshots; in a dry run, that would.
        sets_known: were imported earlier.
        sets_skipped: cannot be imported: unfinished, or what they build on is gone.
        entries_stored: whole files, folders, links, devices in the imported sets.
        entries_changed: files of which a set has the changes only.
        entries_deleted: what sets say is gone.
        entries_lost: versions of paths that could not be read or rebuilt.
        damaged_files: files of the archive that are broken or missing.
        sets_refused: of those skipped, the ones that are not signed as demanded.
        read_bytes: of the archive's volumes.
        added_bytes: content that was not stored before, trees included.
        stored_bytes: bytes put on the backend, after compression.
        snapshots: ids of the new snapshots, oldest first.
    """

    sets_imported: int
    sets_known: int
    sets_skipped: int
    entries_stored: int
    entries_changed: int
    entries_deleted: int
    entries_lost: int
    damaged_files: int
    sets_refused: int
    read_bytes: int
    added_bytes: int
    stored_bytes: int
    snapshots: tuple[str, ...]


def summarize(counts: ImportCounts) -> ImportSummary:
    """The counters as they stand in the end."""
    return ImportSummary(
        sets_imported=counts.imported,
        sets_known=counts.known,
        sets_skipped=counts.skipped,
        entries_stored=counts.stored,
        entries_changed=counts.changed,
        entries_deleted=counts.deleted,
        entries_lost=counts.lost,
        damaged_files=counts.damaged,
        sets_refused=counts.refused,
        read_bytes=counts.read_bytes,
        added_bytes=counts.added_bytes,
        stored_bytes=counts.stored_bytes,
        snapshots=tuple(counts.snapshots),
    )
