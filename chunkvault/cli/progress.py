"""A bar on the terminal: how far, how fast, how long still, and which file.

Drawn by rich, in a thread of its own that reads the counters four times a second.
Everything goes to standard error, and is gone when the operation is over; only
the problems stay.
"""

import contextlib
import sys
import time
from collections import deque
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chunkvault.cli.output import (
    Output,
    count,
    human_duration,
    human_size,
    printable,
)
from chunkvault.cli.reporters import problem_text
from chunkvault.report import Problem, Progress

__all__ = ["Speedometer", "TerminalReporter"]

_REFRESHES_PER_SECOND = 4
_RATE_WINDOW_S = 10.0
_BAR_WIDTH = 16


class Speedometer:
    """The rate over the last seconds, from readings of a counter."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque()

    def read(self, now_s: float, value: int) -> float:
        """Add a reading; units per second since the oldest one in the window."""
        self._readings.append((now_s, value))
        while self._readings[0][0] < now_s - _RATE_WINDOW_S:
            self._readings.popleft()
        first_s, first = self._readings[0]
        return (value - first) / (now_s - first_s) if now_s > first_s else 0.0


class TerminalReporter:
    """Shows a bar while an operation runs, and problems above it."""

    def __init__(
        self, output: Output, terminal: TextIO, *, use_color: bool = True
    ) -> None:
        self._output = output
        self._console = Console(
            file=terminal, no_color=not use_color, highlight=False, soft_wrap=True
        )
        self._live: Live | None = None
        self._speed = Speedometer()

    def begin(self, progress: Progress) -> None:
        """Show the bar."""
        self.end()
        self._speed = Speedometer()
        self._live = Live(
            get_renderable=lambda: self._render(progress),
            console=self._console,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def end(self) -> None:
        """Take the bar away."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def problem(self, problem: Problem) -> None:
        """A line above the bar, which stays."""
        style = "red" if problem.is_failure else "yellow"
        with contextlib.suppress(OSError):  # the terminal was closed
            self._console.print(Text(problem_text(problem), style=style))

    def entry(self, action: str, path: bytes) -> None:
        """A line of standard output; above the bar, if both are on the terminal."""
        line = f"{action:<10} {printable(path)}"
        if sys.stdout.isatty():
            self._console.print(Text(line))
        else:
            self._output.line(line)

    def close(self) -> None:
        """Take the bar away."""
        self.end()

    def _render(self, progress: Progress) -> RenderableType:
        done, total = progress.done_bytes, progress.total_bytes
        rate = self._speed.read(time.monotonic(), done)
        cells: list[RenderableType] = [Text(progress.task, style="bold")]
        if total:
            # An estimate may turn out too low; a bar does not go beyond its end.
            bar = ProgressBar(total=total, completed=min(done, total), width=_BAR_WIDTH)
            cells += [bar, Text(f"{min(done / total, 1):4.0%}")]
        of_total = f" of {human_size(total)}" if total else ""
        cells += [Text(human_size(done) + of_total), Text(f"{human_size(int(rate))}/s")]
        if total and rate and done < total:
            cells.append(Text(f"{human_duration((total - done) / rate)} left"))
        return Group(_in_one_line(cells), _in_one_line([_files(progress)]))


def _in_one_line(cells: list[RenderableType]) -> Table:
    line = Table.grid(padding=(0, 2))
    for _ in cells:
        line.add_column(no_wrap=True, overflow="ellipsis")
    line.add_row(*cells)
    return line


def _files(progress: Progress) -> Text:
    done, total = progress.done_files, progress.total_files
    number = f"{done:,} of {count(total, 'file')}" if total else count(done, "file")
    return Text(f"{number}  {printable(progress.current)}", style="dim")
