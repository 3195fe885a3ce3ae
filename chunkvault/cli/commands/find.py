"""``chunkvault find``: look for names in all snapshots."""

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.gaps import Gaps
from chunkvault.cli.output import count, human_size, printable
from chunkvault.cli.snapshot_query import add_filter_arguments, find_snapshots

if TYPE_CHECKING:
    from chunkvault.format.node import Node

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
PATTERN has *, ? and [abc] as in a shell. With a slash in it, it is compared with
the whole path, else with the name. Each version of a file is shown, with the
snapshots that have it. Nothing found gives exit code 1.

Exit code 20: the repository is damaged, and folders lack entries; it is said which.

examples:
  chunkvault find 'letter*.txt'
  chunkvault find '/home/*/Documents/*.odt' --host laptop
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the pattern."""
    parser.add_argument("pattern", metavar="PATTERN", help="quoted from the shell")
    add_filter_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """List what fits: each version of a path, with the snapshots that have it."""
    # What reads trees takes longer to load than --help may take.
    from chunkvault.cli.records import node_fields, snapshot_list
    from chunkvault.operations.find import find

    is_found, gaps = False, Gaps()
    with context.open_repository(ahead=BROWSING) as repository:
        snapshots = find_snapshots(repository, arguments, context)
        pattern = os.fsencode(arguments.pattern)
        matches = find(repository, snapshots, pattern, gaps.add)
        if context.settings.is_json:
            found = [
                {
                    **node_fields(path, node, context),
                    "snapshots": [stored.snapshot_id.hex() for stored in holders],
                }
                for path, node, holders in matches
            ]
            context.output.json_array(found)
            return gaps.tell(0 if found else 1)
        for path, node, holders in matches:
            is_found = True
            context.output.line(
                f"{context.local_time(node.mtime_ns)}  {_size(node):>10}"
                f"  {printable(path)}  [{snapshot_list(holders)}]"
            )
    if not is_found:
        within = count(len(snapshots), "snapshot")
        context.note(f"nothing in {within} fits {printable(arguments.pattern)}")
    return gaps.tell(0 if is_found else 1)


def _size(node: "Node") -> str:
    return "" if node.subtree else human_size(node.size)
