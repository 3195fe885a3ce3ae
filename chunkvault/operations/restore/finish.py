"""The last step: hard links, deletions, metadata of directories, in this order.

Each changes the times of directories, so these come after everything else.
"""

from chunkvault.errors import ChunkvaultError, SafetyStop
from chunkvault.operations.restore.job import Job
from chunkvault.operations.restore.plan import PlannedDirectory, PlannedLink

__all__ = ["finish"]


def finish(job: Job) -> None:
    """Do what needs all files in their places."""
    for link in job.plan.links():
        _make_link(job, link)
    if job.options.delete:
        _delete_strangers(job)
    if not job.options.dry_run:
        for directory in job.plan.directories():
            _finish_directory(job, directory)


def _make_link(job: Job, link: PlannedLink) -> None:
    if link.file in job.tally.failed_files:
        first = job.shown_path(link.first_path).decode(errors="backslashreplace")
        job.fail(link.path, ChunkvaultError(f"it is one file with {first}"))
        return
    try:
        if not _is_link(job, link):
            job.tell("new", link.path)
            job.target.make_hardlink(
                link.path, link.first_path, replace=job.may_replace
            )
    except (OSError, ChunkvaultError) as error:
        job.fail(link.path, error)
        return
    job.tally.hard_links += 1
    job.tally.files_restored += 1
    job.progress.done_files += 1


def _is_link(job: Job, link: PlannedLink) -> bool:
    """Whether both names are of one file already."""
    status = job.target.status(link.path)
    first = job.target.status(link.first_path)
    if status is None or first is None:
        return False
    return (status.st_dev, status.st_ino) == (first.st_dev, first.st_ino)


def _delete_strangers(job: Job) -> None:
    """Remove what restored directories hold and the snapshot does not."""
    if job.tally.failed:
        # What could not be restored may be what these entries are to become.
        job.warn("nothing was deleted, since not everything could be restored")
        return
    for directory in job.plan.directories():
        if directory.tree is not None and not directory.is_new:
            _clean_directory(job, directory)


def _clean_directory(job: Job, directory: PlannedDirectory) -> None:
    assert directory.tree is not None, "a directory that is only passed through"
    try:
        strangers = set(job.target.names(directory.path))
        for node in job.trees.entries(directory.tree):
            strangers.discard(node.name)
    except (OSError, ChunkvaultError) as error:
        job.fail(directory.path, error)
        return
    prefix = directory.path + b"/" if directory.path else b""
    for name in sorted(strangers):
        _delete(job, prefix + name)


def _delete(job: Job, path: bytes) -> None:
    try:
        removed = job.target.remove(path)
    except SafetyStop as error:
        job.spare(path, error)
        return
    except (OSError, ChunkvaultError) as error:
        job.fail(path, error)
        return
    job.tally.deleted += removed
    job.tell("deleted", path)


def _finish_directory(job: Job, directory: PlannedDirectory) -> None:
    if directory.node is None:
        return
    try:
        job.target.set_metadata(directory.path, directory.node)
    except (OSError, ChunkvaultError) as error:
        job.fail(directory.path, error)
