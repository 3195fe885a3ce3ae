"""``chunkvault export``: snapshots as an archive that duplicity restores."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from chunkvault.cli.archive_options import (
    DEFAULT_S2K_COUNT,
    add_encryption_arguments,
    add_gpg_arguments,
    add_prefix_arguments,
    encryption_options,
    prefixes,
)
from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.output import count, human_duration, human_size
from chunkvault.cli.snapshot_query import (
    add_several_arguments,
    find_several_snapshots,
)
from chunkvault.errors import DamageError, UsageError

if TYPE_CHECKING:
    from chunkvault.duplicity.export import ExportOptions, ExportSummary, FullEvery
    from chunkvault.duplicity.folder import ArchiveFolder
    from chunkvault.duplicity.gpg import Gpg
    from chunkvault.duplicity.names import Prefixes
    from chunkvault.format.snapshot import StoredSnapshot

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = f"""\
Each snapshot becomes a backup set in DESTINATION: a full one first, then increments.
duplicity (0.8 to 3.x) restores every one of them with 'restore --time', verifies, lists
and continues them. A later export adds the snapshots that are newer than what is
there; what is there is never changed. An interrupted export is taken up by the next.

DESTINATION may be on any storage that a repository may be on (docs/backends.md). On a
store each file is sent from memory, so memory grows with --volsize; and there only one
export may run at a time.

All snapshots must be of the same machine and folders. One folder or file becomes the
root of the archive; with several, the root is '/'.

The passphrase is asked for, or comes from --passphrase-file, --passphrase-command,
CHUNKVAULT_DUPLICITY_PASSPHRASE, or duplicity's PASSPHRASE. gpg makes a passphrase
slow to guess by hashing it {DEFAULT_S2K_COUNT:,} times, which takes a tenth of a second
and more for each file: with a long chain that is most of the time of a restore.
--s2k-count lowers it. That is safe only with a passphrase that nobody could guess at
any speed, so it is refused with others; --generate-passphrase draws such a one.

Exit code 3: some of the snapshots named are older than the archive's newest set, and
it can only be added to at its end. Exit code 20: the repository is damaged; what could
not be exported is named.

examples:
  chunkvault export duplicity /mnt/usb/duplicity --all
  chunkvault export duplicity sftp://host/backup/duplicity --all
  chunkvault export duplicity file:///mnt/b --all --host mailserver --path /home
  chunkvault export duplicity /mnt/b --encrypt-key 0xDEADBEEF --full-every 30D
  chunkvault export duplicity /mnt/b --at 2026-11-01 --no-encryption
  chunkvault export duplicity /mnt/b --generate-passphrase ~/key --s2k-count 65536
"""

_FORMATS = ("duplicity",)
_MIB = 1 << 20
_VOLUME_MB, _MAX_VOLUME_MB = 200, 1 << 20
_FAR_VOLUME_MB, _MAX_FAR_VOLUME_MB = 25, 1024
_DAY = 24 * 60 * 60
_UNITS = {"h": 3600, "D": _DAY, "W": 7 * _DAY, "M": 30 * _DAY, "Y": 365 * _DAY}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare what to export, where to, and in which form."""
    parser.add_argument("format", choices=_FORMATS, help="what is to read the archive")
    parser.add_argument(
        "destination",
        metavar="DESTINATION",
        help="a folder, made if it is not there, or a location on a store",
    )
    add_several_arguments(parser)
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="tell what would be written"
    )
    group = parser.add_argument_group("form of the archive")
    group.add_argument(
        "--volsize",
        metavar="MB",
        help="size of volumes (default: 200; 25 on a store)",
    )
    group.add_argument(
        "--full-every",
        metavar="30D|N",
        default="30",
        help="a new full set after so many sets, or so much time (h D W M Y);"
        " default: 30 sets",
    )
    group.add_argument(
        "--no-compression", action="store_true", help="do not compress the files"
    )
    add_prefix_arguments(parser)
    add_gpg_arguments(parser)
    add_encryption_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """Export, and sum it up."""
    # Cipher, compression and hashes come along; --help does not wait for them.
    from chunkvault.cli.summaries import show
    from chunkvault.duplicity.export import export_archive

    volume_bytes = _read_volsize(arguments) * _MIB
    full_every = _read_full_every(arguments.full_every)
    chosen_prefixes = _read_prefixes(arguments)
    lists_entries = context.settings.is_verbose or arguments.dry_run
    _refuse_repository(arguments.destination, context.location)
    with ExitStack() as stack:
        folder = stack.enter_context(context.open_archive(arguments.destination))
        gpg = _open_gpg(arguments, context, folder)
        repository = stack.enter_context(context.open_repository(ahead=BROWSING))
        reporter = stack.enter_context(context.reporter(lists_entries=lists_entries))
        from chunkvault.duplicity.export import ExportOptions

        snapshots = tuple(find_several_snapshots(repository, arguments, context))
        _refuse_source(arguments.destination, snapshots)
        options = ExportOptions(
            snapshots=snapshots,
            volume_bytes=volume_bytes,
            full_every=full_every,
            compress=not arguments.no_compression,
            prefixes=chosen_prefixes,
            dry_run=arguments.dry_run,
            list_entries=lists_entries,
        )
        summary = export_archive(repository, folder, gpg, options, reporter)
    show(summary, _lines(summary, context, options), context)
    return _exit_code(summary, arguments)


def _refuse_repository(destination: str, repository: str) -> None:
    from chunkvault.backends.location import describe, lies_in  # with the backends

    if lies_in(destination, repository):
        raise UsageError(
            f"{describe(destination)} is in the repository",
            hint="name a folder outside of it for the archive",
        )


def _refuse_source(destination: str, snapshots: "Sequence[StoredSnapshot]") -> None:
    """Volumes of the archive beside the files that they are to keep."""
    from chunkvault.backends.location import describe, lies_in  # with the backends

    paths = {os.fsdecode(path) for one in snapshots for path in one.snapshot.paths}
    if any(lies_in(destination, path) and lies_in(path, destination) for path in paths):
        raise UsageError(
            f"{describe(destination)} is a folder that the snapshots are of",
            hint="name a folder of its own for the archive",
        )


def _read_prefixes(arguments: Namespace) -> "Prefixes":
    chosen = prefixes(arguments)
    for prefix in chosen:
        if "/" in prefix or prefix.startswith(".") or not prefix.isprintable():
            raise UsageError(
                f"{prefix!r} cannot stand in front of the names of files",
                hint="slashes and a dot at the beginning are not for prefixes",
            )
    return chosen


def _exit_code(summary: "ExportSummary", arguments: Namespace) -> int:
    if summary.damaged:
        return DamageError.exit_code
    return 3 if summary.sets_too_old and not arguments.all else 0


def _open_gpg(
    arguments: Namespace, context: Context, folder: "ArchiveFolder"
) -> "Gpg | None":
    from chunkvault.duplicity.gpg import Gpg

    is_new = not folder.list()
    options = encryption_options(
        arguments,
        context,
        is_new=is_new,
        needs_passphrase=not (arguments.dry_run and is_new),
    )
    return None if options is None else Gpg(options)


def _read_volsize(arguments: Namespace) -> int:
    """In MiB. A file for a store waits in memory until it is complete."""
    from chunkvault.backends.location import is_remote  # with the backends

    is_far = is_remote(arguments.destination)
    text = arguments.volsize
    if text is None:
        return _FAR_VOLUME_MB if is_far else _VOLUME_MB
    most = _MAX_FAR_VOLUME_MB if is_far else _MAX_VOLUME_MB
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= most):
        raise UsageError(
            f"{text!r} is not a size of volumes",
            hint=f"--volsize takes megabytes, from 1 to {most:,} at that destination",
        )
    return int(text)


def _read_full_every(text: str) -> "FullEvery":
    from chunkvault.duplicity.export import FullEvery

    number, unit = text.rstrip("hDWMY"), text[len(text.rstrip("hDWMY")) :]
    is_number = number.isascii() and number.isdigit() and 0 < int(number) < 10**6
    if is_number and not unit:
        return FullEvery(sets=int(number))
    if is_number and unit in _UNITS:
        return FullEvery(sets=None, seconds=int(number) * _UNITS[unit])
    raise UsageError(
        f"{text!r} is not a length of chains",
        hint="--full-every takes a number of sets, such as 30, or a time, such as 30D",
    )


def _lines(
    summary: "ExportSummary", context: Context, options: "ExportOptions"
) -> list[str]:
    lines = [
        f"sets      {summary.sets_full:,} full, {summary.sets_incremental:,}"
        f" incremental, {summary.sets_present:,} there already",
        f"entries   {summary.entries_new:,} new, {summary.entries_changed:,} changed,"
        f" {summary.entries_deleted:,} deleted;"
        f" {count(summary.deltas, 'file')} as a delta",
        f"bytes     {human_size(summary.content_bytes)} read,"
        f" {human_size(summary.stored_bytes)} written in"
        f" {count(summary.volumes, 'volume')}, in {human_duration(context.elapsed_s)}",
    ]
    lines += _notes(summary)
    return [*lines, "dry run: nothing was written"] if options.dry_run else lines


def _notes(summary: "ExportSummary") -> list[str]:
    notes = []
    if summary.not_held:
        what = ", ".join(f"{n:,} with {one}" for one, n in summary.not_held.items())
        notes.append(f"note      duplicity cannot hold all of these entries: {what}")
        notes.append("          ('chunkvault import duplicity' gets it back)")
    if summary.not_continued:
        notes.append(f"note      a new chain begins: {summary.not_continued}")
    if summary.sets_too_old:
        older = count(summary.sets_too_old, "snapshot")
        notes.append(f"note      {older} older than the archive, left out")
    if summary.leftovers:
        files = count(summary.leftovers, "file")
        notes.append(f"note      {files} of an interrupted export removed")
    if summary.damaged:
        paths = count(summary.damaged, "path")
        notes.append(f"note      {paths} could not be read from the repository")
    return notes
