"""Take a snapshot: walk, store, commit."""

from contextlib import AbstractContextManager, ExitStack
from datetime import UTC
from threading import Event

import chunkvault
from chunkvault.errors import UsageError
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.snapshot import Snapshot, StoredSnapshot, Totals
from chunkvault.format.tree import is_node_name
from chunkvault.ids import BlobId
from chunkvault.localfs.estimate import estimate
from chunkvault.operations.backup.options import BackupOptions, BackupSummary, Counts
from chunkvault.operations.backup.source import store_paths, store_stream
from chunkvault.report import Problem, Progress, Reporter
from chunkvault.repository import BlobWriter, Repository, WriterTotals
from chunkvault.snapshots.catalog import Catalog
from chunkvault.timespec import format_iso
from chunkvault.workers import WorkerGroup

__all__ = ["backup"]


def backup(
    repository: Repository, options: BackupOptions, reporter: Reporter
) -> BackupSummary:
    """Take a snapshot of ``options.paths``, or of a stream.

    What is unchanged since the newest snapshot of the same host and paths is
    taken from it. The snapshot is written last: before, nothing has happened
    that anybody would see; afterwards everything in it is durable.

    Raises:
        ChunkvaultError: nothing could be read; no snapshot was made.
        BackendError: storing failed for good; no snapshot was made.
        SafetyStop: the repository has gone from the storage meanwhile.
    """
    paths = _recorded_paths(options)
    parent = Catalog(repository).parent_for(options.host, paths)
    _compare_clock(options, parent, reporter)
    progress = _progress(parent)
    reporter.begin(progress)
    try:
        with _sink(repository, options) as sink, _estimating(options, progress):
            if options.stdin is not None:
                tree, counts, tops = store_stream(repository, sink, options, progress)
            else:
                tree, counts, tops = store_paths(
                    repository, sink, options, parent, reporter, progress
                )
    finally:
        reporter.end()
    if options.dry_run:
        return _summary(None, counts, sink.totals)
    if sink.totals.stored_bytes:  # and so some time has gone by
        repository.require_store()
    snapshot = _snapshot(options, paths, parent, tree, counts)
    stored = repository.save_snapshot(snapshot, tops.ids())
    return _summary(stored, counts, sink.totals)


def _recorded_paths(options: BackupOptions) -> tuple[bytes, ...]:
    if options.stdin is None:
        return options.paths
    if options.stdin_name is None or not is_node_name(options.stdin_name):
        raise UsageError("the name for standard input must be a single file name")
    return (b"/" + options.stdin_name,)


def _compare_clock(
    options: BackupOptions, parent: StoredSnapshot | None, reporter: Reporter
) -> None:
    """Tell of a clock that was set back: the snapshot before would stay the latest."""
    if parent is None or options.time_ns != options.started_ns:
        return
    if parent.snapshot.time_ns > options.time_ns:
        short, when = parent.snapshot_id.hex()[:8], parent.snapshot.time_ns
        message = (
            f"snapshot {short} of these paths is of a later time,"
            f" {format_iso(when, UTC)}, and stays the latest: was the clock set back?"
        )
        reporter.problem(Problem(b"", message, is_failure=False))


def _progress(parent: StoredSnapshot | None) -> Progress:
    if parent is None:
        return Progress("backup")
    totals = parent.snapshot.totals
    entries = totals.files + totals.directories + totals.others
    return Progress("backup", total_files=entries, total_bytes=totals.bytes)


def _sink(
    repository: Repository, options: BackupOptions
) -> "BlobWriter | _CountingSink":
    if options.dry_run:
        return _CountingSink(repository)
    return repository.writer(workers=options.workers)


def _estimating(
    options: BackupOptions, progress: Progress
) -> AbstractContextManager[object]:
    """Count in the background what there is, while somebody looks on."""
    stack = ExitStack()
    if not options.estimate or options.stdin is not None:
        return stack
    is_over = Event()
    group = stack.enter_context(WorkerGroup(1, 1))
    stack.callback(is_over.set)
    group.submit(
        estimate,
        options.paths,
        options.selection,
        options.conditions,
        progress,
        is_over.is_set,
    )
    return stack


def _snapshot(
    options: BackupOptions,
    paths: tuple[bytes, ...],
    parent: StoredSnapshot | None,
    tree: BlobId,
    counts: Counts,
) -> Snapshot:
    files = counts.files_new + counts.files_changed + counts.files_unmodified
    return Snapshot(
        time_ns=options.time_ns,
        host=options.host,
        user=options.user,
        paths=paths,
        tree=tree,
        parent=None if parent is None else parent.snapshot_id,
        tags=options.tags,
        program=f"chunkvault {chunkvault.__version__}",
        excludes=options.exclude_texts,
        totals=Totals(
            files=files,
            directories=counts.directories,
            others=counts.others,
            bytes=counts.total_bytes,
        ),
    )


def _summary(
    stored: StoredSnapshot | None, counts: Counts, totals: WriterTotals
) -> BackupSummary:
    return BackupSummary(
        snapshot_id=None if stored is None else stored.snapshot_id,
        snapshot_name=None if stored is None else stored.object_name,
        files_new=counts.files_new,
        files_changed=counts.files_changed,
        files_unmodified=counts.files_unmodified,
        directories=counts.directories,
        others=counts.others,
        skipped_sockets=counts.skipped_sockets,
        vanished=counts.vanished,
        failed=counts.failed,
        changed_while_read=counts.changed_while_read,
        read_bytes=counts.read_bytes,
        total_bytes=counts.total_bytes,
        added_bytes=totals.added_bytes,
        stored_bytes=totals.stored_bytes,
    )


class _CountingSink:
    """Stands in for a `BlobWriter` in a dry run: identifies, and stores nothing."""

    def __init__(self, repository: Repository) -> None:
        self.totals = WriterTotals()
        self._repository = repository
        self._seen: set[BlobId] = set()

    def __enter__(self) -> "_CountingSink":
        self._repository.index.adopt_unlisted()
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing to finish."""

    def save(
        self,
        kind: int,
        data: bytes | memoryview,
        base: BlobId | None = None,  # noqa: ARG002 - what a delta saves is not counted
    ) -> BlobId:
        """The blob's id; counts it if it is not stored."""
        blob_id = self._repository.blob_id(kind, data)
        known = self._repository.index.is_stored(blob_id[:PREFIX_BYTES])
        if not known and blob_id not in self._seen:
            self._seen.add(blob_id)
            self.totals.added_bytes += len(data)
        return blob_id
