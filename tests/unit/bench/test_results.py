"""How rounds are condensed, and ours divided by theirs."""

import json

import pytest

from bench.measuring import Cost
from bench.results import Measurement, Results, Topic, read_rows

TOPIC = Topic(workload=1, step="first backup")


def one(program, round_number=1, wall_s=1.0, topic=TOPIC, **more):
    cost = Cost(wall_s=wall_s, cpu_s=2 * wall_s, peak_bytes=1000)
    return Measurement(
        topic=topic, program=program, round_number=round_number, cost=cost, **more
    )


def test_summary_is_the_median_and_the_range():
    results = Results(one("restic", n, wall) for n, wall in enumerate((5.0, 1.0, 2.0)))
    summary = results.summary(TOPIC, "restic")
    assert (summary.wall_s, summary.least_wall_s, summary.most_wall_s) == (2, 1, 5)
    assert (summary.rounds, summary.cpu_s) == (3, 4.0)


def test_ratio_of_wall_time_is_taken_within_each_round():
    """A machine that slows down in the second round must not change the ratio."""
    results = Results(
        [
            one("chunkvault", 1, 1.0),
            one("restic", 1, 2.0),
            one("chunkvault", 2, 10.0),
            one("restic", 2, 20.0),
            one("chunkvault", 3, 100.0),
        ]
    )
    assert results.ratio(TOPIC, "wall_s", "restic") == 0.5


def test_ratio_of_bytes_is_that_of_the_medians():
    results = Results(
        [one("chunkvault", stored_bytes=80), one("restic", stored_bytes=100)]
    )
    assert results.ratio(TOPIC, "stored_bytes", "restic") == 0.8


@pytest.mark.parametrize("theirs", [[], [one("restic", 2)], [one("restic", 1, 0.0)]])
def test_no_ratio_where_they_did_not_run_beside_us(theirs):
    results = Results([one("chunkvault"), *theirs])
    assert results.ratio(TOPIC, "wall_s", "restic") is None
    assert results.ratio(TOPIC, "stored_bytes", "restic") is None


def test_counted_run_adds_requests_and_no_time():
    counted = Measurement(
        topic=TOPIC, program="chunkvault", requests=11, moved_bytes=500
    )
    summary = Results([one("chunkvault", wall_s=3.0), counted]).summary(
        TOPIC, "chunkvault"
    )
    assert (summary.wall_s, summary.rounds) == (3.0, 1)
    assert (summary.requests, summary.moved_bytes) == (11, 500)


def test_failure_stands_beside_the_rounds_that_went_well():
    results = Results([one("restic")])
    results.add_failure(TOPIC, "restic", "it ended with 1")
    summary = results.summary(TOPIC, "restic")
    assert summary.failure == "it ended with 1"
    assert summary.wall_s == 1.0


def test_ours_comes_first_and_topics_by_workload():
    later = Topic(workload=2, step="again")
    results = Results([one("borg", topic=later), one("borg"), one("chunkvault")])
    assert results.programs(TOPIC) == ["chunkvault", "borg"]
    assert results.topics() == [TOPIC, later]


def test_spreads_name_what_was_repeated():
    results = Results([one("borg", 1, 1.0), one("borg", 2, 3.0), one("restic")])
    assert results.spreads() == {"borg: first backup, memory": 1.0}


def test_rows_survive_a_file():
    results = Results([one("borg", stored_bytes=7)])
    results.add_failure(TOPIC, "restic", "no")
    rows = json.loads(json.dumps(results.as_rows()))
    assert read_rows(rows) == results.measurements


def test_note_is_kept_once():
    results = Results()
    results.note("made from a seed")
    results.note("made from a seed")
    assert results.notes == ["made from a seed"]
