"""``chunkvault restore``: bring files back."""

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from chunkvault.cli.context import Ahead, Context
from chunkvault.cli.snapshot_query import (
    absolute_path,
    add_choice_arguments,
    find_snapshot,
)
from chunkvault.errors import DamageError, UsageError

if TYPE_CHECKING:
    from chunkvault.format.snapshot import StoredSnapshot
    from chunkvault.operations.restore import RestoreOptions

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Without PATH, a snapshot of one folder puts the content of that folder into DIR, and
a snapshot of several puts each under its base name. A PATH arrives as DIR/its base
name. A relative PATH counts from the current folder, as it does for a backup.

Files in DIR that are equal already are left alone; others are replaced, unless
--overwrite says else. The repository and its cache are never touched, though DIR may
hold them.

Exit code 3: some files could not be restored; each is named. Exit code 20: the same,
because the repository is damaged.

examples:
  chunkvault restore --to /tmp/restored
  chunkvault restore ~/Documents/letter.txt --at 2026-11-01 --to /tmp/restored
  chunkvault restore ~/Documents --to ~/Documents.old --snapshot latest~1
  chunkvault restore --to /mnt/copy --delete --dry-run -v
"""

_AHEAD = Ahead(("chunkvault.operations.restore", "chunkvault.snapshots.catalog"))
_POLICIES = ("always", "if-newer", "never")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what to restore, where to, and what may be touched there."""
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="a file or folder of the snapshot"
    )
    parser.add_argument(
        "-t", "--to", metavar="DIR", help="where to; made if it is not there"
    )
    parser.add_argument(
        "--overwrite",
        choices=_POLICIES,
        default="always",
        help="which files of DIR that differ are replaced (default: always)",
    )
    parser.add_argument(
        "--delete",
        action="store_true",
        help="remove what stands in restored folders of DIR and not in the snapshot",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="compare and tell, change nothing"
    )
    parser.add_argument(
        "--numeric-owner", action="store_true", help="owners by number, not by name"
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="threads (default: 2)"
    )
    add_choice_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """Restore, and sum it up."""
    if not arguments.to:
        raise UsageError(
            "--to DIR says where to restore, and is missing",
            hint="nothing is written outside of it: --to /tmp/restored, for example",
        )
    paths = tuple(absolute_path(path) for path in arguments.paths)
    with (
        context.open_repository(ahead=_AHEAD) as repository,
        context.reporter(lists_entries=_lists_entries(arguments, context)) as reporter,
    ):
        # Loaded by now, while the password was stretched.
        from chunkvault.operations.restore import restore

        holding = paths[0] if paths else None
        snapshot = find_snapshot(repository, arguments, context, holding=holding)
        options = _read_options(arguments, context, snapshot, paths)
        summary = restore(repository, options, reporter)
    from chunkvault.cli.summaries import restore_lines, show

    lines = restore_lines(summary, context, dry_run=arguments.dry_run)
    show(summary, lines, context)
    if summary.damaged:
        return DamageError.exit_code
    return 3 if summary.failed else 0


def _lists_entries(arguments: Namespace, context: Context) -> bool:
    return bool(arguments.dry_run) or context.settings.is_verbose


def _read_options(
    arguments: Namespace,
    context: Context,
    snapshot: "StoredSnapshot",
    paths: tuple[bytes, ...],
) -> "RestoreOptions":
    from chunkvault.operations.restore import RestoreOptions

    return RestoreOptions(
        snapshot=snapshot,
        target=os.path.abspath(os.fsencode(arguments.to)),
        paths=paths,
        overwrite=arguments.overwrite,
        delete=arguments.delete,
        dry_run=arguments.dry_run,
        workers=max(arguments.workers, 0),
        list_entries=_lists_entries(arguments, context),
        numeric_owner=arguments.numeric_owner,
        guarded=context.local_directories(),
    )
