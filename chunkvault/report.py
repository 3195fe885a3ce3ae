"""What an operation tells while it runs.

The library never prints. An operation is given a `Reporter` and mutates the
counters of one `Progress`; whoever watches reads them at its own pace, so that
telling costs the hot path an addition and nothing more.
"""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Problem", "Progress", "Reporter", "SilentReporter"]


@dataclass(slots=True)
class Progress:
    """Counters of a running operation; written by it, read by the reporter.

    Attributes:
        task: what is going on, e.g. ``"backup"``.
        done_files: entries finished.
        done_bytes: bytes of file content finished.
        total_files: how many there will be, where known or estimated.
        total_bytes: how many bytes there will be, where known or estimated.
        current: the path being worked on.
    """

    task: str
    done_files: int = 0
    done_bytes: int = 0
    total_files: int | None = None
    total_bytes: int | None = None
    current: bytes = b""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong without stopping the operation.

    Attributes:
        path: the file it happened to (source, restored or in the snapshot);
            empty when it is not about one file.
        message: what happened, in plain words, without the path.
        is_failure: whether the exit code must tell (a file that vanished
            during a backup is mentioned, but is no failure).
        object_name: the damaged or missing object on the backend, if that
            is the cause.
    """

    path: bytes
    message: str
    is_failure: bool = True
    object_name: str = ""


class Reporter(Protocol):
    """Receives progress and problems; every method may be called by any thread."""

    def begin(self, progress: Progress) -> None:
        """An operation starts; its counters may be read until `end`."""

    def end(self) -> None:
        """The operation that began last is over."""

    def problem(self, problem: Problem) -> None:
        """Something went wrong with one thing; the operation goes on."""

    def entry(self, action: str, path: bytes) -> None:
        """What happens to one path (``"new"``, ``"changed"``, ``"deleted"`` …).

        Called only where the operation was asked to list entries.
        """


class SilentReporter:
    """A reporter that only collects the problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def begin(self, progress: Progress) -> None:
        """Nobody watches."""

    def end(self) -> None:
        """Nobody watches."""

    def problem(self, problem: Problem) -> None:
        """Keep it for whoever asks afterwards."""
        self.problems.append(problem)

    def entry(self, action: str, path: bytes) -> None:
        """Nobody watches."""
