"""What a restore is asked, what it counts, and what it says in the end."""

from dataclasses import dataclass, field

from chunkvault.format.snapshot import StoredSnapshot

__all__ = ["OVERWRITE_POLICIES", "RestoreOptions", "RestoreSummary", "Tally"]

OVERWRITE_POLICIES = ("always", "if-newer", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """What to restore, where to, and what may be touched there.

    Attributes:
        snapshot: where the files come from.
        target: directory they go to; made if it is not there.
        paths: of the snapshot, absolute; empty for all of it.
        overwrite: of files that exist and differ: ``always`` replaces them,
            ``if-newer`` only those older than the snapshot's, ``never`` none.
        delete: remove what stands in restored directories and not in the
            snapshot; only after everything could be restored.
        dry_run: compare and tell, but change nothing.
        workers: threads; 0 does everything in the calling one.
        list_entries: tell the reporter what happens to each path.
        numeric_owner: owners by number, whatever the names are here.
        guarded: directories that are left alone (the repository's own).
    """

    snapshot: StoredSnapshot
    target: bytes
    paths: tuple[bytes, ...] = ()
    overwrite: str = "always"
    delete: bool = False
    dry_run: bool = False
    workers: int = 2
    list_entries: bool = False
    numeric_owner: bool = False
    guarded: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSummary:
    """What a restore did, or in a dry run would do.

    Attributes:
        files_restored: written, or linked to one that is as it should be.
        files_unchanged: had the right content already.
        files_kept: differ or are unknown, and the overwrite policy spared them.
        directories: made, or there already.
        others: symbolic links, FIFOs and devices.
        hard_links: further names of files, among those restored.
        deleted: entries that were not in the snapshot.
        restored_bytes: of file content written.
        read_bytes: of stored data read for it.
        failed: entries that could not be restored; each was a problem.
        damaged: those of them that damage in the repository has cost.
        denied: how often metadata was not permitted, by what it was.
    """

    files_restored: int
    files_unchanged: int
    files_kept: int
    directories: int
    others: int
    hard_links: int
    deleted: int
    restored_bytes: int
    read_bytes: int
    failed: int
    damaged: int
    denied: dict[str, int]


@dataclass(slots=True)
class Tally:
    """The counts of `RestoreSummary` while they grow."""

    files_restored: int = 0
    files_unchanged: int = 0
    files_kept: int = 0
    directories: int = 0
    others: int = 0
    hard_links: int = 0
    deleted: int = 0
    restored_bytes: int = 0
    read_bytes: int = 0
    failed: int = 0
    damaged: int = 0
    failed_files: set[int] = field(default_factory=set)
    """Numbers in the plan of files that could not be written."""

    def summarize(self, denied: dict[str, int]) -> RestoreSummary:
        """The counts as they are now."""
        return RestoreSummary(
            files_restored=self.files_restored,
            files_unchanged=self.files_unchanged,
            files_kept=self.files_kept,
            directories=self.directories,
            others=self.others,
            hard_links=self.hard_links,
            deleted=self.deleted,
            restored_bytes=self.restored_bytes,
            read_bytes=self.read_bytes,
            failed=self.failed,
            damaged=self.damaged,
            denied=denied,
        )
