"""``chunkvault diff``: compare two snapshots."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import TYPE_CHECKING

from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.gaps import Gaps
from chunkvault.cli.output import path_fields, printable
from chunkvault.cli.snapshot_query import absolute_path, find_named_snapshots

if TYPE_CHECKING:
    from chunkvault.operations.diff import Difference

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
In front of each path stands what happened to it on the way from A to B:
  +  added    -  removed    M  changed    U  only owner, mode, time or attributes

A folder has a new time, and is U, when something in it came, went or was renamed. Those
above what was backed up are left out.

Exit code 20: the repository is damaged, and entries of one of the two cannot be read;
it is said where. Nothing is said of what stands there in the other one.

examples:
  chunkvault diff latest~1 latest
  chunkvault diff 1a2b3c4d latest ~/Documents
"""

_SIGNS = {"added": "+", "removed": "-", "changed": "M", "metadata": "U"}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the two snapshots."""
    parser.add_argument("old", metavar="A", help="a snapshot: id, latest, latest~1")
    parser.add_argument("new", metavar="B", help="another one")
    parser.add_argument("path", metavar="PATH", nargs="?", help="only this and below")


def run(arguments: Namespace, context: Context) -> int:
    """List what differs; differences are no failure."""
    from chunkvault.operations.diff import diff  # brings the repository along

    path = None if arguments.path is None else absolute_path(arguments.path)
    with context.open_repository(ahead=BROWSING) as repository:
        old, new = find_named_snapshots(repository, arguments.old, arguments.new)
        gaps = Gaps()
        differences = diff(repository, old, new, path, gaps.add)
        if context.settings.is_json:
            context.output.json_array(_fields(one, context) for one in differences)
            return gaps.tell()
        counts: Counter[str] = Counter()
        for one in differences:
            counts[one.change] += 1
            context.output.line(f"{_SIGNS[one.change]}  {printable(one.path)}")
    if not context.settings.is_quiet:
        total = ", ".join(f"{counts[change]:,} {change}" for change in _SIGNS)
        context.output.line(total)
    return gaps.tell()


def _fields(difference: "Difference", context: Context) -> dict[str, object]:
    from chunkvault.cli.records import node_fields

    path, change, *nodes = difference
    fields: dict[str, object] = {**path_fields(path), "change": change}
    for side, node in zip(("old", "new"), nodes, strict=True):
        fields[side] = None if node is None else node_fields(path, node, context)
    return fields
