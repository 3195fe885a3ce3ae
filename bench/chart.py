"""The chart: for a few steps, a bar for each program. SVG, written by hand."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from bench.results import OURS, Results, Topic
from bench.table import seconds, size
from bench.workloads.growth import GROWTH
from bench.workloads.trees import AGAIN, FIRST, WHOLE

__all__ = ["Panel", "draw_chart", "panels_of"]

_COLUMNS = 2
_PANEL_WIDTH = 450
_LABEL_WIDTH = 146
_BAR_WIDTH = 220
_ROW = 20
_TITLE = 40
_MARGIN = 16
_OURS_COLOR = "#0b6e4f"
_THEIRS_COLOR = "#a9b4bd"

_CHOSEN: tuple[tuple[str, Topic, str], ...] = (
    (
        "Many small files, first backup: seconds",
        Topic(workload=1, step=FIRST),
        "wall_s",
    ),
    ("… bytes stored", Topic(workload=1, step=FIRST), "stored_bytes"),
    ("Nothing changed: seconds", Topic(workload=2, step=AGAIN), "wall_s"),
    ("Restore of the tree: seconds", Topic(workload=8, step=WHOLE), "wall_s"),
    (
        "Large mixed files, first backup: seconds",
        Topic(workload=5, step=FIRST),
        "wall_s",
    ),
    (
        "Next version of the tree: bytes added",
        Topic(workload=3, step=GROWTH),
        "growth_bytes",
    ),
    (
        "Mail file: bytes added by each version",
        Topic(workload=6, step=GROWTH),
        "growth_bytes",
    ),
    (
        "SQLite database: bytes added by each version",
        Topic(workload=7, step=f"SQLite: {GROWTH}"),
        "growth_bytes",
    ),
)


class Panel(NamedTuple):
    """One small chart: a title, and (program, figure) to be drawn as bars."""

    title: str
    bars: list[tuple[str, float]]
    label: Callable[[float | None], str]


def panels_of(results: Results) -> list[Panel]:
    """What there is to draw; steps that only ours did, or nobody, are left out."""
    found = []
    for title, topic, metric in _CHOSEN:
        bars = []
        for program in results.programs(topic):
            summary = results.summary(topic, program)
            value = None if summary is None else summary.value(metric)
            if value is not None:
                bars.append((program, value))
        if len(bars) > 1:
            found.append(Panel(title, bars, _labels(metric)))
    return found


def draw_chart(panels: Sequence[Panel]) -> str:
    """The panels in two columns, each with a scale of its own that begins at zero."""
    if not panels:
        panels = [Panel("No full run has been made yet", [], size)]
    rows = [
        panels[start : start + _COLUMNS] for start in range(0, len(panels), _COLUMNS)
    ]
    drawn, top = [], _MARGIN
    for row in rows:
        for column, panel in enumerate(row):
            drawn += _draw(panel, _MARGIN + column * _PANEL_WIDTH, top)
        top += _TITLE + _ROW * max(len(panel.bars) for panel in row) + _MARGIN
    width = _COLUMNS * _PANEL_WIDTH + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" '
            f'width="{width}" height="{top}" '
            'font-family="system-ui, sans-serif" font-size="12" role="img">',
            "<title>chunkvault beside other programs; shorter is better</title>",
            f'<rect width="{width}" height="{top}" rx="8" fill="#ffffff"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _draw(panel: Panel, left: int, top: int) -> list[str]:
    longest = max((value for _, value in panel.bars), default=0.0) or 1.0
    lines = [
        f'<text x="{left}" y="{top + 22}" font-size="14" font-weight="600" '
        f'fill="#1b1f23">{escape(panel.title)}</text>'
    ]
    for number, (program, value) in enumerate(panel.bars):
        y = top + _TITLE + number * _ROW
        length = max(1.0, _BAR_WIDTH * value / longest)
        color = _OURS_COLOR if program == OURS else _THEIRS_COLOR
        start = left + _LABEL_WIDTH
        lines += [
            f'<text x="{start - 6}" y="{y + 12}" text-anchor="end" '
            f'fill="#1b1f23">{escape(program)}</text>',
            f'<rect x="{start}" y="{y + 2}" width="{length:.1f}" height="13" rx="2" '
            f'fill="{color}"/>',
            f'<text x="{start + length + 5:.1f}" y="{y + 12}" '
            f'fill="#444c56">{escape(panel.label(value))}</text>',
        ]
    return lines


def _labels(metric: str) -> Callable[[float | None], str]:
    return (lambda value: f"{seconds(value)} s") if metric == "wall_s" else size
