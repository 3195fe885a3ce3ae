"""Goals: the promise, and how a run is held against it."""

from bench.goals import Goal, goals_of, judge
from bench.measuring import Cost
from bench.results import Measurement, Results, Topic
from bench.workbench import FULL, QUICK
from bench.workloads import STORIES, TITLES

TOPIC = Topic(workload=2, step="nothing changed")
START = Topic(workload=2, step="start")


def one(program, wall_s, topic=TOPIC, **more):
    cost = Cost(wall_s=wall_s, cpu_s=wall_s, peak_bytes=100)
    return Measurement(topic=topic, program=program, cost=cost, **more)


def test_ratio_is_judged_for_every_version_of_a_program():
    results = Results(
        [one("chunkvault", 1.0), one("restic 0.14", 2.0), one("restic 0.17", 4.0)]
    )
    goal = Goal(topic=TOPIC, metric="wall_s", program="restic", limit=0.3)
    found = {one.program: one.is_reached for one in judge(results, [goal])}
    assert found == {"restic 0.14": False, "restic 0.17": True}


def test_start_up_is_taken_off():
    results = Results(
        [one("chunkvault", 0.7), one("chunkvault", 0.5, START), one("find", 0.1)]
    )
    goal = Goal(topic=TOPIC, metric="wall_s", program="find", minus=START, limit=5)
    [verdict] = judge(results, [goal])
    assert round(verdict.value, 6) == 2.0


def test_own_figures_are_compared_with_each_other():
    results = Results([one("chunkvault", 1.2), one("chunkvault", 1.0, START)])
    goal = Goal(topic=TOPIC, metric="wall_s", other=START, limit=1.1)
    [verdict] = judge(results, [goal])
    assert (verdict.value, verdict.is_reached) == (1.2, False)


def test_rate_must_reach_its_limit():
    results = Results([one("chunkvault", 1.0, files_per_s=70_000.0)])
    goal = Goal(topic=TOPIC, metric="files_per_s", limit=60_000, is_least=True)
    assert judge(results, [goal])[0].is_reached is True


def test_missing_figure_is_neither_kept_nor_broken():
    results = Results([one("restic", 1.0)])
    goal = Goal(topic=TOPIC, metric="wall_s", limit=1.0)
    assert judge(results, [goal])[0].is_reached is None


def test_what_was_not_run_is_not_judged():
    goal = Goal(topic=TOPIC, metric="wall_s", limit=1.0)
    assert judge(Results(), [goal]) == []


def test_every_workload_has_a_story_and_a_goal():
    measured = frozenset().union(*(numbers for numbers, _ in STORIES))
    assert measured == set(TITLES) == set(range(1, 12))
    for effort in (FULL, QUICK):
        assert {goal.topic.workload for goal in goals_of(effort)} == set(TITLES)


def test_goals_of_full_runs_are_those_that_were_promised():
    promised = {
        (goal.topic.workload, goal.metric, goal.program): goal.limit
        for goal in goals_of(FULL)
    }
    assert promised[1, "wall_s", "restic"] == 0.35
    assert promised[3, "growth_bytes", "duplicity"] == 0.06
    assert promised[6, "growth_bytes", "borg"] == 0.03
    assert promised[7, "growth_bytes", "duplicity"] == 1.0
    assert promised[4, "stored_bytes", "borg"] == 0.85
    assert promised[10, "peak_bytes", ""] == 200e6
    assert promised[11, "requests", ""] == 12
