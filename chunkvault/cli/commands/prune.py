"""``chunkvault prune``: remove what killed runs left in the storage."""

import dataclasses
from argparse import ArgumentParser, Namespace

from chunkvault.cli.context import Context

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Removes what takes space and belongs to nobody: uploads that were never finished,
temporary files, and parts of the index that others have replaced. Each of them must
have been left alone for a day by the clock of the storage. Snapshots, and all that
they need, are not touched; backups may run meanwhile.

It needs the permission to delete. A key without it is told so, and nothing is lost.

examples:
  chunkvault prune --dry-run
  chunkvault prune
  chunkvault prune --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare that it may be tried first."""
    parser.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="list what would be removed, and remove nothing",
    )


def run(arguments: Namespace, context: Context) -> int:
    """Remove it, and say how much it was."""
    # Cipher and hashes come along; --help does not wait for them.
    from chunkvault.cli.summaries import prune_lines, show
    from chunkvault.operations.prune import PruneOptions, prune

    lists_entries = arguments.dry_run or context.settings.is_verbose
    options = PruneOptions(dry_run=arguments.dry_run, list_entries=lists_entries)
    # A copy in the cache says nothing about what the storage still has.
    with (
        context.open_repository(use_cache=False) as repository,
        context.reporter(lists_entries=lists_entries) as reporter,
    ):
        summary = prune(repository, options, reporter)
    lines = prune_lines(summary, context, dry_run=arguments.dry_run)
    tallies = {
        name: {kind: dataclasses.asdict(one) for kind, one in by_kind.items()}
        for name, by_kind in (("removed", summary.removed), ("left", summary.left))
    }
    show(summary, lines, context, **tallies, dry_run=arguments.dry_run)
    return 0
