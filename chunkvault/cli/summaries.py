"""How backups, restores and checks are summed up, as text and as JSON."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chunkvault.cli.context import Context
from chunkvault.cli.output import (
    count,
    human_duration,
    human_size,
    path_fields,
    printable,
)
from chunkvault.cli.traffic import request_fields, request_lines

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from chunkvault.operations.backup import BackupSummary
    from chunkvault.operations.check import CheckSummary, Damage
    from chunkvault.operations.prune import PruneSummary, Tally
    from chunkvault.operations.restore import RestoreSummary
    from chunkvault.operations.verify import VerifySummary

__all__ = [
    "backup_lines",
    "check_lines",
    "damage_fields",
    "prune_lines",
    "restore_lines",
    "show",
    "verify_lines",
]

_BACKUP_REMARKS = {
    "failed": ("could not be read", "could not be read"),
    "changed_while_read": ("changed while it was read", "changed while they were read"),
    "vanished": ("vanished before it was read", "vanished before they were read"),
    "skipped_sockets": ("is a socket, left out", "are sockets, left out"),
}
_LEFTOVERS = {
    "uploads": ("unfinished upload", "unfinished uploads"),
    "files": ("temporary file", "temporary files"),
    "runs": ("replaced index run", "replaced index runs"),
    "parts": ("part of no index run", "parts of no index run"),
}


def show(
    summary: "DataclassInstance",
    lines: list[str],
    context: Context,
    **special: object,
) -> None:
    """Write a summary: its lines, or one JSON object.

    Args:
        summary: a record; its fields become those of the JSON object.
        lines: the same for people.
        context: knows what is wanted, and for how long it took.
        special: fields that JSON cannot hold as they are, in a form that it can.
    """
    if context.settings.is_json:
        names = (field.name for field in dataclasses.fields(summary))
        fields = {name: getattr(summary, name) for name in names}
        seconds = round(context.elapsed_s, 3)
        requests = request_fields(context)
        everything = {**fields, **special, "seconds": seconds, "requests": requests}
        context.output.json_line({"message_type": "summary", **everything})
    elif not context.settings.is_quiet:
        for line in [*lines[:-1], *request_lines(context), *lines[-1:]]:
            context.output.line(line)


def backup_lines(summary: "BackupSummary", time_ns: int, context: Context) -> list[str]:
    """What a backup did, for people."""
    others = count(summary.others, "link, pipe or device", "links, pipes and devices")
    lines = [
        f"files     {summary.files_new:,} new, {summary.files_changed:,} changed,"
        f" {summary.files_unmodified:,} unmodified",
        f"others    {count(summary.directories, 'folder')}, {others}",
        f"bytes     {human_size(summary.read_bytes)} read,"
        f" {human_size(summary.added_bytes)} added,"
        f" {human_size(summary.stored_bytes)} stored",
    ]
    for name, (one, many) in _BACKUP_REMARKS.items():
        if number := getattr(summary, name):
            lines.append(f"note      {number:,} {one if number == 1 else many}")
    if summary.snapshot_id is None:
        return [*lines, "dry run: nothing was stored"]
    when = f"{context.local_time(time_ns)} {context.zone_name(time_ns)}"
    return [
        *lines,
        f"snapshot  {summary.snapshot_id.hex()[:8]} of {when},"
        f" taken in {human_duration(context.elapsed_s)}",
    ]


def restore_lines(
    summary: "RestoreSummary", context: Context, *, dry_run: bool
) -> list[str]:
    """What a restore did, for people."""
    others = count(summary.others, "link, pipe or device", "links, pipes and devices")
    elapsed = human_duration(context.elapsed_s)
    lines = [
        f"files     {summary.files_restored:,} restored,"
        f" {summary.files_unchanged:,} unchanged, {summary.files_kept:,} kept",
        f"others    {count(summary.directories, 'folder')}, {others},"
        f" {summary.deleted:,} deleted",
        f"bytes     {human_size(summary.restored_bytes)} restored,"
        f" {human_size(summary.read_bytes)} read from the repository, in {elapsed}",
    ]
    lines += [
        f"note      {what} of {count(number, 'entry', 'entries')} not permitted"
        for what, number in sorted(summary.denied.items())
    ]
    if summary.failed:
        entries = count(summary.failed, "entry", "entries")
        lines.append(f"note      {entries} could not be restored")
    return [*lines, "dry run: nothing was changed"] if dry_run else lines


def check_lines(summary: "CheckSummary", context: Context) -> list[str]:
    """What a check found, for people."""
    lines = [line for damage in summary.damage for line in _damage_lines(damage)]
    lines += [f"gone      {printable(name)}" for name in summary.gone]
    lines += [f"note      {printable(note)}" for note in summary.notes]
    lines.append(
        f"checked   {count(summary.snapshots, 'snapshot')},"
        f" {count(summary.files, 'file')}, {count(summary.volumes, 'volume')},"
        f" {human_size(summary.stored_bytes)} stored"
    )
    if summary.read_volumes:
        volumes = count(summary.read_volumes, "volume")
        lines.append(f"read      {volumes}, {human_size(summary.read_bytes)}")
    return [*lines, f"{_verdict(summary)}, in {human_duration(context.elapsed_s)}"]


def damage_fields(damage: "Damage") -> dict[str, object]:
    """One damaged object, and what it costs, as a JSON object."""
    return {
        "object": damage.object_name,
        "message": damage.message,
        "files": [
            {"snapshot": snapshot, **path_fields(path)}
            for snapshot, path in damage.files
        ],
        "more_files": damage.more,
        "snapshots": list(damage.snapshots),
    }


def prune_lines(
    summary: "PruneSummary", context: Context, *, dry_run: bool
) -> list[str]:
    """What a prune removed, for people."""
    lines = [f"removed   {text}" for text in _tally_texts(summary.removed)]
    if dry_run:
        lines = [line.replace("removed ", "would go", 1) for line in lines]
    lines += [
        f"left      {text}: somebody may be at work"
        for text in _tally_texts(summary.left)
    ]
    lines += [f"note      {printable(note)}" for note in summary.notes]
    if dry_run:
        return [*lines, "dry run: nothing was removed"]
    freed = sum(tally.stored_bytes for tally in summary.removed.values())
    number = sum(tally.number for tally in summary.removed.values())
    end = f"{human_size(freed)} freed" if number else "there was nothing to remove"
    return [*lines, f"{end}, in {human_duration(context.elapsed_s)}"]


def _tally_texts(tallies: "Mapping[str, Tally]") -> list[str]:
    return [
        f"{count(tally.number, *_LEFTOVERS[kind])}, {human_size(tally.stored_bytes)}"
        for kind, tally in tallies.items()
        if tally.number
    ]


def verify_lines(summary: "VerifySummary", context: Context) -> list[str]:
    """What a comparison with the disk found, for people."""
    others = count(summary.others, "link, pipe or device", "links, pipes and devices")
    found = {
        "missing": summary.missing,
        "of another type": summary.type_differs,
        "of other content": summary.content_differs,
        "with other metadata": summary.metadata_differs,
        "not compared": summary.failed,
    }
    differences = [f"{number:,} {what}" for what, number in found.items() if number]
    return [
        f"compared  {count(summary.files, 'file')},"
        f" {count(summary.directories, 'folder')}, {others},"
        f" {human_size(summary.compared_bytes)}",
        f"{', '.join(differences) or 'no differences'},"
        f" in {human_duration(context.elapsed_s)}",
    ]


def _verdict(summary: "CheckSummary") -> str:
    if summary.damage:
        return f"{count(len(summary.damage), 'object')} damaged"
    if summary.gone:
        return f"{count(len(summary.gone), 'snapshot')} gone"
    return "no damage found"


def _damage_lines(damage: "Damage") -> list[str]:
    name = printable(damage.object_name) or "no object"
    lines = [f"damaged   {name}: {printable(damage.message)}"]
    lines += [
        f"          costs {printable(path)} of snapshot {snapshot}"
        for snapshot, path in damage.files
    ]
    if damage.more:
        lines.append(f"          and {damage.more:,} more")
    return lines
