"""Directories of which a listing lacks entries: collected, and told at its end."""

import sys

from chunkvault.cli.reporters import problem_text
from chunkvault.errors import DamageError
from chunkvault.report import Problem

__all__ = ["Gaps"]


class Gaps:
    """Told of each gap in the directories that a command lists.

    What several snapshots share is damaged in each of them, and told once.
    """

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def add(self, path: bytes, error: DamageError) -> None:
        """Entries of the directory at ``path`` cannot be read."""
        problem = Problem(path or b"/", str(error), object_name=error.object_name)
        self._problems[problem] = None

    def tell(self, exit_code: int = 0) -> int:
        """Name them on standard error; the exit code, the given one without any."""
        for problem in self._problems:
            print(problem_text(problem), file=sys.stderr)
        return DamageError.exit_code if self._problems else exit_code
