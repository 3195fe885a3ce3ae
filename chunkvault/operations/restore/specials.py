"""Symbolic links, FIFOs and devices: made at once, since they have no content."""

import errno
import os

from chunkvault.errors import ChunkvaultError
from chunkvault.format.node import Node, NodeKind
from chunkvault.localfs.metadata import is_kind
from chunkvault.operations.restore.job import Job

__all__ = ["make_special"]


def make_special(job: Job, path: bytes, node: Node) -> None:
    """See to it that ``node`` is there, with its metadata.

    Raises:
        TargetFull: no space is left.
    """
    try:
        status = job.target.status(path)
        if status is not None and not job.replaces(node, status):
            job.tell("kept", path)
        elif not job.link_later(path, node, 0):
            _ensure(job, path, node, status)
    except (OSError, ChunkvaultError) as error:
        job.fail(path, error)


def _ensure(job: Job, path: bytes, node: Node, status: os.stat_result | None) -> None:
    if status is None or not _is_equal(job, path, node, status):
        if status is not None:
            job.clear_directory(path, status)
        if not _make(job, path, node):
            job.plan.forget_first_name(node)
            return
        job.tell("new" if status is None else "changed", path)
    job.tally.others += 1


def _is_equal(job: Job, path: bytes, node: Node, status: os.stat_result) -> bool:
    """Whether it is there already; its metadata are right then, too."""
    if not is_kind(status, node) or node.links > 1:
        return False
    if node.kind == NodeKind.SYMLINK and job.target.read_link(path) != node.target:
        return False
    try:
        job.target.set_metadata(path, node)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        return False  # other names would change with it
    return True


def _make(job: Job, path: bytes, node: Node) -> bool:
    """Whether that was permitted; the target counts if it was not."""
    if node.kind == NodeKind.SYMLINK:
        job.target.make_symlink(path, node, replace=job.may_replace)
    elif node.kind == NodeKind.FIFO:
        job.target.make_fifo(path, node, replace=job.may_replace)
    else:
        return job.target.make_device(path, node, replace=job.may_replace)
    return True
