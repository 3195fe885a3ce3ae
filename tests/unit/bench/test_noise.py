"""What is said about noise."""

import pytest

from bench.noise import (
    MachineState,
    describe_noise,
    parse_cpu_line,
    parse_pressure,
    read_machine_state,
    spread,
)


def state(ticks=0, idle=0, stolen=0, stall=0.0, load=0.0):
    return MachineState(
        ticks=ticks, idle_ticks=idle, stolen_ticks=stolen, stall_s=stall, load=load
    )


def test_guest_time_is_not_counted_twice():
    line = "cpu  10 1 5 100 3 0 2 4 99 99"
    assert parse_cpu_line(line) == [10, 1, 5, 100, 3, 0, 2, 4]


def test_pressure_in_seconds():
    text = (
        "some avg10=84.67 avg60=51.26 avg300=22.11 total=1721548\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    )
    assert parse_pressure(text) == pytest.approx(1.721548)
    assert parse_pressure("") is None


def test_spread_is_a_share_of_the_median():
    assert spread([2.0, 1.0, 4.0]) == 1.5
    assert spread([1.0]) is None
    assert spread([0.0, 0.0]) is None


def test_steal_and_idle_are_of_the_run_alone():
    before = state(ticks=1000, idle=900, stolen=50)
    after = state(ticks=1200, idle=950, stolen=70)
    text = " ".join(describe_noise(before, after, {}))
    assert "25% idle" in text
    assert "10.0% (steal)" in text


def test_machine_that_was_busy_before_is_said():
    quiet = " ".join(describe_noise(state(), state(), {}))
    busy = " ".join(describe_noise(state(load=3.0), state(), {}))
    assert "trust bytes" not in quiet
    assert "trust bytes" in busy


@pytest.mark.parametrize(
    ("shares", "mood"),
    [((0.01, 0.02, 0.9), "calm"), ((0.2, 0.2), "restless"), ((0.3, 0.4), "noisy")],
)
def test_mood_is_that_of_the_middle_step_and_the_worst_is_named(shares, mood):
    spreads = {f"step {share}": share for share in shares}
    sentence = describe_noise(state(), state(), spreads)[-1]
    assert mood in sentence
    assert f"step {max(shares)}" in sentence


def test_single_round_says_that_nothing_is_known():
    assert "nothing is known" in describe_noise(state(), state(), {})[-1]


def test_this_machine_can_be_read():
    now = read_machine_state()
    assert now.ticks > now.idle_ticks >= 0
