"""How far the figures of a run can be trusted: what else the machine did."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = [
    "MachineState",
    "describe_noise",
    "parse_cpu_line",
    "parse_pressure",
    "read_machine_state",
    "spread",
]

CALM_SPREAD = 0.10
NOISY_SPREAD = 0.25
_STEAL = 7
_IDLE = (3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """Counters of the kernel at one moment, since boot.

    Attributes:
        ticks: of all processors together, idle ones too.
        idle_ticks: in which there was nothing to do.
        stolen_ticks: in which the host gave the processor to somebody else.
        stall_s: for which something that could run waited for a processor;
            None where the kernel does not tell.
        load: programs that ran or waited, averaged over the last minute.
    """

    ticks: int
    idle_ticks: int
    stolen_ticks: int
    stall_s: float | None
    load: float


def read_machine_state() -> MachineState:
    """The counters right now."""
    with open("/proc/stat") as file:
        fields = parse_cpu_line(file.readline())
    pressure = Path("/proc/pressure/cpu")
    return MachineState(
        ticks=sum(fields),
        idle_ticks=sum(fields[place] for place in _IDLE),
        stolen_ticks=fields[_STEAL],
        stall_s=parse_pressure(pressure.read_text()) if pressure.exists() else None,
        load=os.getloadavg()[0],
    )


def parse_cpu_line(line: str) -> list[int]:
    """The eight counters of the first line of ``/proc/stat``.

    What comes after them, the time of guests, is part of the first two.
    """
    return [int(word) for word in line.split()[1:9]]


def parse_pressure(text: str) -> float | None:
    """Seconds of the ``some`` line of ``/proc/pressure/cpu``."""
    for line in text.splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2]) / 1e6
    return None


def spread(values: Sequence[float]) -> float | None:
    """From least to most, as a share of the median; None for fewer than two."""
    if len(values) < 2 or not median(values):
        return None
    return (max(values) - min(values)) / median(values)


def describe_noise(
    before: MachineState, after: MachineState, spreads: Mapping[str, float]
) -> list[str]:
    """Sentences about what else happened, and how far rounds lie apart.

    Args:
        before: when the run began.
        after: when it ended.
        spreads: by what was repeated, see `spread`.
    """
    return [*_machine_sentences(before, after), _spread_sentence(spreads)]


def _machine_sentences(before: MachineState, after: MachineState) -> list[str]:
    ticks = max(after.ticks - before.ticks, 1)
    stolen = (after.stolen_ticks - before.stolen_ticks) / ticks
    idle = (after.idle_ticks - before.idle_ticks) / ticks
    sentences = [
        f"{os.cpu_count()} processors, {idle:.0%} idle over the run; the host took "
        f"away {stolen:.1%} (steal); load when it began {before.load:.1f}, "
        f"when it ended {after.load:.1f}."
    ]
    if before.load > 0.5:
        sentences.append(
            f"Something else was running when the run began (load {before.load:.1f}): "
            "trust bytes and CPU time, not wall time."
        )
    if before.stall_s is not None and after.stall_s is not None:
        stall_s = after.stall_s - before.stall_s
        sentences.append(f"For {stall_s:.0f} s something waited for a processor.")
    return sentences


def _spread_sentence(spreads: Mapping[str, float]) -> str:
    if not spreads:
        return "One round only: nothing is known about the noise; trust no small ratio."
    middle, worst = (
        median(spreads.values()),
        max(spreads, key=lambda name: spreads[name]),
    )
    mood = "calm" if middle < CALM_SPREAD else "restless"
    if middle > NOISY_SPREAD:
        mood = "noisy"
    return (
        f"The run was {mood}: between rounds, wall time differs by {middle:.0%} of its "
        f"median (median of {len(spreads)} steps), at most by {spreads[worst]:.0%} "
        f"({worst})."
    )
