"""What was promised, and whether a run kept it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.floors import FIND, LIBRARIES, TAR, UNTAR
from bench.results import OURS, Results, Topic
from bench.workbench import Effort
from bench.workloads.growth import GROWTH
from bench.workloads.restores import FILE_AT_DATE, HISTORY
from bench.workloads.scale import COLD, COMPARE, ONE_FILE, SEARCH, UNCHANGED
from bench.workloads.trees import AGAIN, FIRST, START, WHOLE

__all__ = ["Goal", "Verdict", "goals_of", "judge"]

_SCALE_PEAK_BYTES = 200e6
_COLD_BYTES = 2_100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on a figure of ours, or on its ratio to another.

    Attributes:
        topic: what is done.
        metric: the figure, an attribute of `results.Summary`.
        limit: what it may be at most; at least, where ``is_least``.
        program: the first word of the program it is divided by; its whole name,
            if that begins with no backup program; empty: not divided.
        other: divided by our own figure for this instead.
        minus: our figure for this is taken off first.
        is_least: the figure must reach the limit instead of staying below.
    """

    topic: Topic
    metric: str
    limit: float
    program: str = ""
    other: Topic | None = None
    minus: Topic | None = None
    is_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal beside what was measured; ``value`` None where nothing was."""

    goal: Goal
    program: str
    value: float | None

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal was kept; None where nothing was measured."""
        if self.value is None:
            return None
        if self.goal.is_least:
            return self.value >= self.goal.limit
        return self.value <= self.goal.limit


def goals_of(effort: Effort) -> list[Goal]:
    """All goals, for a run of this effort; those of full runs are the promise."""
    return [
        *_goals_of_trees(),
        *_goals_of_growth(),
        *_goals_of_restores(effort),
        *_goals_of_commands(effort),
        *_goals_of_scale(),
    ]


def judge(results: Results, goals: Sequence[Goal]) -> list[Verdict]:
    """Every goal that the run has something to say about."""
    known = set(results.topics())
    return [
        verdict
        for goal in goals
        if goal.topic in known
        for verdict in _verdicts(results, goal)
    ]


def _verdicts(results: Results, goal: Goal) -> list[Verdict]:
    if not goal.program:
        return [Verdict(goal=goal, program="", value=_own_value(results, goal))]
    programs = [
        name
        for name in results.programs(goal.topic)
        if name == goal.program or name.split()[0] == goal.program
    ]
    return [
        Verdict(goal=goal, program=name, value=_ratio(results, goal, name))
        for name in programs
    ]


def _own_value(results: Results, goal: Goal) -> float | None:
    value = _figure(results, goal.topic, OURS, goal.metric)
    if value is None or goal.other is None:
        return value
    below = _figure(results, goal.other, OURS, goal.metric)
    return value / below if below else None


def _ratio(results: Results, goal: Goal, program: str) -> float | None:
    if goal.minus is None:
        return results.ratio(goal.topic, goal.metric, program)
    value = _figure(results, goal.topic, OURS, goal.metric)
    taken_off = _figure(results, goal.minus, OURS, goal.metric)
    below = _figure(results, goal.topic, program, goal.metric)
    if value is None or taken_off is None or not below:
        return None
    return max(value - taken_off, 0.0) / below


def _figure(results: Results, topic: Topic, program: str, metric: str) -> float | None:
    summary = results.summary(topic, program)
    return None if summary is None else summary.value(metric)


def _topic(workload: int, step: str, place: str = "memory") -> Topic:
    return Topic(workload=workload, step=step, place=place)


def _against(topic: Topic, metric: str, limits: dict[str, float]) -> list[Goal]:
    return [
        Goal(topic=topic, metric=metric, program=program, limit=limit)
        for program, limit in limits.items()
    ]


def _goals_of_trees() -> list[Goal]:
    first, again, binaries = _topic(1, FIRST), _topic(2, AGAIN), _topic(4, FIRST)
    sizes = {"restic": 0.80, "borg": 0.85, TAR.name: 1.08}
    return [
        *_against(first, "wall_s", {"restic": 0.35, "borg": 0.35, TAR.name: 1.3}),
        *_against(first, "stored_bytes", sizes),
        *_against(again, "wall_s", {"restic": 0.35}),
        Goal(
            topic=again,
            metric="wall_s",
            program=FIND.name,
            minus=_topic(2, START),
            limit=5.0,
        ),
        *_against(binaries, "stored_bytes", sizes),
        *_against(_topic(5, FIRST), "wall_s", {"restic": 0.5, LIBRARIES: 1.25}),
    ]


def _goals_of_growth() -> list[Goal]:
    steps = ((6, GROWTH), (7, f"SQLite: {GROWTH}"), (7, f"disk image: {GROWTH}"))
    small = {"restic": 0.03, "borg": 0.03, "duplicity": 1.0}
    tree = {"restic": 0.06, "borg": 0.06, "duplicity": 0.06}
    found = _against(_topic(3, GROWTH), "growth_bytes", tree)
    for workload, step in steps:
        found += _against(_topic(workload, step), "growth_bytes", small)
    return found


def _goals_of_restores(effort: Effort) -> list[Goal]:
    few, slow, many = (
        _topic(8, FILE_AT_DATE.format(count))
        for count in (
            effort.few_snapshots,
            effort.slow_snapshots,
            effort.many_snapshots,
        )
    )
    return [
        *_against(_topic(8, WHOLE), "wall_s", {"restic": 0.7}),
        *_against(_topic(8, WHOLE, "disk"), "wall_s", {UNTAR.name: 1.0}),
        *_against(few, "wall_s", {"restic": 0.6}),
        *_against(many, "wall_s", {"restic": 0.6}),
        Goal(topic=many, metric="wall_s", other=few, limit=1.1),
        *_against(slow, "wall_s", {"duplicity": 0.1}),
    ]


def _goals_of_commands(effort: Effort) -> list[Goal]:
    history = _topic(9, HISTORY.format(effort.many_snapshots))
    return [
        Goal(topic=_topic(9, "--help"), metric="wall_s", limit=0.12),
        *_against(_topic(9, "ls of the whole tree"), "wall_s", {"restic": 0.5}),
        *_against(_topic(9, "diff of two versions"), "wall_s", {"restic": 0.5}),
        Goal(topic=history, metric="wall_s", limit=1.0),
    ]


def _goals_of_scale() -> list[Goal]:
    cold = _topic(11, COLD, "disk")
    steps = (f"{UNCHANGED}, empty cache", UNCHANGED, ONE_FILE, COMPARE, SEARCH)
    return [
        *(
            Goal(topic=_topic(10, step), metric="peak_bytes", limit=_SCALE_PEAK_BYTES)
            for step in steps
        ),
        Goal(
            topic=_topic(10, UNCHANGED),
            metric="files_per_s",
            limit=60_000,
            is_least=True,
        ),
        Goal(topic=cold, metric="requests", limit=12),
        Goal(topic=cold, metric="moved_bytes", limit=_COLD_BYTES),
    ]
