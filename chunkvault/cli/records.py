"""Snapshots and nodes, as text and as JSON."""

import base64
import stat
from typing import TYPE_CHECKING

from chunkvault.cli.context import Context
from chunkvault.cli.output import human_size, path_fields, printable
from chunkvault.format.node import FLAG_CHANGED, Node, NodeKind
from chunkvault.ids import short_hex

if TYPE_CHECKING:
    from chunkvault.format.snapshot import StoredSnapshot

__all__ = [
    "KIND_NAMES",
    "long_line",
    "node_fields",
    "path_list_fields",
    "snapshot_fields",
    "snapshot_list",
]

KIND_NAMES = {
    NodeKind.FILE: "file",
    NodeKind.DIRECTORY: "directory",
    NodeKind.SYMLINK: "symlink",
    NodeKind.FIFO: "fifo",
    NodeKind.CHARACTER_DEVICE: "character_device",
    NodeKind.BLOCK_DEVICE: "block_device",
}
_KIND_MODES = {
    NodeKind.FILE: stat.S_IFREG,
    NodeKind.DIRECTORY: stat.S_IFDIR,
    NodeKind.SYMLINK: stat.S_IFLNK,
    NodeKind.FIFO: stat.S_IFIFO,
    NodeKind.CHARACTER_DEVICE: stat.S_IFCHR,
    NodeKind.BLOCK_DEVICE: stat.S_IFBLK,
}


def long_line(path: bytes, node: Node, context: Context) -> str:
    """One line with mode, owner, size, time and path."""
    mode = stat.filemode(_KIND_MODES[node.kind] | node.mode)
    user = printable(node.user) or str(node.uid)
    group = printable(node.group) or str(node.gid)
    target = f" -> {printable(node.target)}" if node.target else ""
    return (
        f"{mode} {user:<8} {group:<8} {human_size(node.size):>10}"
        f"  {context.local_time(node.mtime_ns)}  {printable(path)}{target}"
    )


def node_fields(path: bytes, node: Node, context: Context) -> dict[str, object]:
    """A node as a JSON object."""
    fields: dict[str, object] = {
        **path_fields(path),
        "kind": KIND_NAMES[node.kind],
        "size": node.size,
        "mtime": context.iso_time(node.mtime_ns),
        "mode": f"{node.mode:04o}",
        "uid": node.uid,
        "gid": node.gid,
        **path_fields(node.user, "user"),
        **path_fields(node.group, "group"),
    }
    if node.target:
        fields.update(path_fields(node.target, "target"))
    if node.flags & FLAG_CHANGED:
        fields["changed_while_read"] = True
    return fields


def snapshot_fields(stored: "StoredSnapshot", context: Context) -> dict[str, object]:
    """A snapshot as a JSON object."""
    snapshot = stored.snapshot
    return {
        "id": stored.snapshot_id.hex(),
        "time": context.iso_time(snapshot.time_ns),
        "host": snapshot.host,
        "user": snapshot.user,
        **path_list_fields(snapshot.paths),
        "tags": list(snapshot.tags),
        "excludes": list(snapshot.excludes),
        "parent": snapshot.parent.hex() if snapshot.parent else None,
        "program": snapshot.program,
        "files": snapshot.totals.files,
        "directories": snapshot.totals.directories,
        "others": snapshot.totals.others,
        "bytes": snapshot.totals.bytes,
    }


def path_list_fields(paths: tuple[bytes, ...]) -> dict[str, object]:
    """Several paths as fields: readable, and exact where that differs."""
    fields = [path_fields(path) for path in paths]
    result: dict[str, object] = {"paths": [one["path"] for one in fields]}
    if any("path_bytes" in one for one in fields):
        result["paths_bytes"] = [base64.b64encode(path).decode() for path in paths]
    return result


def snapshot_list(snapshots: "tuple[StoredSnapshot, ...]") -> str:
    """Short ids; long lists by their ends."""
    ids = [short_hex(stored.snapshot_id) for stored in snapshots]
    if len(ids) > 3:
        return f"{ids[0]} … {ids[-1]} ({len(ids)})"
    return " ".join(ids)
