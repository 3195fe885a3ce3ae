"""Workloads 3, 6 and 7: what each new version of a source adds to a repository."""

from collections.abc import Callable
from pathlib import Path

from bench.data.history import History
from bench.data.mail import MailFile
from bench.data.scattered import Database, DiskImage
from bench.measuring import CommandFailed, Cost
from bench.results import Measurement, Topic
from bench.trial import Trial
from bench.workbench import Workbench, say
from bench.workloads.trees import source_tree

__all__ = ["GROWTH", "grow_databases", "grow_mail", "grow_tree"]

GROWTH = "each further version"


def grow_tree(bench: Workbench, wanted: frozenset[int]) -> None:  # noqa: ARG001
    """A source tree goes through its versions."""
    _grow(bench, 3, GROWTH, bench.effort.versions, lambda at: source_tree(bench, at))


def grow_mail(bench: Workbench, wanted: frozenset[int]) -> None:  # noqa: ARG001
    """A mail file gets messages, and old ones are marked as read."""
    effort = bench.effort
    messages = effort.mail_messages
    _grow(bench, 6, GROWTH, effort.mail_versions, lambda at: MailFile(at, messages))


def grow_databases(bench: Workbench, wanted: frozenset[int]) -> None:  # noqa: ARG001
    """Rows of an SQLite database change, and blocks of the disk of a machine."""
    effort = bench.effort
    rows, blocks = effort.database_rows, effort.image_blocks
    count = effort.scattered_versions
    _grow(bench, 7, f"SQLite: {GROWTH}", count, lambda at: Database(at, rows))
    _grow(bench, 7, f"disk image: {GROWTH}", count, lambda at: DiskImage(at, blocks))


def _grow(
    bench: Workbench,
    workload: int,
    step: str,
    versions: int,
    make: Callable[[Path], History],
) -> None:
    """One history, and all programs take a snapshot of each version in turn."""
    topic = Topic(workload=workload, step=step)
    with bench.folder("memory") as folder:
        source = folder / "source"
        history = make(source)
        with bench.trials(workload, source, folder) as trials:
            growths = [_Growth(trial) for trial in trials]
            for number in range(versions):
                history.advance(number)
                for growth in growths:
                    growth.add_version(number)
                if number % 10 == 0:
                    say(f" {step}: version {number}")
            for growth in growths:
                bench.results.add(growth.measurement(topic))


class _Growth:
    """What the versions cost one program; the first one is left out."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._costs: list[Cost] = []
        self._stored: list[int] = []
        self._failure: str | None = None

    def add_version(self, number: int) -> None:
        """Take a snapshot; after one that failed there is none any more."""
        if self._failure is not None:
            return
        try:
            cost = self._trial.run(self._trial.peer.backup, number)
        except CommandFailed as error:
            self._failure = str(error)
            return
        self._stored.append(self._trial.stored_bytes)
        if number:
            self._costs.append(cost)

    def measurement(self, topic: Topic) -> Measurement:
        """Means over all versions but the first."""
        name = self._trial.peer.name
        if self._failure is not None or not self._costs:
            failure = self._failure or "there was only one version"
            return Measurement(topic=topic, program=name, failure=failure)
        count = len(self._costs)
        growth = (self._stored[-1] - self._stored[0]) / count
        say(f"  {name}: {topic.step}: {growth / 1e3:.0f} KB")
        return Measurement(
            topic=topic,
            program=name,
            cost=Cost(
                wall_s=sum(cost.wall_s for cost in self._costs) / count,
                cpu_s=sum(cost.cpu_s for cost in self._costs) / count,
                peak_bytes=max(cost.peak_bytes for cost in self._costs),
            ),
            stored_bytes=self._stored[-1],
            growth_bytes=growth,
        )
