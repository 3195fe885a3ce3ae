"""Apply a set on trust, and once more with care where that was wrong.

Each volume of an archive is read once: it is hashed while its entries are applied.
If the hash is wrong in the end, all that was made of the set is given up, and the
set is applied again, this time with every volume hashed before anything of it is
used. So whole archives cost one reading, damaged sets three at most, and nothing
that is damaged gets into a snapshot.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import NamedTuple

from chunkvault.duplicity.entries import PlainStream, VolumeSource
from chunkvault.duplicity.import_records import ImportCounts
from chunkvault.duplicity.import_set import InDoubt, SetImport
from chunkvault.errors import WrongKey
from chunkvault.report import Problem, Progress, Reporter

__all__ = ["SetParts", "apply_set"]


class SetParts(NamedTuple):
    """What there is of a set.

    Attributes:
        volumes: gives the volumes; hashed before use if it is told so.
        open_signatures: opens the sigtar, if there is one.
        lost: paths that were lost before our export wrote the set.
    """

    volumes: Callable[[bool], Iterator[VolumeSource]]
    open_signatures: Callable[[], AbstractContextManager[PlainStream]] | None
    lost: Sequence[bytes]


def apply_set(
    parts: SetParts,
    start: Callable[[ImportCounts, Reporter], SetImport],
    counts: ImportCounts,
    reporter: Reporter,
    progress: Progress,
) -> SetImport:
    """Apply the volumes of a set to what ``start`` gives, which begins afresh.

    Args:
        parts: the set.
        start: begins to apply it, adding to these counters, telling this reporter.
        counts: is added to.
        reporter: told nothing that turns out to be wrong, and nothing twice.
        progress: of the whole import.

    Raises:
        NotSigned: a volume has not the signature that is asked for.
        WrongKey: the passphrase or key does not fit.
        BackendError: the repository or the archive does not answer.
    """
    held = _HeldReporter(reporter)
    done = progress.done_files, progress.done_bytes
    with suppress(InDoubt, WrongKey):  # a damaged volume may look like any of these
        return _attempt(parts, start, counts, held, trusts=True)
    held.begin_again()
    progress.done_files, progress.done_bytes = done
    return _attempt(parts, start, counts, held, trusts=False)


def _attempt(
    parts: SetParts,
    start: Callable[[ImportCounts, Reporter], SetImport],
    counts: ImportCounts,
    held: "_HeldReporter",
    *,
    trusts: bool,
) -> SetImport:
    own = ImportCounts()
    job = start(own, held)
    volumes = _confirmed(parts.volumes(not trusts), held.confirm)
    job.apply(volumes, parts.open_signatures, trusts=trusts)
    job.tell_lost(parts.lost)
    held.confirm()
    counts.add(own)
    return job


def _confirmed(
    volumes: Iterator[VolumeSource], confirm: Callable[[], None]
) -> Iterator[VolumeSource]:
    """Whoever asks for the next volume has found the one before to be right."""
    for volume in volumes:
        confirm()
        yield volume


class _HeldReporter:
    """Tells things when they are certain: at most one volume of them is held.

    When an attempt is given up, the next one comes to the same up to there, so what
    was told is passed over.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._waiting: list[Callable[[], None]] = []
        self._told = 0
        self._to_pass = 0

    def begin(self, progress: Progress) -> None:
        """Is begun outside."""

    def end(self) -> None:
        """Is ended outside."""

    def problem(self, problem: Problem) -> None:
        """Something went wrong, if all this is right."""
        self._add(partial(self._reporter.problem, problem))

    def entry(self, action: str, path: bytes) -> None:
        """Something happens to a path, if all this is right."""
        self._add(partial(self._reporter.entry, action, path))

    def confirm(self) -> None:
        """What was said so far is right."""
        for tell in self._waiting:
            tell()
        self._told += len(self._waiting)
        self._waiting.clear()

    def begin_again(self) -> None:
        """What was said and not confirmed is wrong."""
        self._waiting.clear()
        self._to_pass = self._told

    def _add(self, tell: Callable[[], None]) -> None:
        if self._to_pass:
            self._to_pass -= 1
        else:
            self._waiting.append(tell)
