"""Tables: what stands in them, and that a failing program shows."""

import pytest

from bench.goals import Goal, Verdict
from bench.measuring import Cost
from bench.results import Measurement, Results, Topic
from bench.table import render_goals, render_results, seconds, size

TOPIC = Topic(workload=1, step="first backup")


def one(program, round_number=1, wall_s=1.0, **more):
    cost = Cost(wall_s=wall_s, cpu_s=wall_s, peak_bytes=5_000_000)
    return Measurement(
        topic=TOPIC, program=program, round_number=round_number, cost=cost, **more
    )


def cells(text, program):
    [line] = [line for line in text.splitlines() if line.startswith(f"| {program}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012")],
)
def test_seconds_have_digits_that_mean_something(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (999, "999 B"),
        (15_700, "15.7 KB"),
        (164_000_000, "164 MB"),
        (2.5e9, "2.5 GB"),
    ],
)
def test_sizes_have_units(value, text):
    assert size(value) == text


def test_row_has_median_range_and_ratios():
    results = Results(
        [
            one("chunkvault", 1, 1.0, stored_bytes=50),
            one("chunkvault", 2, 3.0, stored_bytes=50),
            one("restic", 1, 4.0, stored_bytes=100),
            one("restic", 2, 6.0, stored_bytes=100),
        ]
    )
    text = render_results(results)
    assert cells(text, "chunkvault")[1] == "2.00 (1.00-3.00)"
    assert cells(text, "restic")[-2:] == ["0.375", "0.5"]
    assert cells(text, "chunkvault")[-2:] == ["-", "-"]


def test_growth_is_compared_instead_of_the_whole():
    results = Results(
        [
            one("chunkvault", stored_bytes=100, growth_bytes=1),
            one("restic", stored_bytes=100, growth_bytes=10),
        ]
    )
    assert cells(render_results(results), "restic")[-1] == "0.1"


def test_columns_without_figures_are_left_out():
    text = render_results(Results([one("chunkvault")]))
    assert "requests" not in text
    assert "growth" not in text


def test_failing_program_shows_in_the_table_with_its_reason():
    results = Results([one("chunkvault")])
    results.add_failure(TOPIC, "borg", "borg create\nended with 2: no | space")
    text = render_results(results)
    assert cells(text, "borg")[1] == "FAILED"
    assert "borg failed: borg create ended with 2: no / space" in text


def test_every_line_of_a_table_is_equally_long():
    text = render_results(Results([one("chunkvault"), one("a longer name")]))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("value", "word"), [(0.2, "reached"), (0.5, "MISSED"), (None, "not measured")]
)
def test_goal_says_how_it_stands(value, word):
    goal = Goal(topic=TOPIC, metric="wall_s", program="restic", limit=0.35)
    verdict = Verdict(goal=goal, program="restic 0.14", value=value)
    text = render_goals([verdict], is_quick=False)
    assert "≤ 0.35 times restic 0.14" in text
    assert word in text


def test_quick_run_warns_of_its_small_workloads():
    assert "small ones of a quick run" in render_goals([], is_quick=True)
    assert "small ones of a quick run" not in render_goals([], is_quick=False)
