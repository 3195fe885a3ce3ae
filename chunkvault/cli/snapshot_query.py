"""The options that say which snapshot is meant, and what they find."""

import os
import sys
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from dataclasses import replace
from typing import TYPE_CHECKING

from chunkvault.cli.context import Context
from chunkvault.cli.output import printable
from chunkvault.errors import DamageError, UsageError

if TYPE_CHECKING:
    from chunkvault.format.snapshot import StoredSnapshot
    from chunkvault.repository import Repository
    from chunkvault.snapshots.catalog import SnapshotQuery

__all__ = [
    "absolute_path",
    "add_choice_arguments",
    "add_filter_arguments",
    "add_several_arguments",
    "find_named_snapshots",
    "find_several_snapshots",
    "find_snapshot",
    "find_snapshots",
    "read_query",
]

_CLOCKS_DIFFER_NS = 3600 * 10**9
"""By how much clocks of two machines may differ without a word."""


def add_choice_arguments(parser: ArgumentParser) -> None:
    """Declare what chooses one snapshot."""
    group = parser.add_argument_group("which snapshot (default: the latest)")
    group.add_argument(
        "--snapshot", metavar="ID", help="an id, its first digits, latest, or latest~2"
    )
    group.add_argument(
        "--at",
        metavar="TIME",
        help="the newest that is not after TIME: 7D, 1h30m, 2026-11-01 (the end of"
        " that day), '2026-11-01 18:00', ISO 8601, seconds since the epoch",
    )
    _add_filters(group)


def add_filter_arguments(parser: ArgumentParser) -> None:
    """Declare what chooses among all snapshots."""
    _add_filters(parser.add_argument_group("which snapshots"))


def add_several_arguments(parser: ArgumentParser) -> None:
    """Declare what chooses any number of snapshots."""
    group = parser.add_argument_group("which snapshots (default: the latest)")
    group.add_argument(
        "--snapshot",
        metavar="ID",
        action="append",
        default=[],
        help="an id, its first digits, latest, or latest~2; may be given several times",
    )
    group.add_argument("--all", action="store_true", help="all that fit the others")
    group.add_argument(
        "--at",
        metavar="TIME",
        help="the newest that is not after TIME; with --all, all",
    )
    _add_filters(group)
    group.add_argument(
        "--path",
        metavar="PATH",
        action="append",
        default=[],
        dest="of_paths",
        help="only snapshots of exactly this; several times: of exactly these",
    )


def find_several_snapshots(
    repository: "Repository", arguments: Namespace, context: Context
) -> "list[StoredSnapshot]":
    """The snapshots that the options of `add_several_arguments` choose, oldest first.

    Raises:
        SnapshotNotFound: none fits.
        UsageError: the options make no sense.
    """
    from chunkvault.snapshots.catalog import Catalog, SnapshotQuery

    named = arguments.snapshot
    if named and (arguments.all or arguments.at):
        raise UsageError("--snapshot contradicts --all and --at")
    catalog = Catalog(repository)
    query = SnapshotQuery(
        at_ns=None if arguments.at is None else context.parse_time(arguments.at),
        host=arguments.host,
        tags=tuple(arguments.tags),
        paths=tuple(absolute_path(path) for path in arguments.of_paths),
    )
    wanted = [replace(query, snapshot=one) for one in named] or [query]
    found = catalog.all(query) if arguments.all else []
    if not found:  # one at least, or an error that tells why not
        found = [catalog.find(one) for one in wanted]
    _tell_damaged(catalog.damaged)
    by_id = {stored.snapshot_id: stored for stored in found}
    in_order = sorted(
        by_id.values(), key=lambda one: (one.snapshot.time_ns, one.object_name)
    )
    return list(in_order)


def find_snapshot(
    repository: "Repository",
    arguments: Namespace,
    context: Context,
    *,
    holding: bytes | None = None,
) -> "StoredSnapshot":
    """The one snapshot that the options choose.

    Args:
        repository: where it is.
        arguments: with what `add_choice_arguments` declared.
        context: knows the time, and is told of damaged snapshots.
        holding: a path that the snapshot must be of, unless it is named by id.

    Raises:
        SnapshotNotFound: none fits.
        UsageError: the options make no sense.
    """
    from chunkvault.snapshots.catalog import Catalog  # brings the repository along

    if arguments.snapshot and arguments.at:
        raise UsageError("--snapshot and --at contradict each other")
    catalog = Catalog(repository)
    found = catalog.find(read_query(arguments, context, holding))
    _tell_damaged(catalog.damaged)
    if not arguments.snapshot and not arguments.at:
        _tell_future(found, context)
    return found


def find_snapshots(
    repository: "Repository", arguments: Namespace, context: Context
) -> "list[StoredSnapshot]":
    """All that the options choose, oldest first."""
    from chunkvault.snapshots.catalog import Catalog  # brings the repository along

    catalog = Catalog(repository)
    found = catalog.all(read_query(arguments, context))
    _tell_damaged(catalog.damaged)
    return found


def find_named_snapshots(
    repository: "Repository", *words: str
) -> "list[StoredSnapshot]":
    """The snapshot that each word means: an id, ``latest``, ``latest~2``.

    Raises:
        SnapshotNotFound: one means none.
        UsageError: one makes no sense.
    """
    from chunkvault.snapshots.catalog import Catalog, SnapshotQuery

    catalog = Catalog(repository)
    found = [catalog.find(SnapshotQuery(snapshot=word)) for word in words]
    _tell_damaged(catalog.damaged)
    return found


def read_query(
    arguments: Namespace, context: Context, holding: bytes | None = None
) -> "SnapshotQuery":
    """What the options ask for."""
    from chunkvault.snapshots.catalog import SnapshotQuery

    at = getattr(arguments, "at", None)
    return SnapshotQuery(
        snapshot=getattr(arguments, "snapshot", None),
        at_ns=None if at is None else context.parse_time(at),
        host=arguments.host,
        tags=tuple(arguments.tags),
        holding=holding,
    )


def absolute_path(text: str) -> bytes:
    """A path as a backup has it: absolute, symbolic links not followed."""
    if not text or "\0" in text:
        raise UsageError("a path is empty, or no path at all")
    return os.path.abspath(os.fsencode(text)).replace(b"//", b"/")


def _add_filters(parser: _ArgumentGroup) -> None:
    parser.add_argument(
        "--host", metavar="NAME", help="only snapshots taken on this machine"
    )
    parser.add_argument(
        "--tag",
        metavar="TAG",
        action="append",
        default=[],
        dest="tags",
        help="only snapshots with this tag; may be given several times",
    )


def _tell_future(latest: "StoredSnapshot", context: Context) -> None:
    """Say that the latest snapshot was taken by a clock that is ahead of ours."""
    time_ns = latest.snapshot.time_ns
    if time_ns > context.now_ns + _CLOCKS_DIFFER_NS:
        context.note(
            f"the latest snapshot is of {context.local_time(time_ns)}, which is to"
            " come; '--at now' takes the one before"
        )


def _tell_damaged(damaged: list[DamageError]) -> None:
    """Say that there are snapshots that cannot be read, whatever was asked for."""
    for error in damaged:
        print(f"chunkvault: {printable(str(error))}", file=sys.stderr)
