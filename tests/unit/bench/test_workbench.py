"""Turns: in order, each with its figures; who fails does not stop the others."""

import pytest

from bench.peers import Peer
from bench.results import Results, Topic
from bench.workbench import CREATION, HISTORY_TAKEN, QUICK, Workbench

GOOD = Peer(
    name="good", create=("true",), backup=("sh", "-c", "echo x >> '{repository}/x'")
)
BROKEN = Peer(name="broken", create=("false",), backup=("true",))
FAILING = Peer(name="failing", backup=("sh", "-c", "echo on fire >&2; exit 3"))
SLOW = Peer(name="slow", backup=("true",), is_slow=True)


@pytest.fixture
def bench(tmp_path):
    def bench(*peers):
        return Workbench(QUICK, peers, Results(), tmp_path / "cache")

    return bench


def test_who_fails_is_recorded_and_the_others_go_on(bench, tmp_path):
    made = bench(BROKEN, FAILING, GOOD)
    made.contest(
        1, ("memory", tmp_path), lambda turn: turn.do(1, "first", turn.peer.backup)
    )
    found = {one.program: one for one in made.results.measurements}
    assert found["broken"].topic == Topic(workload=1, step=CREATION)
    assert "on fire" in found["failing"].failure
    assert found["good"].stored_bytes == 2
    assert found["good"].failure is None
    assert made.results.has_failure_of("failing")
    assert not made.results.has_failure_of("good")


def test_nothing_is_left_behind(bench, tmp_path):
    made = bench(GOOD, BROKEN)
    seen = []
    made.contest(1, ("disk", tmp_path), lambda turn: seen.append(turn.trial.repository))
    with made.trials(1, tmp_path, tmp_path / "together") as trials:
        seen += [trial.repository for trial in trials]
    assert len(seen) == 2
    assert not any(path.exists() for path in seen)
    assert list((tmp_path / "cache").iterdir()) == []


def test_history_goes_on_without_who_failed(bench, tmp_path):
    made = bench(FAILING, GOOD)
    with made.trials(8, tmp_path, tmp_path / "together") as trials:
        made.take_snapshots(8, trials, 0)
        made.take_snapshots(8, trials, 1)
        assert [trial.peer.name for trial in trials] == ["good"]
        assert trials[0].stored_bytes == 4
    [failure] = made.results.measurements
    assert failure.topic == Topic(workload=8, step=HISTORY_TAKEN)


def test_slow_programs_are_left_out_of_most_of_a_quick_run(bench):
    made = bench(GOOD, SLOW)
    assert made.peers_for(1) == [GOOD]
    assert made.peers_for(6) == [GOOD, SLOW]


def test_command_that_a_program_lacks_is_no_failure(bench, tmp_path):
    made = bench(GOOD)
    made.contest(9, ("memory", tmp_path), lambda turn: turn.do(9, "ls", turn.peer.ls))
    assert made.results.measurements == []
