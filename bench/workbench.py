"""Where programs take turns: rounds, places, and what is recorded of each step."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import CommandFailed
from bench.peers import Peer, counted_chunkvault
from bench.results import OURS, Measurement, Results, Topic
from bench.trial import Trial

__all__ = ["FULL", "QUICK", "Effort", "Turn", "Workbench", "say"]

SHARED_MEMORY = Path("/dev/shm")

CREATION = "create a repository"
HISTORY_TAKEN = "take the snapshots of a history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: how often each program takes its turn.
        places: ``memory``, ``disk``.
        linux_versions: trees of Linux; 0 for one made from a seed.
        tree_files: of the one that is made.
        versions: of a tree.
        binaries_bytes: copied from /usr.
        large_bytes: of large files.
        mail_messages: in the mail file at the beginning.
        mail_versions: snapshots of it.
        database_rows: in the database at the beginning.
        image_blocks: of 4 KiB, in the image of a disk.
        scattered_versions: snapshots of database and image.
        few_snapshots: from which a file is restored by date.
        many_snapshots: the same from a long history.
        slow_snapshots: as many of it as slow programs take part in.
        scale_blobs: in the index of workload 10.
        scale_files: in its tree.
        cold_blobs: in the index of workload 11.
        cold_files: in its tree.
        cold_snapshots: of it.
        slow_programs: workloads in which the slow programs take part.
    """

    rounds: int
    places: tuple[str, ...]
    linux_versions: int
    tree_files: int
    versions: int
    binaries_bytes: int
    large_bytes: int
    mail_messages: int
    mail_versions: int
    database_rows: int
    image_blocks: int
    scattered_versions: int
    few_snapshots: int
    many_snapshots: int
    slow_snapshots: int
    scale_blobs: int
    scale_files: int
    cold_blobs: int
    cold_files: int
    cold_snapshots: int
    slow_programs: frozenset[int] = frozenset(range(1, 12))


FULL = Effort(
    rounds=3,
    places=("memory", "disk"),
    linux_versions=6,
    tree_files=0,
    versions=6,
    binaries_bytes=2 << 30,
    large_bytes=2500 << 20,
    mail_messages=8000,
    mail_versions=300,
    database_rows=200_000,
    image_blocks=100_000,
    scattered_versions=50,
    few_snapshots=10,
    many_snapshots=500,
    slow_snapshots=31,
    scale_blobs=20_000_000,
    scale_files=5_000_000,
    cold_blobs=10_000_000,
    cold_files=1_000_000,
    cold_snapshots=1000,
)

QUICK = Effort(
    rounds=1,
    places=("memory",),
    linux_versions=0,
    tree_files=1500,
    versions=3,
    binaries_bytes=24 << 20,
    large_bytes=48 << 20,
    mail_messages=2000,
    mail_versions=3,
    database_rows=15_000,
    image_blocks=4000,
    scattered_versions=3,
    few_snapshots=2,
    many_snapshots=3,
    slow_snapshots=2,
    scale_blobs=200_000,
    scale_files=40_000,
    cold_blobs=200_000,
    cold_files=20_000,
    cold_snapshots=50,
    slow_programs=frozenset({3, 6}),
)


class Turn:
    """One program's turn: its trial, and where its figures go."""

    def __init__(
        self, results: Results, trial: Trial, round_number: int, place: str
    ) -> None:
        self.trial = trial
        self.peer = trial.peer
        self._results = results
        self._round = round_number
        self._place = place

    def do(
        self,
        workload: int,
        step: str,
        command: Sequence[str],
        *,
        number: int = 0,
        path: str = "",
        items: int | None = None,
    ) -> bool:
        """Measure one command, unless the program has none; tells of success.

        ``items`` is how many files it handles.
        """
        if not command:
            return True
        topic = Topic(workload=workload, step=step, place=self._place)
        try:
            cost = self.trial.run(command, number, path)
        except CommandFailed as error:
            self._results.add_failure(topic, self.peer.name, error)
            return False
        stored = self.trial.stored_bytes if command == self.peer.backup else None
        traffic = self.trial.traffic
        self._results.add(
            Measurement(
                topic=topic,
                program=self.peer.name,
                round_number=self._round,
                cost=None if traffic else cost,
                stored_bytes=stored,
                requests=traffic and traffic.requests,
                moved_bytes=traffic and traffic.moved_bytes,
                files_per_s=items and (None if traffic else items / cost.wall_s),
            )
        )
        say(f"  {self.peer.name}: {step}: {cost.wall_s:.2f} s")
        return True

    def fail(self, workload: int, step: str, reason: str) -> None:
        """What was done just now was not what was asked for."""
        topic = Topic(workload=workload, step=step, place=self._place)
        self._results.add_failure(topic, self.peer.name, reason)


class Workbench:
    """What all workloads work with.

    Attributes:
        effort: how much there is to do.
        peers: who takes part, ours first.
        results: where figures go.
        cache: a folder for data that a later run can use again.
    """

    def __init__(
        self, effort: Effort, peers: Sequence[Peer], results: Results, cache: Path
    ) -> None:
        self.effort = effort
        self.peers = list(peers)
        self.results = results
        self.cache = cache
        cache.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def folder(self, place: str) -> Iterator[Path]:
        """A new folder in memory or on the disk; deleted at the end."""
        parent = SHARED_MEMORY if place == "memory" else self.cache
        if not parent.is_dir():
            self.results.note(f"There is no {parent}: memory stands for disk, too.")
            parent = self.cache
        path = Path(tempfile.mkdtemp(prefix="chunkvault-bench.", dir=parent))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def peers_for(self, workload: int) -> list[Peer]:
        """Who takes part in a workload."""
        return [
            peer
            for peer in self.peers
            if not peer.is_slow or workload in self.effort.slow_programs
        ]

    def contest(
        self,
        workload: int,
        where: tuple[str, Path],
        story: Callable[[Turn], object],
        floors: Sequence[Peer] = (),
    ) -> None:
        """Every program goes through the story, one after the other, in each round.

        In the first round, ours does so once more, with its requests counted
        instead of its time. ``where`` is the place and the source.
        """
        place, source = where
        for number in range(1, self.effort.rounds + 1):
            say(f" round {number}, {place}")
            counted = [counted_chunkvault()] if self._counts(number) else []
            for peer in (*self.peers_for(workload), *floors, *counted):
                with self.folder(place) as folder:
                    try:
                        with Trial(peer, source, folder / "trial") as trial:
                            story(Turn(self.results, trial, number, place))
                    except CommandFailed as error:
                        topic = Topic(workload=workload, step=CREATION, place=place)
                        self.results.add_failure(topic, peer.name, error)

    @contextmanager
    def trials(
        self, workload: int, source: Path, folder: Path
    ) -> Iterator[list[Trial]]:
        """A trial of each program that can be started, for a common history."""
        trials = []
        for number, peer in enumerate(self.peers_for(workload)):
            try:
                trials.append(Trial(peer, source, folder / f"trial{number}"))
            except CommandFailed as error:
                topic = Topic(workload=workload, step=CREATION)
                self.results.add_failure(topic, peer.name, error)
        try:
            yield trials
        finally:
            for trial in trials:
                trial.close()

    def take_snapshots(self, workload: int, trials: list[Trial], number: int) -> None:
        """Every program takes one, unmeasured; who fails takes no further part."""
        for trial in list(trials):
            try:
                trial.run(trial.peer.backup, number)
            except CommandFailed as error:
                topic = Topic(workload=workload, step=HISTORY_TAKEN)
                self.results.add_failure(topic, trial.peer.name, error)
                trials.remove(trial)
                trial.close()

    def _counts(self, number: int) -> bool:
        return number == 1 and any(peer.name == OURS for peer in self.peers)


def say(what: str) -> None:
    """Tell whoever waits; on standard error, for the table goes to the other."""
    print(what, file=sys.stderr, flush=True)
