"""One restore from beginning to end."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from chunkvault.errors import UsageError
from chunkvault.localfs.apply import Target
from chunkvault.localfs.guarded import Guarded
from chunkvault.operations.restore.finish import finish
from chunkvault.operations.restore.job import Job
from chunkvault.operations.restore.plan import Plan
from chunkvault.operations.restore.records import (
    OVERWRITE_POLICIES,
    RestoreOptions,
    RestoreSummary,
)
from chunkvault.operations.restore.survey import Survey
from chunkvault.operations.restore.writing import write_files
from chunkvault.report import Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.placement import place
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["restore"]


def restore(
    repository: Repository, options: RestoreOptions, reporter: Reporter
) -> RestoreSummary:
    """Restore a snapshot, or paths of it, below a directory.

    Nothing outside of that directory is written, whatever the snapshot says. A
    file takes its place only when it is whole; until then the old one stays. What
    cannot be restored is a `Problem`, and the rest goes on.

    Raises:
        UsageError: no such overwrite policy.
        PathNotInSnapshot: nothing was written.
        SafetyStop: the directory is in one that is guarded.
        TargetFull: finished files stay, unfinished ones are gone.
    """
    if options.overwrite not in OVERWRITE_POLICIES:
        raise UsageError(f"{options.overwrite!r} is no overwrite policy")
    trees = TreeReader(repository.reader)
    damage: list[tuple[bytes, Exception]] = []
    placements = place(
        trees,
        options.snapshot.snapshot,
        options.paths,
        lambda path, error: damage.append((path, error)),
    )
    with _open_job(repository, options, reporter, trees) as job:
        for path, error in damage:
            job.fail(path, error)
        Survey(job).run(placements)
        _set_totals(job)
        if options.dry_run:
            job.tally.files_restored = job.plan.files
            job.tally.restored_bytes = job.plan.new_bytes
        else:
            write_files(job)
        finish(job)
        return job.tally.summarize(dict(job.target.denied))


@contextmanager
def _open_job(
    repository: Repository,
    options: RestoreOptions,
    reporter: Reporter,
    trees: TreeReader,
) -> Iterator[Job]:
    progress = Progress("restore")
    if not options.paths:
        totals = options.snapshot.snapshot.totals
        progress.total_files, progress.total_bytes = totals.files, totals.bytes
    target = Target(
        options.target,
        dry_run=options.dry_run,
        numeric_owner=options.numeric_owner,
        guarded=Guarded(options.guarded),
    )
    with target, closing(Plan()) as plan:
        reporter.begin(progress)
        try:
            yield Job(repository, options, reporter, progress, trees, target, plan)
        finally:
            reporter.end()


def _set_totals(job: Job) -> None:
    """From now on it is known how much there is to do."""
    progress, plan = job.progress, job.plan
    progress.total_files = progress.done_files + plan.files + plan.link_count
    progress.total_bytes = progress.done_bytes + plan.new_bytes
