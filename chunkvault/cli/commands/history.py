"""``chunkvault history``: the versions of one file or folder."""

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.gaps import Gaps
from chunkvault.cli.output import human_size, path_fields, printable
from chunkvault.cli.snapshot_query import (
    absolute_path,
    add_filter_arguments,
    find_snapshots,
)
from chunkvault.errors import PathNotInSnapshot

if TYPE_CHECKING:
    from chunkvault.snapshots.history import Version

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Each version is shown once, newest first, with the snapshots that have it. Restore
one with --snapshot and its id, or with --at and a time.

Exit code 20: the repository is damaged, and snapshots in which the way to PATH
cannot be read are left out; it is said why.

examples:
  chunkvault history ~/Documents/letter.txt
  chunkvault history /etc --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the path."""
    parser.add_argument("path", metavar="PATH", help="a file or folder")
    add_filter_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """List the versions, newest first; snapshots that are damaged are told of."""
    from chunkvault.snapshots.history import versions  # brings the repository along

    path, gaps = absolute_path(arguments.path), Gaps()
    with context.open_repository(ahead=BROWSING) as repository:
        snapshots = find_snapshots(repository, arguments, context)
        damaged = partial(gaps.add, path)
        found = list(versions(repository, snapshots, path, damaged))
    exit_code = gaps.tell()
    if not found and not exit_code:
        raise PathNotInSnapshot(f"no snapshot holds {printable(path)}")
    if context.settings.is_json:
        context.output.json_array(_fields(path, one, context) for one in found)
    else:
        _show(found, context)
    return exit_code


def _show(found: "list[Version]", context: Context) -> None:
    from chunkvault.cli.records import KIND_NAMES, snapshot_list

    zone = context.zone.label
    header = ["changed", "size", "kind", "first seen", f"last seen ({zone})"]
    rows = []
    for node, snapshots in found:
        seen = [context.local_time(snapshots[at].snapshot.time_ns) for at in (-1, 0)]
        if node is None:
            row = ["", "", "deleted", *seen]
        else:
            changed = context.local_time(node.mtime_ns)
            size = human_size(node.size) if not node.subtree else ""
            row = [changed, size, KIND_NAMES[node.kind], *seen]
        rows.append([*row, snapshot_list(snapshots)])
    context.output.table([*header, "snapshots"], rows, right="size")


def _fields(path: bytes, version: "Version", context: Context) -> dict[str, object]:
    from chunkvault.cli.records import node_fields

    node, snapshots = version
    seen = [
        {
            "id": stored.snapshot_id.hex(),
            "time": context.iso_time(stored.snapshot.time_ns),
        }
        for stored in snapshots
    ]
    if node is None:
        return {**path_fields(path), "deleted": True, "snapshots": seen}
    fields = node_fields(path, node, context)
    return {**fields, "deleted": False, "snapshots": seen}
