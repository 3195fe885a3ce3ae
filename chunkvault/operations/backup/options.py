"""What a backup is told, and what it tells."""

from dataclasses import dataclass, field
from typing import BinaryIO

from chunkvault.ids import SnapshotId
from chunkvault.localfs.conditions import Conditions
from chunkvault.localfs.patterns import Selection

__all__ = ["BackupOptions", "BackupSummary", "Counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions:
    """What to back up, and how.

    Attributes:
        paths: absolute paths; one that lies in another is part of it.
        time_ns: the snapshot's time.
        started_ns: the present, to know which files changed a moment ago; None
            where that does not matter.
        host: the machine's name.
        user: who runs it.
        tags: to find the snapshot by.
        selection: which paths are left out.
        conditions: which of the others are left out.
        exclude_texts: the patterns as given, kept with the snapshot.
        one_file_system: directories on other file systems are stored empty.
        exclude_caches: directories with a valid CACHEDIR.TAG are stored empty.
        exclude_if_present: directories with one of these names in them are left
            out; a path that was asked for is stored empty.
        force_rescan: read files even if they look unchanged.
        dry_run: store nothing.
        stdin_name: store ``stdin`` as a file of this name instead of paths.
        stdin: the stream.
        skip_directories: left out wherever they are found (the repository's own).
        workers: threads that compress; 0 does everything in the caller's.
        list_entries: tell the reporter what happens to each path.
        estimate: find out in the background how much there is to do.
    """

    paths: tuple[bytes, ...]
    time_ns: int
    host: str
    user: str
    selection: Selection
    conditions: Conditions = field(default_factory=Conditions)
    tags: tuple[str, ...] = ()
    exclude_texts: tuple[str, ...] = ()
    one_file_system: bool = False
    exclude_caches: bool = False
    exclude_if_present: tuple[bytes, ...] = ()
    force_rescan: bool = False
    dry_run: bool = False
    stdin_name: bytes | None = None
    stdin: BinaryIO | None = None
    skip_directories: tuple[bytes, ...] = ()
    workers: int = 2
    list_entries: bool = False
    estimate: bool = False
    started_ns: int | None = None


@dataclass(slots=True)
class Counts:
    """Counters that the walk adds to; see `BackupSummary`."""

    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    directories: int = 0
    others: int = 0
    skipped_sockets: int = 0
    vanished: int = 0
    failed: int = 0
    changed_while_read: int = 0
    read_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """What a backup did.

    Attributes:
        snapshot_id: None for a dry run.
        snapshot_name: of its object; None for a dry run.
        files_new: not in the parent snapshot.
        files_changed: read again, since they looked changed.
        files_unmodified: taken from the parent snapshot without being opened.
        directories: in the snapshot, the ways to the paths included.
        others: links, FIFOs and devices in the snapshot.
        skipped_sockets: sockets, which cannot be restored.
        vanished: were listed, and gone before they were read.
        failed: could not be read and are not (or not wholly) in the snapshot.
        changed_while_read: stored, but changed during each attempt to read them.
        read_bytes: bytes of files that were read.
        total_bytes: bytes of all files in the snapshot.
        added_bytes: of these, bytes that were not stored before; trees included.
        stored_bytes: bytes put on the backend, after compression.
    """

    snapshot_id: SnapshotId | None
    snapshot_name: str | None
    files_new: int
    files_changed: int
    files_unmodified: int
    directories: int
    others: int
    skipped_sockets: int
    vanished: int
    failed: int
    changed_while_read: int
    read_bytes: int
    total_bytes: int
    added_bytes: int
    stored_bytes: int
