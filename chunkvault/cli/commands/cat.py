"""``chunkvault cat``: write one file to standard output."""

import sys
from argparse import ArgumentParser, Namespace

from chunkvault.cli.context import Ahead, Context
from chunkvault.cli.snapshot_query import (
    absolute_path,
    add_choice_arguments,
    find_snapshot,
)
from chunkvault.errors import UsageError

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  chunkvault cat ~/Documents/letter.txt --at 7D
  chunkvault cat /var/backups/database.sql --snapshot latest~1 | mysql
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the path and the snapshot."""
    parser.add_argument("path", metavar="PATH", help="a file of the snapshot")
    add_choice_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """Write the file piece by piece."""
    from chunkvault.operations.cat import cat  # brings the repository along

    if context.settings.is_json:
        raise UsageError("a file's content cannot be given as JSON")
    path = absolute_path(arguments.path)
    with context.open_repository(ahead=Ahead()) as repository:
        snapshot = find_snapshot(repository, arguments, context, holding=path)
        for piece in cat(repository, snapshot, path):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    return 0
