"""The command line of the bench: chooses, measures, prints, writes."""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.chart import draw_chart, panels_of
from bench.document import replace_generated
from bench.goals import goals_of, judge
from bench.noise import describe_noise, read_machine_state
from bench.peers import PROJECT, find_peers, install_missing
from bench.results import OURS, Results, read_rows
from bench.table import render_goals, render_results
from bench.workbench import FULL, QUICK, Effort, Workbench, say
from bench.workloads import STORIES, TITLES

DOCUMENT = PROJECT / "docs" / "performance.md"
CHART = PROJECT / "docs" / "performance.svg"

_DESCRIPTION = """\
Compares chunkvault with restic, borg and duplicity (installed with apt where they
are missing), and with kopia, rustic and other versions of restic found on PATH, on
the same work in one run. The programs take turns, so that a machine that slows
down slows them all. Prints tables with ratios; a full run also writes them to
docs/performance.md, with a chart. Nothing but the bench's own folders is touched.

Workloads:
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the bench; gives the exit code: 1 where chunkvault itself failed."""
    arguments = parse_arguments(words)
    effort = _effort(arguments)
    wanted = frozenset(arguments.only or TITLES)
    results = Results()
    for path in arguments.merge:
        _take_over(results, path, wanted)
    is_complete = True
    try:
        _measure(arguments, effort, wanted, results)
    except KeyboardInterrupt:
        say("interrupted: what was measured so far follows")
        is_complete = False
    text = _render(results, effort, is_quick=arguments.quick)
    print(text)
    if arguments.json:
        figures = {"notes": results.notes, "rows": results.as_rows()}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    if arguments.write and is_complete:
        replace_generated(DOCUMENT, text)
        CHART.write_text(draw_chart(panels_of(results)))
        say(f"written: {DOCUMENT}, {CHART}")
    if not is_complete:
        return 130
    return int(results.has_failure_of(OURS))


def parse_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description=_DESCRIPTION
        + "\n".join(f"  {number:2}  {title}" for number, title in TITLES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="small workloads, under two minutes"
    )
    parser.add_argument(
        "--only", type=_numbers, metavar="N,M", help="only these workloads"
    )
    parser.add_argument(
        "--programs",
        type=lambda text: text.split(","),
        default=[],
        metavar="A,B",
        help="only these programs: chunkvault,restic",
    )
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument(
        "--places", type=_places, metavar="P,Q", help="memory,disk or one of them"
    )
    parser.add_argument(
        "--chunkvault", metavar="COMMAND", help="how to run it, if not from .venv"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=_default_cache(),
        metavar="DIR",
        help="on a disk: keeps what was fetched (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    parser.add_argument(
        "--merge",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="take the workloads not measured now from the --json of another run",
    )
    parser.add_argument(
        "--write",
        action=argparse.BooleanOptionalAction,
        help="write docs/performance.md and .svg (default: after a full run)",
    )
    arguments = parser.parse_args(words)
    if arguments.write is None:
        arguments.write = not (arguments.quick or arguments.only or arguments.programs)
    return arguments


def _measure(
    arguments: argparse.Namespace,
    effort: Effort,
    wanted: frozenset[int],
    results: Results,
) -> None:
    installed = install_missing()
    if installed:
        results.note(f"Installed with apt for this run: {', '.join(installed)}.")
    peers = find_peers(arguments.chunkvault, arguments.programs)
    results.note(f"Programs: {', '.join(peer.name for peer in peers)}.")
    results.note(_machine(effort))
    bench = Workbench(effort, peers, results, arguments.work.absolute())
    before, started = read_machine_state(), time.monotonic()
    try:
        for numbers, story in STORIES:
            if numbers & wanted:
                name = (story.__doc__ or "").split("\n")[0]
                say(f"{','.join(map(str, sorted(numbers & wanted)))}: {name}")
                begun = time.monotonic()
                story(bench, wanted)
                say(f" took {time.monotonic() - begun:.0f} s")
    finally:
        for sentence in describe_noise(before, read_machine_state(), results.spreads()):
            results.note(sentence)
        results.note(
            f"The run took {(time.monotonic() - started) / 60:.1f} minutes; the bench "
            f"itself used {time.process_time():.0f} s of processor time, which is in "
            "no figure."
        )


def _render(results: Results, effort: Effort, *, is_quick: bool) -> str:
    verdicts = judge(results, goals_of(effort))
    parts = [
        "## Goals",
        render_goals(verdicts, is_quick=is_quick),
        "## Figures",
        "Medians; in brackets the least and most of all rounds. *ours / wall* and "
        "*ours / bytes* are chunkvault's figure divided by that program's: below 1, "
        "chunkvault needs less. Peak is the memory of all processes together. "
        "Requests and bytes moved are counted for chunkvault alone, in a run of "
        "their own; peers do not tell.",
        render_results(results),
        "## About this run",
        "\n".join(f"- {note}" for note in results.notes),
    ]
    return "\n\n".join(parts)


def _effort(arguments: argparse.Namespace) -> Effort:
    effort = QUICK if arguments.quick else FULL
    return replace(
        effort,
        rounds=arguments.rounds or effort.rounds,
        places=arguments.places or effort.places,
    )


def _take_over(results: Results, path: Path, wanted: frozenset[int]) -> None:
    """Figures of another run, but for what is measured in this one."""
    figures = json.loads(path.read_text())
    for measurement in read_rows(figures["rows"]):
        if measurement.topic.workload not in wanted:
            results.add(measurement)
    for note in figures["notes"]:
        results.note(note)


def _machine(effort: Effort) -> str:
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) * 1024
    return (
        f"{platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} processors, "
        f"{memory / 1e9:.0f} GB of memory; rounds: {effort.rounds}."
    )


def _numbers(text: str) -> list[int]:
    numbers = [int(word) for word in text.split(",")]
    if not set(numbers) <= set(TITLES):
        raise argparse.ArgumentTypeError(f"workloads are 1 to {max(TITLES)}")
    return numbers


def _places(text: str) -> tuple[str, ...]:
    places = tuple(text.split(","))
    if not set(places) <= set(FULL.places):
        raise argparse.ArgumentTypeError("places are memory and disk")
    return places


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    parent = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return parent / "chunkvault-bench"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up then, too
    sys.exit(main())
