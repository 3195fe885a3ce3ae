"""What goes wrong with single files: counted and told, and the backup goes on."""

from chunkvault.errors import DamageError, os_reason
from chunkvault.operations.backup.options import Counts
from chunkvault.report import Problem, Reporter

__all__ = ["Mishaps"]


class Mishaps:
    """Tells a reporter what is missing from a snapshot, or may be.

    Args:
        counts: where each is counted.
        reporter: who is told.
    """

    def __init__(self, counts: Counts, reporter: Reporter) -> None:
        self._counts = counts
        self._reporter = reporter

    def unreadable(self, path: bytes, error: OSError) -> None:
        """A path was listed and cannot be read; it may have vanished since."""
        if isinstance(error, FileNotFoundError):
            self._counts.vanished += 1
            message, is_failure = "vanished before it was read", False
        else:
            self._counts.failed += 1
            message = f"cannot be read: {os_reason(error)}"
            is_failure = True
        self._reporter.problem(Problem(path, message, is_failure=is_failure))

    def absent(self, path: bytes) -> None:
        """A path that somebody named is not there: it did not vanish meanwhile."""
        self._counts.failed += 1
        self._reporter.problem(Problem(path, "there is no such file or folder"))

    def torn(self, path: bytes) -> None:
        """A file changed during every attempt to read it."""
        self._counts.changed_while_read += 1
        self._reporter.problem(
            Problem(path, "kept changing while it was read; stored as it was read last")
        )

    def damaged_parent(self, error: DamageError) -> None:
        """Part of the parent snapshot cannot be read.

        What is below is read and stored again, which mends the damage.
        """
        message = f"the parent snapshot is damaged, so files are read again: {error}"
        self._reporter.problem(
            Problem(b"", message, is_failure=False, object_name=error.object_name)
        )
