"""``chunkvault ls``: list the files of a snapshot."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.gaps import Gaps
from chunkvault.cli.output import printable
from chunkvault.cli.snapshot_query import (
    absolute_path,
    add_choice_arguments,
    find_snapshot,
)

if TYPE_CHECKING:
    from chunkvault.format.node import Node

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Without PATH, the content of each folder that was backed up. A relative PATH counts
from the current folder, as it does for a backup.

Exit code 20: the repository is damaged, and entries are missing; it is said where.

examples:
  chunkvault ls
  chunkvault ls -l ~/Documents --at 2026-11-01
  chunkvault ls --recursive --snapshot latest~1
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the path and how much to show."""
    parser.add_argument("path", nargs="?", metavar="PATH", help="a folder or file")
    parser.add_argument(
        "-l", "--long", action="store_true", help="with mode, owner, size and time"
    )
    parser.add_argument(
        "-R", "--recursive", action="store_true", help="with everything below"
    )
    add_choice_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """List one folder, or all below it."""
    # What reads trees takes longer to load than --help may take.
    from chunkvault.operations.listing import list_entries

    path = None if arguments.path is None else absolute_path(arguments.path)
    with context.open_repository(ahead=BROWSING) as repository:
        snapshot = find_snapshot(repository, arguments, context, holding=path)
        gaps = Gaps()
        entries = list_entries(
            repository,
            snapshot,
            path,
            recursive=arguments.recursive,
            on_damage=gaps.add,
        )
        _show(entries, arguments, context)
    return gaps.tell()


def _show(
    entries: "Iterable[tuple[bytes, Node]]", arguments: Namespace, context: Context
) -> None:
    from chunkvault.cli.records import long_line, node_fields

    output = context.output
    if context.settings.is_json:
        output.json_array(node_fields(path, node, context) for path, node in entries)
        return
    if arguments.long and not context.settings.is_quiet:
        output.line(f"times are local: {context.zone.label}")
    if arguments.long:
        output.lines(long_line(path, node, context) for path, node in entries)
        return
    output.lines(
        printable(path) + ("/" if node.subtree else "") for path, node in entries
    )
