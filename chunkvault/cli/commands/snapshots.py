"""``chunkvault snapshots``: list the snapshots."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.output import count, human_size, printable
from chunkvault.cli.snapshot_query import add_filter_arguments, find_snapshots

if TYPE_CHECKING:
    from chunkvault.format.snapshot import StoredSnapshot

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  chunkvault snapshots
  chunkvault snapshots --host laptop --tag daily --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the filters."""
    add_filter_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """List them, oldest first."""
    from chunkvault.cli.records import snapshot_fields  # loaded when there is work

    with context.open_repository(ahead=BROWSING) as repository:
        found = find_snapshots(repository, arguments, context)
    if context.settings.is_json:
        context.output.json_array(snapshot_fields(stored, context) for stored in found)
    elif found:
        _show(found, context)
    elif not context.settings.is_quiet:
        context.output.line("no snapshots")
    return 0


def _show(found: "list[StoredSnapshot]", context: Context) -> None:
    time = f"time ({context.zone.label})"
    header = ["id", time, "host", "tags", "files", "size", "paths"]
    rows = [_row(stored, context) for stored in found]
    context.output.table(header, rows, right="files size")
    if not context.settings.is_quiet:
        context.output.line(count(len(found), "snapshot"))


def _row(stored: "StoredSnapshot", context: Context) -> list[str]:
    snapshot = stored.snapshot
    return [
        stored.snapshot_id.hex()[:8],
        context.local_time(snapshot.time_ns),
        printable(snapshot.host),
        printable(",".join(snapshot.tags)),
        f"{snapshot.totals.files:,}",
        human_size(snapshot.totals.bytes),
        ", ".join(map(printable, snapshot.paths)),
    ]
