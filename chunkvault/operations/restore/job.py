"""What the steps of one restore share."""

import errno
import os
import stat
from dataclasses import dataclass, field
from threading import Lock

from chunkvault.errors import (
    BackendError,
    ChunkvaultError,
    DamageError,
    TargetFull,
    os_reason,
)
from chunkvault.format.node import Node
from chunkvault.localfs.apply import Target
from chunkvault.operations.restore.plan import Plan
from chunkvault.operations.restore.records import RestoreOptions, Tally
from chunkvault.report import Problem, Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["Job"]

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Job:
    """One restore: what it reads, where it writes, and what it counts.

    The counts belong to whoever holds ``lock``.
    """

    repository: Repository
    options: RestoreOptions
    reporter: Reporter
    progress: Progress
    trees: TreeReader
    target: Target
    plan: Plan
    tally: Tally = field(default_factory=Tally)
    lock: Lock = field(default_factory=Lock)

    @property
    def may_replace(self) -> bool:
        """Whether what exists may be replaced at all."""
        return self.options.overwrite != "never"

    def tell(self, action: str, path: bytes) -> None:
        """List what happens to one entry, if that was asked for."""
        if self.options.list_entries or self.options.dry_run:
            self.reporter.entry(action, self.shown_path(path))

    def replaces(self, node: Node, status: os.stat_result) -> bool:
        """Whether the policy lets ``node`` replace what has this status."""
        if self.options.overwrite == "if-newer":
            return node.mtime_ns > status.st_mtime_ns
        return self.may_replace

    def clear_directory(self, path: bytes, status: os.stat_result) -> None:
        """Make way where a directory stands in the place of something else.

        It is not in the snapshot, so it goes if that was asked for.

        Raises:
            IsADirectoryError: that was not asked for.
        """
        if not stat.S_ISDIR(status.st_mode):
            return
        if not self.options.delete:
            raise IsADirectoryError(errno.EISDIR, "a directory is in its place")
        removed = self.target.remove(path)
        with self.lock:
            self.tally.deleted += removed
        self.tell("deleted", path)

    def link_later(self, path: bytes, node: Node, file: int) -> bool:
        """Whether this is a further name of a file, to be linked at the end.

        Args:
            path: the name.
            node: what it names.
            file: its number in the plan, if this turns out to be the first name
                and the plan writes it.
        """
        if node.links < 2:
            return False
        link = self.plan.first_name(node, path, file)
        if link is None:
            return False
        self.plan.add_link(link)
        return True

    def fail(self, path: bytes, error: Exception, file: int = 0) -> None:
        """One entry could not be restored; the others go on. Any thread.

        Raises:
            TargetFull: no space is left, so there is no point in going on.
            BackendError: it is about the storage, and every other entry would meet it.
        """
        _stop_if_hopeless(error, self.options.target)
        with self.lock:
            self.tally.failed += 1
            self.tally.damaged += isinstance(error, DamageError)
            if file:
                self.tally.failed_files.add(file)
            self.progress.done_files += 1
        name = error.object_name if isinstance(error, DamageError) else ""
        problem = Problem(self.shown_path(path), _message(error), object_name=name)
        self.reporter.problem(problem)

    def spare(self, path: bytes, reason: ChunkvaultError) -> None:
        """One entry that should go stays, as it has to."""
        shown = self.shown_path(path)
        self.reporter.problem(Problem(shown, str(reason), is_failure=False))

    def warn(self, message: str) -> None:
        """Something was not done that is not about one entry."""
        self.reporter.problem(Problem(b"", message))

    def shown_path(self, path: bytes) -> bytes:
        """As people know the entry: with the directory that they named."""
        return os.path.join(self.options.target, path) if path else self.options.target


def _stop_if_hopeless(error: Exception, target: bytes) -> None:
    """Raise what is not about one entry; the system's word for a full disk as ours."""
    if isinstance(error, TargetFull | BackendError):
        raise error
    if isinstance(error, OSError) and error.errno in _FULL:
        shown = target.decode(errors="backslashreplace")
        raise TargetFull(f"no space left in {shown}") from error


def _message(error: Exception) -> str:
    return os_reason(error) if isinstance(error, OSError) else str(error)
