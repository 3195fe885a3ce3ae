"""Selection as duplicity does it: conditions in order, the first opinion counts.

`chunkvault.localfs.patterns` is this program's own language, in which the last rule
wins. This one is for those who bring their file lists along.
"""

import os
import re
import stat
import warnings
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple

from chunkvault.errors import UsageError
from chunkvault.localfs.globs import Glob

__all__ = [
    "Condition",
    "Conditions",
    "Verdict",
    "by_expression",
    "by_glob",
    "older_than",
    "on_other_filesystem",
    "read_file_list",
]


class Verdict(Enum):
    """What becomes of a path."""

    TAKE = auto()
    LEAVE_OUT = auto()
    LOOK_INSIDE = auto()
    """A directory that is taken if something in it is."""


class _Subject(NamedTuple):
    """What a condition is asked about; ``device`` is that of the root."""

    path: str
    status: os.stat_result
    device: int


class Condition(NamedTuple):
    """One question about a path.

    Attributes:
        is_include: or it excludes.
        text: as it was written.
        ask: the answer; None is no opinion.
    """

    is_include: bool
    text: str
    ask: Callable[[_Subject], Verdict | None]


class Conditions:
    """Conditions in their order. Any thread may ask.

    Args:
        conditions: the first that has an opinion decides; none: all is taken.
        without_devices: block and character devices are left out before that.
    """

    def __init__(
        self, conditions: Sequence[Condition] = (), *, without_devices: bool = False
    ) -> None:
        """Raises `UsageError` where the last condition could not change anything."""
        if conditions and conditions[-1].is_include:
            raise UsageError(
                f"the last condition, {conditions[-1].text!r}, only includes what"
                " would be included anyway",
                hint="end with an exclude, such as '- **', or leave it out",
            )
        self._conditions = tuple(conditions)
        self._without_devices = without_devices

    @property
    def is_empty(self) -> bool:
        """Whether everything is taken, so that nothing needs to be asked."""
        return not self._conditions and not self._without_devices

    @property
    def texts(self) -> tuple[str, ...]:
        """The conditions as they were written."""
        return tuple(condition.text for condition in self._conditions)

    def verdict(self, path: bytes, status: os.stat_result, device: int) -> Verdict:
        """What becomes of an absolute path that is not a root.

        Args:
            path: its directory is taken or looked into.
            status: its own, not that of what a link leads to.
            device: the device of the root it was found below.
        """
        mode = status.st_mode
        if self._without_devices and (stat.S_ISBLK(mode) or stat.S_ISCHR(mode)):
            return Verdict.LEAVE_OUT
        verdict = self._first_opinion(_Subject(os.fsdecode(path), status, device))
        if verdict is Verdict.LOOK_INSIDE and not stat.S_ISDIR(mode):
            return Verdict.LEAVE_OUT
        return verdict

    def _first_opinion(self, subject: _Subject) -> Verdict:
        may_hold_more = False
        verdict = None
        for condition in self._conditions:
            verdict = condition.ask(subject)
            if verdict in (Verdict.TAKE, Verdict.LEAVE_OUT):
                break
            may_hold_more |= verdict is Verdict.LOOK_INSIDE
        if may_hold_more and verdict is not Verdict.TAKE:
            return Verdict.LOOK_INSIDE
        return verdict or Verdict.TAKE


def by_glob(text: str, roots: Sequence[bytes], *, is_include: bool) -> Condition:
    """Paths that fit a pattern; see `chunkvault.localfs.globs`.

    Raises:
        UsageError: it is malformed, or can fit nothing in any of the roots.
    """
    glob = Glob(text)
    if not any(_can_fit(glob, os.fsdecode(root)) for root in roots):
        raise UsageError(
            f"pattern {text!r} can fit nothing in what is backed up",
            hint="patterns of a file list are absolute, or begin with '**'",
        )
    opinion = Verdict.TAKE if is_include else Verdict.LEAVE_OUT

    def ask(subject: _Subject) -> Verdict | None:
        is_directory = stat.S_ISDIR(subject.status.st_mode)
        if glob.fits(subject.path, is_directory=is_directory):
            return opinion
        if is_include and glob.leads_to(subject.path):
            return Verdict.LOOK_INSIDE
        return None

    return Condition(is_include, ("+ " if is_include else "- ") + text, ask)


def by_expression(text: str, *, is_include: bool) -> Condition:
    """Paths in which a regular expression is found (Python's, unanchored).

    Raises:
        UsageError: it is none.
    """
    try:
        with warnings.catch_warnings():  # what later Pythons may read differently
            warnings.simplefilter("ignore", FutureWarning)
            search = re.compile(text).search
    except re.error as error:
        raise UsageError(f"{text!r} is not a regular expression: {error}") from None
    opinion = Verdict.TAKE if is_include else Verdict.LEAVE_OUT

    def ask(subject: _Subject) -> Verdict | None:
        return opinion if search(subject.path) else None

    sign = "include" if is_include else "exclude"
    return Condition(is_include, f"{sign}-regexp {text}", ask)


def older_than(time_ns: int, text: str) -> Condition:
    """Excludes regular files that were last changed before a time."""

    def ask(subject: _Subject) -> Verdict | None:
        is_file = stat.S_ISREG(subject.status.st_mode)
        is_old = is_file and subject.status.st_mtime_ns < time_ns
        return Verdict.LEAVE_OUT if is_old else None

    return Condition(is_include=False, text=f"exclude-older-than {text}", ask=ask)


def on_other_filesystem() -> Condition:
    """Excludes what is on another file system than its root."""

    def ask(subject: _Subject) -> Verdict | None:
        is_other = subject.status.st_dev != subject.device
        return Verdict.LEAVE_OUT if is_other else None

    return Condition(is_include=False, text="exclude-other-filesystems", ask=ask)


def read_file_list(
    data: bytes, roots: Sequence[bytes], *, is_include: bool, is_null: bool
) -> list[Condition]:
    """The conditions in a file list, one pattern on each line.

    ``+`` or ``-`` and a blank in front say whether it includes or excludes; without
    them it does what ``is_include`` says. Blanks around a line, empty lines and
    those that begin with ``#`` do not count; a pair of quotes keeps blanks.

    Raises:
        UsageError: a pattern makes no sense.
    """
    lines = os.fsdecode(data).split("\0" if is_null else "\n")
    parsed = (_parse_line(line.strip(), is_include=is_include) for line in lines)
    return [
        by_glob(pattern, roots, is_include=includes)
        for pattern, includes in parsed
        if pattern
    ]


def _parse_line(line: str, *, is_include: bool) -> tuple[str, bool]:
    if line.startswith("#"):
        return "", is_include
    if line.startswith(("+ ", "- ")):
        is_include = line[0] == "+"
        line = line[2:]
    if line[:1] in {"'", '"'} and line[-1] == line[0]:
        line = line[1:-1]
    return line, is_include


def _can_fit(glob: Glob, root: str) -> bool:
    return glob.fits(root, is_directory=True) or glob.leads_to(root)
