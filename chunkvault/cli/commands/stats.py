"""``chunkvault stats``: show how much is stored."""

import dataclasses
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from chunkvault.cli.context import BROWSING, Context
from chunkvault.cli.output import count, human_size
from chunkvault.cli.snapshot_query import add_filter_arguments, read_query

if TYPE_CHECKING:
    from chunkvault.operations.stats import Stats

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
--host and --tag narrow the snapshots down; what is stored is always all of it.

examples:
  chunkvault stats
  chunkvault stats --json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the filters."""
    add_filter_arguments(parser)


def run(arguments: Namespace, context: Context) -> int:
    """Count, and show it."""
    from chunkvault.operations.stats import stats  # brings the repository along

    with context.open_repository(ahead=BROWSING) as repository:
        figures = stats(repository, read_query(arguments, context))
    if context.settings.is_json:
        context.output.json_document(_fields(figures, context))
    else:
        _show(figures, context)
    return 0


def _show(figures: "Stats", context: Context) -> None:
    line = context.output.line
    line(
        f"{count(figures.snapshots, 'snapshot')},"
        f" {human_size(figures.restored_bytes)} if all were restored"
    )
    rows = [
        [kind, f"{one.objects:,}", human_size(one.stored_bytes)]
        for kind, one in figures.objects.items()
        if one.objects
    ]
    rows.append(["together", "", human_size(figures.stored_bytes)])
    context.output.table(["objects", "number", "stored"], rows, right="number stored")
    blobs = {"chunks": figures.chunks, "trees": figures.trees}
    rows = [
        [
            name,
            f"{one.blobs:,}",
            f"{one.deltas:,}",
            human_size(one.blob_bytes),
            human_size(one.stored_bytes),
        ]
        for name, one in blobs.items()
    ]
    header = ["blobs", "number", "deltas", "content", "stored"]
    context.output.table(header, rows, right="number deltas content stored")
    line(
        f"compression {figures.compression_ratio:.2f}"
        f", deduplication {figures.dedup_ratio:.2f}"
    )


def _fields(figures: "Stats", context: Context) -> dict[str, object]:
    from chunkvault.cli.records import snapshot_fields
    from chunkvault.cli.traffic import request_fields

    newest = figures.newest
    return {
        "snapshots": figures.snapshots,
        "newest": None if newest is None else snapshot_fields(newest, context),
        "restored_bytes": figures.restored_bytes,
        "stored_bytes": figures.stored_bytes,
        "objects": {
            kind: dataclasses.asdict(one) for kind, one in figures.objects.items()
        },
        "chunks": dataclasses.asdict(figures.chunks),
        "trees": dataclasses.asdict(figures.trees),
        "compression_ratio": round(figures.compression_ratio, 4),
        "dedup_ratio": round(figures.dedup_ratio, 4),
        "key_slots": figures.key_slots,
        "damaged_snapshots": figures.damaged_snapshots,
        "requests": request_fields(context),
    }
