"""``chunkvault verify``: compare a snapshot with the files on disk."""

import os
from argparse import ArgumentParser, Namespace

from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.snapshot_query import add_choice_arguments, find_snapshot
from chunkvault.errors import DamageError

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Without DIR, the files are compared where they were backed up; with DIR, as 'restore
--to DIR' would place them. Contents are compared as well. What is on disk and not in
the snapshot is not looked at.

Exit code 1: there are differences. Exit code 3: some files could not be compared.
Exit code 20: the same, because the repository is damaged.

examples:
  chunkvault verify
  chunkvault restore --to /tmp/restored && chunkvault verify /tmp/restored
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the folder and the snapshot."""
    parser.add_argument(
        "directory", nargs="?", metavar="DIR", help="where the snapshot was restored"
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="threads (default: 2)"
    )
    add_choice_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """Compare, and name what differs."""
    # What reads trees and hashes takes longer to load than --help may take.
    from chunkvault.cli.summaries import show, verify_lines
    from chunkvault.operations.verify import VerifyOptions, verify

    against = arguments.directory
    with (
        context.open_repository(ahead=BROWSING) as repository,
        context.reporter() as reporter,
    ):
        options = VerifyOptions(
            snapshot=find_snapshot(repository, arguments, context),
            against=None if against is None else os.path.abspath(os.fsencode(against)),
            workers=max(arguments.workers, 0),
        )
        summary = verify(repository, options, reporter)
    show(summary, verify_lines(summary, context), context)
    if summary.damaged:
        return DamageError.exit_code
    if summary.differences:
        return 1
    return 3 if summary.failed else 0
