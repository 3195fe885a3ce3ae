"""Reporters without a terminal: plain lines, JSON lines.

The one for terminals is `chunkvault.cli.progress`; it loads a library that draws.
"""

import contextlib
import sys
import threading
from typing import Protocol

from chunkvault.cli.output import Output, OutputLost, path_fields, printable
from chunkvault.report import Problem, Progress, Reporter

__all__ = ["ClosingReporter", "JsonReporter", "PlainReporter", "problem_text"]

_STATUS_INTERVAL_S = 1.0


class ClosingReporter(Reporter, Protocol):
    """A reporter that lets go of the terminal and its thread when closed."""

    def close(self) -> None:
        """The command is over, whether or not `end` was called."""


class PlainReporter:
    """No progress; problems to standard error, entries to standard output.

    Args:
        output: where entries go.
        is_quiet: keep what is no failure to oneself.
    """

    def __init__(self, output: Output, *, is_quiet: bool = False) -> None:
        self._output = output
        self._is_quiet = is_quiet

    def begin(self, progress: Progress) -> None:
        """Nothing is shown: this is for logs and for mails of cron."""

    def end(self) -> None:
        """Nothing is shown."""

    def problem(self, problem: Problem) -> None:
        """A line on standard error, if anybody listens there."""
        if problem.is_failure or not self._is_quiet:
            with contextlib.suppress(OSError):
                print(problem_text(problem), file=sys.stderr, flush=True)

    def entry(self, action: str, path: bytes) -> None:
        """A line on standard output."""
        self._output.line(f"{action:<10} {printable(path)}")

    def close(self) -> None:
        """Nothing is held."""


class JsonReporter:
    """JSON lines: a status every second, problems and entries as they come.

    Args:
        output: where the lines go.
        with_status: whether status lines are wanted.
    """

    def __init__(self, output: Output, *, with_status: bool = True) -> None:
        self._output = output
        self._with_status = with_status
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, progress: Progress) -> None:
        """Start the lines of status."""
        if not self._with_status:
            return
        self._over.clear()
        self._thread = threading.Thread(
            target=self._repeat_status, args=(progress,), daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Stop the lines of status."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def problem(self, problem: Problem) -> None:
        """One line."""
        fields: dict[str, object] = {
            "message_type": "problem",
            **path_fields(problem.path),
            "message": problem.message,
            "is_failure": problem.is_failure,
        }
        if problem.object_name:
            fields["object"] = problem.object_name
        self._output.json_line(fields)

    def entry(self, action: str, path: bytes) -> None:
        """One line."""
        fields = {"message_type": "entry", "action": action, **path_fields(path)}
        self._output.json_line(fields)

    def close(self) -> None:
        """Stop the thread."""
        self.end()

    def _repeat_status(self, progress: Progress) -> None:
        # Where nobody reads any more, the next line of the command itself fails.
        with contextlib.suppress(OutputLost):
            while not self._over.wait(_STATUS_INTERVAL_S):
                self._output.json_line(_status(progress))


def problem_text(problem: Problem) -> str:
    """One line that names the file and says what happened to it."""
    parts = ["chunkvault", printable(problem.path), printable(problem.message)]
    text = ": ".join(part for part in parts if part)
    if problem.object_name and problem.object_name not in problem.message:
        text += f" ({printable(problem.object_name)})"
    return text


def _status(progress: Progress) -> dict[str, object]:
    return {
        "message_type": "status",
        "task": progress.task,
        "done_files": progress.done_files,
        "done_bytes": progress.done_bytes,
        "total_files": progress.total_files,
        "total_bytes": progress.total_bytes,
        **path_fields(progress.current, "current"),
    }
