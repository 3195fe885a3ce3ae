"""``chunkvault import``: the history of an archive of duplicity."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from chunkvault.cli.archive_options import (
    add_gpg_arguments,
    add_prefix_arguments,
    gpg_options,
    prefixes,
)
from chunkvault.cli.context import Context
from chunkvault.cli.memory import remember_snapshots
from chunkvault.cli.output import count, human_duration, human_size
from chunkvault.cli.sources import read_host, read_tag
from chunkvault.errors import DamageError, TamperingSuspected, UsageError

if TYPE_CHECKING:
    from chunkvault.duplicity.gpg import GpgOptions
    from chunkvault.duplicity.import_records import ImportOptions, ImportSummary

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Reads the files that any duplicity from 0.6 to 3.x has written into SOURCE, and makes
one snapshot of each full or incremental backup, with its time, machine and folder and
the tag 'imported'. Nothing in SOURCE is changed, and duplicity need not be installed;
gpg must be, where the archive is encrypted. What was imported before is not imported
again, so the command may be interrupted and repeated.

SOURCE may be on any storage that a repository may be on: see docs/backends.md.

The passphrase is asked for if it is needed, or comes from --passphrase-file,
--passphrase-command, CHUNKVAULT_DUPLICITY_PASSPHRASE, or duplicity's PASSPHRASE.

Exit code 3: some backups could not be imported, because duplicity had not finished
them, or what they build on is gone. Exit code 20: files of the archive are damaged or
missing; what that costs is named, the rest is imported, and the snapshots that lack
something have the tag 'incomplete'. Exit code 21: with --sign-key, backups are not
signed by that key; they and what builds on them are left out.

examples:
  chunkvault import duplicity /mnt/old-backups
  chunkvault import duplicity /mnt/old-backups --dry-run
  chunkvault import duplicity s3:bucket/duplicity
  chunkvault import duplicity file:///mnt/b --passphrase-command 'pass duplicity'
  chunkvault import duplicity /mnt/b --gpg-home /srv/gnupg --host mailserver
"""

_FORMATS = ("duplicity",)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the archive, and what becomes of it."""
    parser.add_argument("format", choices=_FORMATS, help="what wrote the archive")
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="the folder with its files, or their location on a store",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="tell what would be imported"
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="threads (default: 2)"
    )
    group = parser.add_argument_group("the snapshots")
    group.add_argument(
        "--host",
        type=read_host,
        metavar="NAME",
        help="instead of the machine that the archive names",
    )
    group.add_argument(
        "--path", metavar="PATH", help="instead of the folder that the archive names"
    )
    group.add_argument(
        "--tag",
        type=read_tag,
        action="append",
        default=[],
        dest="tags",
        metavar="TAG",
        help="a tag besides 'imported'; may be given several times",
    )
    add_gpg_arguments(parser)
    parser.add_argument(
        "--sign-key",
        metavar="ID",
        help="refuse what is not signed by this key",
    )
    add_prefix_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """Import, and sum it up."""
    # Cipher, compression and hashes come along; --help does not wait for them.
    from chunkvault.cli.passwords import ask_passphrase
    from chunkvault.cli.summaries import show
    from chunkvault.duplicity.gpg import Gpg
    from chunkvault.duplicity.import_archive import import_archive

    gpg = Gpg(_gpg_options(arguments, context))
    options = _read_options(arguments, context)
    ask = ask_passphrase if gpg.options.passphrase is None else None
    lists_entries = options.list_entries or options.dry_run
    with (
        context.open_archive(arguments.source) as folder,
        context.open_repository() as repository,
        context.reporter(lists_entries=lists_entries) as reporter,
    ):
        summary = import_archive(repository, folder, gpg, options, reporter, ask=ask)
        remember_snapshots(context.settings, repository.id, summary.snapshots)
    lines = _lines(summary, context, dry_run=options.dry_run)
    ids = [name.rpartition("-")[2] for name in summary.snapshots]
    show(summary, lines, context, snapshots=ids)
    if summary.sets_refused:
        return TamperingSuspected.exit_code
    if summary.entries_lost or summary.damaged_files:
        return DamageError.exit_code
    return 3 if summary.sets_skipped else 0


def _gpg_options(arguments: Namespace, context: Context) -> "GpgOptions":
    from chunkvault.duplicity.gpg_keys import fingerprints

    options = gpg_options(arguments, context)
    if arguments.sign_key is None:
        return options
    return replace(options, signers=fingerprints(options, arguments.sign_key))


def _read_options(arguments: Namespace, context: Context) -> "ImportOptions":
    from chunkvault.duplicity.import_records import ImportOptions

    return ImportOptions(
        default_host=context.host,
        user=context.user,
        host=arguments.host,
        folder=_folder(arguments.path),
        tags=("imported", *arguments.tags),
        prefixes=prefixes(arguments),
        dry_run=arguments.dry_run,
        workers=max(arguments.workers, 0),
        list_entries=context.settings.is_verbose,
    )


def _folder(path: str | None) -> bytes | None:
    if path is None:
        return None
    if not path.startswith("/"):
        raise UsageError(
            "--path takes an absolute path", hint="the folder may be of another machine"
        )
    return os.path.normpath(b"/" + os.fsencode(path).lstrip(b"/"))


def _lines(summary: "ImportSummary", context: Context, *, dry_run: bool) -> list[str]:
    """What an import did, for people."""
    verb = "to be imported" if dry_run else "imported"
    lines = [
        f"backups   {summary.sets_imported:,} {verb}, {summary.sets_known:,} imported"
        f" before, {summary.sets_skipped:,} left out"
    ]
    if not dry_run:
        lines += [
            f"entries   {summary.entries_stored:,} stored,"
            f" {summary.entries_changed:,} changed,"
            f" {summary.entries_deleted:,} deleted",
            f"bytes     {human_size(summary.read_bytes)} read,"
            f" {human_size(summary.added_bytes)} added,"
            f" {human_size(summary.stored_bytes)} stored,"
            f" in {human_duration(context.elapsed_s)}",
        ]
    if summary.sets_refused:
        refused = count(summary.sets_refused, "backup")
        lines.append(f"note      {refused} refused: not signed as demanded")
    if summary.damaged_files:
        files = count(summary.damaged_files, "file")
        lines.append(f"note      {files} of the archive damaged or missing")
    if summary.entries_lost:
        lines.append(f"note      {count(summary.entries_lost, 'version')} lost")
    return [*lines, "dry run: nothing was stored"] if dry_run else lines
