"""Symbolic links, FIFOs and devices: made at once, since they have no content."""

from chunkvault.errors import ChunkvaultError
from chunkvault.format.node import Node, NodeKind
from chunkvault.operations.restore.job import Job

__all__ = ["make_special"]


def make_special(job: Job, path: bytes, node: Node) -> None:
    """Make what ``node`` is, with its metadata.

    Raises:
        TargetFull: no space is left.
    """
    try:
        status = job.target.status(path)
        if status is not None and not job.replaces(node, status):
            job.tell("kept", path)
            return
        if job.link_later(path, node, 0):
            return
        if status is not None:
            job.clear_directory(path, status)
        _make(job, path, node)
    except (OSError, ChunkvaultError) as error:
        job.fail(path, error)
        return
    job.tally.others += 1
    job.progress.done_files += 1
    if status is None:
        job.tell("new", path)


def _make(job: Job, path: bytes, node: Node) -> None:
    if node.kind == NodeKind.SYMLINK:
        job.target.make_symlink(path, node, replace=job.may_replace)
    elif node.kind == NodeKind.FIFO:
        job.target.make_fifo(path, node, replace=job.may_replace)
    else:
        job.target.make_device(path, node, replace=job.may_replace)
