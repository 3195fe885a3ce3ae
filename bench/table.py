"""Figures as tables that read well on a terminal and are Markdown as well."""

from collections.abc import Sequence

from bench.goals import Verdict
from bench.results import OURS, Results, Summary, Topic
from bench.workloads import TITLES

__all__ = ["render_goals", "render_results", "seconds", "size"]

_HEAD = (
    *("program", "wall s", "CPU s", "peak", "stored", "growth"),
    *("files/s", "requests", "moved", "ours / wall", "ours / bytes"),
)
_NOTHING = "-"
_METRICS = {
    "wall_s": "wall",
    "stored_bytes": "stored",
    "growth_bytes": "growth",
    "peak_bytes": "peak memory",
    "requests": "requests",
    "moved_bytes": "bytes moved",
    "files_per_s": "files/s",
}


def render_results(results: Results) -> str:
    """A table for each step, with the failures below it."""
    return "\n\n".join(
        part for topic in results.topics() for part in _section(results, topic)
    )


def render_goals(verdicts: Sequence[Verdict], *, is_quick: bool) -> str:
    """Each goal, what was measured, and whether that is enough."""
    rows = [_goal_row(verdict) for verdict in verdicts]
    table = _table(("work", "figure", "goal", "measured", ""), rows)
    if not is_quick:
        return table
    caution = (
        "The goals are for the full workloads. On the small ones of a quick run "
        "start-up and key derivation weigh most."
    )
    return f"{caution}\n\n{table}"


def seconds(value: float | None) -> str:
    """With as many digits as mean something."""
    if value is None:
        return _NOTHING
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def size(value: float | None) -> str:
    """Bytes with a unit, powers of ten."""
    if value is None:
        return _NOTHING
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if value >= factor:
            digits = 0 if value >= 100 * factor else 1
            return f"{value / factor:.{digits}f} {unit}"
    return f"{value:.0f} B"


def _section(results: Results, topic: Topic) -> list[str]:
    title = (
        f"**{topic.workload}, {TITLES[topic.workload]}: {topic.step}, {topic.place}**"
    )
    summaries = [
        summary
        for program in results.programs(topic)
        if (summary := results.summary(topic, program)) is not None
    ]
    rows = [_row(results, topic, summary) for summary in summaries]
    table = _without_empty_columns(_HEAD, rows)
    failures = [
        f"{one.program} failed: {_one_line(one.failure)}"
        for one in summaries
        if one.failure
    ]
    return [title, table, *failures]


def _row(results: Results, topic: Topic, summary: Summary) -> tuple[str, ...]:
    name = summary.program
    bytes_metric = "stored_bytes" if summary.growth_bytes is None else "growth_bytes"
    ratios = [
        results.ratio(topic, metric, name) if name != OURS else None
        for metric in ("wall_s", bytes_metric)
    ]
    return (
        name,
        "FAILED" if summary.failure else _range(summary),
        seconds(summary.cpu_s),
        size(summary.peak_bytes or None),
        size(summary.stored_bytes),
        size(summary.growth_bytes),
        _count(summary.files_per_s),
        _count(summary.requests),
        size(summary.moved_bytes),
        *(_NOTHING if one is None else f"{one:.3g}" for one in ratios),
    )


def _count(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:,.0f}"


def _range(summary: Summary) -> str:
    """The median; least and most where there were several rounds."""
    middle = seconds(summary.wall_s)
    if summary.rounds < 2:
        return middle
    return f"{middle} ({seconds(summary.least_wall_s)}-{seconds(summary.most_wall_s)})"


def _goal_row(verdict: Verdict) -> tuple[str, ...]:
    goal = verdict.goal
    topic = goal.topic
    sign = "≥" if goal.is_least else "≤"
    against = f" times {verdict.program}" if verdict.program else ""
    if goal.other is not None:
        against = f" times {goal.other.step}"
    figure = _METRICS[goal.metric] + ("" if goal.minus is None else ", less start-up")
    is_ratio = bool(against)
    return (
        f"{topic.workload} {topic.step}, {topic.place}",
        figure,
        f"{sign} {_amount(goal.metric, goal.limit, is_ratio=is_ratio)}{against}",
        _amount(goal.metric, verdict.value, is_ratio=is_ratio),
        {True: "reached", False: "MISSED", None: "not measured"}[verdict.is_reached],
    )


def _amount(metric: str, value: float | None, *, is_ratio: bool) -> str:
    if value is None:
        return _NOTHING
    if is_ratio:
        return f"{value:.3g}"
    if metric.endswith("_bytes"):
        return size(value)
    return f"{value:.2f} s" if metric == "wall_s" else f"{value:,.0f}"


def _without_empty_columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    kept = [
        place
        for place in range(len(head))
        if any(row[place] != _NOTHING for row in rows)
    ]
    chosen = [tuple(row[place] for place in kept) for row in rows]
    return _table([head[place] for place in kept], chosen)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned: words to the left, figures to the right."""
    lines = [head, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    drawn = [_line(head, widths), f"| {' | '.join(rule)} |"]
    return "\n".join([*drawn, *(_line(row, widths) for row in rows)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = (
        cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)
    )
    return f"| {' | '.join([first, *rest])} |"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300].replace("|", "/")
