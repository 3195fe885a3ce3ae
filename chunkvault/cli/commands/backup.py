"""``chunkvault backup``: take a snapshot."""

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from chunkvault.cli.context import Ahead, Context
from chunkvault.cli.memory import remember_snapshots
from chunkvault.cli.output import printable
from chunkvault.cli.selection import add_selection, read_selection
from chunkvault.cli.sources import (
    listed_paths,
    missing_paths,
    read_host,
    read_path_list,
    read_tag,
    source_path,
    standard_input,
)
from chunkvault.errors import ChunkvaultError, UsageError

if TYPE_CHECKING:
    from chunkvault.operations.backup import BackupOptions

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
A PATTERN is written as in a .gitignore and compared with absolute paths: '*.o' is
any such name, '/home/*/tmp' is anchored, 'cache/' is folders only, '**' any number
of folders. Of the patterns that fit, the last one on the command line wins.

The repository's own folder and the cache are left out, wherever they are found.

Exit code 3: the snapshot was taken, but some files could not be read; each is named.

examples:
  chunkvault backup ~/Documents
  chunkvault backup /home /etc --exclude-caches --exclude '*.iso' --tag daily
  chunkvault backup ~ --exclude '*.log' --include important.log
  find /srv -newer stamp -print0 | chunkvault backup --files-from - --null
  mysqldump --all-databases | chunkvault backup --stdin database.sql
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what to back up, and how."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a file or folder")
    parser.add_argument(
        "--files-from",
        action="append",
        default=[],
        metavar="FILE",
        help="paths, one on each line, taken as they are; - is standard input",
    )
    parser.add_argument(
        "-0", "--null", action="store_true", help="lines in FILEs end with a zero byte"
    )
    parser.add_argument(
        "--stdin", metavar="NAME", help="store standard input as a file of this name"
    )
    add_selection(parser)
    _add_snapshot_options(parser)
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="store nothing; -v lists the files"
    )
    parser.add_argument(
        "--force-rescan", action="store_true", help="read unchanged files as well"
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="threads (default: 2)"
    )


def run(arguments: Namespace, context: Context) -> int:
    """Take the snapshot and sum it up."""
    # Cipher, compression and hashes come along; --help does not wait for them.
    from chunkvault.cli.summaries import backup_lines, show
    from chunkvault.operations.backup import backup

    options = _read_options(arguments, context)
    with (
        context.open_repository(ahead=Ahead(writes=True)) as repository,
        context.reporter(lists_entries=options.list_entries) as reporter,
    ):
        summary = backup(repository, options, reporter)
        if summary.snapshot_name is not None:
            seen = [summary.snapshot_name]
            remember_snapshots(context.settings, repository.id, seen)
    lines = backup_lines(summary, options.time_ns, context)
    snapshot_id = summary.snapshot_id.hex() if summary.snapshot_id else None
    show(summary, lines, context, snapshot_id=snapshot_id)
    return 3 if summary.failed or summary.changed_while_read else 0


def _add_snapshot_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the snapshot")
    group.add_argument(
        "--tag",
        type=read_tag,
        action="append",
        default=[],
        dest="tags",
        metavar="TAG",
        help="a word to find the snapshot by; may be given several times",
    )
    group.add_argument(
        "--host",
        type=read_host,
        metavar="NAME",
        help="instead of this machine's name",
    )
    group.add_argument("--time", metavar="TIME", help="instead of the present")


def _read_options(arguments: Namespace, context: Context) -> "BackupOptions":
    from chunkvault.operations.backup import BackupOptions

    is_stream = arguments.stdin is not None
    paths = () if is_stream else _read_paths(arguments, context)
    # Of a list nobody knows from which folder on it is meant.
    roots = (b"/",) if arguments.files_from else paths
    selected = read_selection(arguments, roots, context)
    named = set(map(source_path, map(os.fsencode, arguments.paths)))
    paths = listed_paths(paths, named, selected.conditions)
    return BackupOptions(
        paths=paths,
        time_ns=_time(arguments.time, context),
        started_ns=context.now_ns,
        host=arguments.host or context.host,
        user=context.user,
        tags=tuple(dict.fromkeys(arguments.tags)),
        selection=selected.selection,
        conditions=selected.conditions,
        exclude_texts=selected.texts,
        one_file_system=arguments.one_file_system,
        exclude_caches=arguments.exclude_caches,
        exclude_if_present=tuple(map(os.fsencode, arguments.exclude_if_present)),
        force_rescan=arguments.force_rescan,
        dry_run=arguments.dry_run,
        stdin_name=_stdin_name(arguments),
        stdin=standard_input() if is_stream else None,
        skip_directories=context.local_directories(),
        workers=max(arguments.workers, 0),
        list_entries=context.settings.is_verbose,
        estimate=context.shows_progress,
    )


def _read_paths(arguments: Namespace, context: Context) -> tuple[bytes, ...]:
    given = [os.fsencode(path) for path in arguments.paths]
    for name in arguments.files_from:
        given += read_path_list(name, is_null=arguments.null)
    if not given:
        raise UsageError(
            "nothing to back up was named", hint="chunkvault backup ~/Documents"
        )
    paths = tuple(dict.fromkeys(map(source_path, given)))
    if len(missing_paths(paths)) == len(paths):
        raise ChunkvaultError(f"{printable(paths[0])}: there is no such file or folder")
    for path in filter(os.path.islink, paths):
        shown = printable(path)
        context.note(f"{shown} is a symbolic link, and stored as one ({shown}/ is not)")
    return paths


def _stdin_name(arguments: Namespace) -> bytes | None:
    if arguments.stdin is None:
        return None
    if arguments.paths or arguments.files_from:
        raise UsageError("--stdin stands alone: no PATH, no --files-from")
    return os.fsencode(arguments.stdin)


def _time(text: str | None, context: Context) -> int:
    from chunkvault.format.snapshot import MAX_TIME_NS  # with the operation

    time_ns = context.now_ns if text is None else context.parse_time(text)
    if 0 <= time_ns <= MAX_TIME_NS:
        return time_ns
    if text is None:
        raise ChunkvaultError(
            "the clock of this machine is before 1970", hint="set the clock"
        )
    raise UsageError("a snapshot's time must lie between 1970 and 2554")
