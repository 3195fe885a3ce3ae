"""Workload 8 (and part of 9): one file at a date, out of a short and a long history."""

from hashlib import sha256
from pathlib import Path

from bench.data.mail import MailFile
from bench.data.source_tree import MadeTree
from bench.trial import Trial
from bench.workbench import Turn, Workbench, say

__all__ = ["FILE_AT_DATE", "HISTORY", "restore_by_date"]

FILE_AT_DATE = "one file at a date, from {} snapshots"
HISTORY = "history over {} snapshots"
_FILES = 200
_MESSAGES = 400


class Project:
    """A folder of small files beside a mail file: what a person works on.

    Attributes:
        file: the mail file.
    """

    def __init__(self, folder: Path) -> None:
        self._tree = MadeTree(folder / "project", _FILES)
        self._mail = MailFile(folder, _MESSAGES)
        self.file = self._mail.file

    def advance(self, number: int) -> None:
        """A day's work."""
        self._tree.advance(number)
        self._mail.advance(number)

    def content(self) -> bytes:
        """Of the mail file."""
        return self._mail.content()


def restore_by_date(bench: Workbench, wanted: frozenset[int]) -> None:
    """Histories of three lengths; the file is asked for as it was halfway.

    The slow programs take part up to a number of snapshots, and are compared
    with a restore of ours from as many.
    """
    effort = bench.effort
    lengths = {effort.few_snapshots, effort.slow_snapshots, effort.many_snapshots}
    with bench.folder("memory") as folder:
        source = folder / "source"
        project = Project(source)
        with bench.trials(8, source, folder) as trials:
            digests: list[bytes] = []
            for number in range(effort.many_snapshots):
                project.advance(number)
                digests.append(sha256(project.content()).digest())
                if number == effort.slow_snapshots:
                    _dismiss_slow(trials)
                bench.take_snapshots(8, trials, number)
                if number + 1 in lengths:
                    say(f" {number + 1} snapshots")
                    file = str(project.file)
                    _restore(bench, trials, (file, digests), wanted)


def _dismiss_slow(trials: list[Trial]) -> None:
    """They have taken as many snapshots as they are asked for."""
    for trial in [trial for trial in trials if trial.peer.is_slow]:
        trials.remove(trial)
        trial.close()


def _restore(
    bench: Workbench,
    trials: list[Trial],
    versions: tuple[str, list[bytes]],
    wanted: frozenset[int],
) -> None:
    path, digests = versions
    count = len(digests)
    step = FILE_AT_DATE.format(count)
    for round_number in range(1, bench.effort.rounds + 1):
        for trial in trials:
            trial.clear_target()
            turn = Turn(bench.results, trial, round_number, "memory")
            if 8 in wanted:
                restore = trial.peer.cat
                if turn.do(8, step, restore, number=count // 2, path=path):
                    _check(turn, step, digests[count // 2])
            if 9 in wanted and count == bench.effort.many_snapshots:
                turn.do(9, HISTORY.format(count), trial.peer.history, path=path)


def _check(turn: Turn, step: str, digest: bytes) -> None:
    """What came must be the file as it was then."""
    if not turn.peer.cat:
        return
    if sha256(turn.trial.output.read_bytes()).digest() != digest:
        turn.fail(8, step, "it did not give the file as it was")
