"""Turns the measurements of all rounds into a table that a person can judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from measuring import Cost

BACKUP = "first backup"
RESCAN = "nothing changed"
RESTORE = "restore"
STEPS = (BACKUP, RESCAN, RESTORE)

OURS = "chunkvault"
PEER = "restic"
GOALS = {"wall": {BACKUP: 0.5, RESCAN: 0.5}, "stored": {BACKUP: 0.85}}
GOAL_PEAK_BYTES = 250_000_000
NOISY_SPREAD = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One step of one program in one round; ``stored_bytes`` is measured after it."""

    round_number: int
    program: str
    step: str
    cost: Cost
    stored_bytes: int


Metric = Callable[[Measurement], float]


def wall(measurement: Measurement) -> float:
    """Seconds it took."""
    return measurement.cost.wall_s


def cpu(measurement: Measurement) -> float:
    """Seconds of processor time it took."""
    return measurement.cost.cpu_s


def peak(measurement: Measurement) -> float:
    """Megabytes that its largest process had resident."""
    return measurement.cost.peak_bytes / 1e6


def stored(measurement: Measurement) -> float:
    """Megabytes in its repository afterwards."""
    return measurement.stored_bytes / 1e6


def render(measurements: Sequence[Measurement]) -> str:
    """The whole report."""
    sections = [_table(measurements, step) for step in STEPS]
    sections.append(_comparison(measurements))
    sections.append(_noise(measurements))
    return "\n\n".join(section for section in sections if section)


def _select(
    measurements: Sequence[Measurement], program: str, step: str
) -> list[Measurement]:
    return [m for m in measurements if m.program == program and m.step == step]


def _programs(measurements: Sequence[Measurement]) -> list[str]:
    return list(dict.fromkeys(m.program for m in measurements))


def _table(measurements: Sequence[Measurement], step: str) -> str:
    """One step: a line per program, medians with least and most in brackets."""
    head = f"{step:20}{'wall s':>22}{'CPU s':>22}{'peak MB':>20}{'stored MB':>11}"
    rows = [
        f"  {program:18}{_spread(chosen, wall, 2):>22}"
        f"{_spread(chosen, cpu, 2):>22}{_spread(chosen, peak, 0):>20}"
        f"{median(map(stored, chosen)):>11.1f}"
        for program in _programs(measurements)
        if (chosen := _select(measurements, program, step))
    ]
    return "\n".join([head, *rows]) if rows else ""


def _spread(chosen: Sequence[Measurement], metric: Metric, digits: int) -> str:
    values = [metric(m) for m in chosen]
    low, high = min(values), max(values)
    return f"{median(values):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _comparison(measurements: Sequence[Measurement]) -> str:
    """Ratios of chunkvault to restic, taken within each round."""
    if not {OURS, PEER} <= set(_programs(measurements)):
        return ""
    lines = [f"{OURS} / {PEER}, ratio of each round: median (least-most)"]
    for step in STEPS:
        for name, metric in (("wall", wall), ("CPU", cpu), ("stored", stored)):
            if name != "stored" or step == BACKUP:
                lines += _ratio_line(measurements, step, name, metric)
    lines.append(_peak_line(measurements))
    return "\n".join(lines)


def _ratio_line(
    measurements: Sequence[Measurement], step: str, name: str, metric: Metric
) -> list[str]:
    ours, theirs = (_select(measurements, one, step) for one in (OURS, PEER))
    if not ours or not theirs:
        return []
    ratios = [metric(a) / metric(b) for a, b in zip(ours, theirs, strict=True)]
    middle = median(ratios)
    line = f"  {step:18}{name:8}{middle:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    goal = GOALS.get(name, {}).get(step)
    return [line if goal is None else f"{line}  goal {goal}: {_verdict(middle, goal)}"]


def _peak_line(measurements: Sequence[Measurement]) -> str:
    highest = max(m.cost.peak_bytes for m in measurements if m.program == OURS)
    return (
        f"  peak memory of any process of {OURS}: {highest / 1e6:.0f} MB"
        f"  goal {GOAL_PEAK_BYTES / 1e6:.0f}: {_verdict(highest, GOAL_PEAK_BYTES)}"
    )


def _verdict(value: float, goal: float) -> str:
    return "reached" if value <= goal else "MISSED"


def _noise(measurements: Sequence[Measurement]) -> str:
    """How far rounds of the same thing lie apart, as a share of their median."""
    spreads = []
    for program in _programs(measurements):
        times = [wall(m) for m in _select(measurements, program, BACKUP)]
        if len(times) > 1:
            spreads.append((max(times) - min(times)) / median(times))
    if not spreads:
        return "One round only: nothing is known about the noise; trust no small ratio."
    worst = max(spreads)
    mood = "noisy" if worst > NOISY_SPREAD else "calm"
    advice = "; trust the ratios more than the seconds" if worst > NOISY_SPREAD else ""
    return (
        f"The machine was {mood}: first backups by the same program differ by up to "
        f"{worst:.0%} of their median{advice}."
    )
