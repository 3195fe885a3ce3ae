"""What was measured, and how it is selected and condensed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.measuring import Cost
from bench.noise import spread

__all__ = ["OURS", "Measurement", "Results", "Summary", "Topic", "read_rows"]

OURS = "chunkvault"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Topic:
    """What was done, and where.

    Attributes:
        workload: its number.
        step: what was done, such as ``first backup``.
        place: where source and repository were: ``memory`` or ``disk``.
    """

    workload: int
    step: str
    place: str = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One step of one program in one round. None: not measured.

    Attributes:
        topic: what was done.
        program: who did it.
        round_number: from 1.
        cost: time and memory.
        stored_bytes: in the repository afterwards.
        growth_bytes: that each version added, on average.
        requests: to the store.
        moved_bytes: to and from the store.
        files_per_s: entries handled in a second.
        failure: why there are no figures.
    """

    topic: Topic
    program: str
    round_number: int = 1
    cost: Cost | None = None
    stored_bytes: int | None = None
    growth_bytes: float | None = None
    requests: int | None = None
    moved_bytes: int | None = None
    files_per_s: float | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All rounds of one program at one step: medians, and the range of wall time."""

    program: str
    rounds: int
    wall_s: float | None
    least_wall_s: float | None
    most_wall_s: float | None
    cpu_s: float | None
    peak_bytes: float | None
    stored_bytes: float | None
    growth_bytes: float | None
    requests: float | None
    moved_bytes: float | None
    files_per_s: float | None
    failure: str | None

    def value(self, metric: str) -> float | None:
        """One of the figures by name."""
        value: float | None = getattr(self, metric)
        return value


class Results:
    """Everything measured so far, in the order in which it came."""

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self.measurements = list(measurements)
        self.notes: list[str] = []

    def add(self, measurement: Measurement) -> None:
        """One more."""
        self.measurements.append(measurement)

    def add_failure(self, topic: Topic, program: str, reason: object) -> None:
        """A program could not do something: the table says so."""
        self.add(Measurement(topic=topic, program=program, failure=str(reason)))

    def has_failure_of(self, program: str) -> bool:
        """Whether the program failed at anything."""
        return any(one.failure and one.program == program for one in self.measurements)

    def note(self, sentence: str) -> None:
        """Something that who reads the table must know; said once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def topics(self) -> list[Topic]:
        """What was done, by workload, else in the order in which it was done."""
        known = dict.fromkeys(one.topic for one in self.measurements)
        return sorted(known, key=lambda topic: topic.workload)

    def programs(self, topic: Topic) -> list[str]:
        """Who did it, ours first."""
        found = dict.fromkeys(
            one.program for one in self.measurements if one.topic == topic
        )
        return sorted(found, key=lambda program: program != OURS)

    def summary(self, topic: Topic, program: str) -> Summary | None:
        """The rounds of one program; None if it did not do this."""
        chosen = self._chosen(topic, program)
        if not chosen:
            return None
        walls = [one.cost.wall_s for one in chosen if one.cost]
        return Summary(
            program=program,
            rounds=len(walls),
            wall_s=_median(walls),
            least_wall_s=min(walls, default=None),
            most_wall_s=max(walls, default=None),
            cpu_s=_median([one.cost.cpu_s for one in chosen if one.cost]),
            peak_bytes=_median([one.cost.peak_bytes for one in chosen if one.cost]),
            stored_bytes=_median([one.stored_bytes for one in chosen]),
            growth_bytes=_median([one.growth_bytes for one in chosen]),
            requests=_median([one.requests for one in chosen]),
            moved_bytes=_median([one.moved_bytes for one in chosen]),
            files_per_s=_median([one.files_per_s for one in chosen]),
            failure=next((one.failure for one in chosen if one.failure), None),
        )

    def ratio(self, topic: Topic, metric: str, program: str) -> float | None:
        """Ours over theirs.

        Wall and CPU time by the median of the ratios of each round, in which both
        ran right after each other; all else by the medians.
        """
        if metric in ("wall_s", "cpu_s"):
            return _median(self._round_ratios(topic, metric, program))
        ours, theirs = self.summary(topic, OURS), self.summary(topic, program)
        if ours is None or theirs is None:
            return None
        above, below = ours.value(metric), theirs.value(metric)
        return above / below if above is not None and below else None

    def spreads(self) -> dict[str, float]:
        """How far the rounds of each step lie apart, see `noise.spread`."""
        found = {}
        for topic in self.topics():
            for program in self.programs(topic):
                chosen = self._chosen(topic, program)
                share = spread([one.cost.wall_s for one in chosen if one.cost])
                if share is not None:
                    found[f"{program}: {topic.step}, {topic.place}"] = share
        return found

    def as_rows(self) -> list[dict[str, Any]]:
        """For programs to read."""
        return [asdict(measurement) for measurement in self.measurements]

    def _chosen(self, topic: Topic, program: str) -> list[Measurement]:
        return [
            one
            for one in self.measurements
            if one.topic == topic and one.program == program
        ]

    def _round_ratios(self, topic: Topic, metric: str, program: str) -> list[float]:
        theirs = {
            one.round_number: getattr(one.cost, metric)
            for one in self._chosen(topic, program)
            if one.cost
        }
        return [
            getattr(one.cost, metric) / theirs[one.round_number]
            for one in self._chosen(topic, OURS)
            if one.cost and theirs.get(one.round_number)
        ]


def read_rows(rows: Iterable[Mapping[str, Any]]) -> list[Measurement]:
    """Undo `Results.as_rows`."""
    return [
        Measurement(
            **{
                **row,
                "topic": Topic(**row["topic"]),
                "cost": row["cost"] and Cost(**row["cost"]),
            }
        )
        for row in rows
    ]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
