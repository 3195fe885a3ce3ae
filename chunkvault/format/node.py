"""Format chapter 7: nodes. One name in a directory, with all its metadata."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, cast

from chunkvault.ids import BlobId

__all__ = [
    "EMPTY_DIRECTORY",
    "FIRST_TIME_NS",
    "FLAG_CHANGED",
    "FLAG_RECENT",
    "LAST_TIME_NS",
    "MODE_BITS",
    "Node",
    "NodeKind",
    "new_node",
]

MODE_BITS = 0o7777
"""Permissions with setuid, setgid and sticky; the type is `Node.kind`."""

FIRST_TIME_NS = -(2**63)
LAST_TIME_NS = 2**64 - 1
"""From 1677 to 2554: the numbers msgpack has, and more than ext4 and XFS keep."""


class NodeKind:
    """What a node is; the values stand in the format."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    FIFO = 4
    CHARACTER_DEVICE = 5
    BLOCK_DEVICE = 6


class Node(NamedTuple):
    """One name in a directory.

    A tuple rather than a dataclass: a tree decodes column-wise into millions of
    these, and a tuple is made at C speed.

    Attributes:
        name: one path component as bytes, any bytes but NUL and ``/``.
        kind: one of `NodeKind`.
        mode: permission bits, see `MODE_BITS`.
        uid: owner's number.
        gid: group's number.
        user: owner's name, empty where it had none.
        group: group's name, empty where it had none.
        mtime_ns: time of last modification, nanoseconds since the epoch.
        ctime_ns: time of last status change, to recognise unchanged files.
        inode: file number, to recognise unchanged files and hard links.
        device: file system's number; with ``inode`` it names a hard-linked file.
        links: how many names the file has on its file system.
        size: bytes of content of a file; 0 for everything else.
        rdev: device number of a device node (as in ``st_rdev``).
        target: where a symbolic link points.
        xattrs: extended attributes as (name, value), sorted by name; POSIX
            ACLs are among them (``system.posix_acl_access``, ``…_default``).
        content: a small file's chunk references, see `chunkvault.format.content`.
        content_list: blob that lists the chunk references of a large file;
            ``None`` where ``content`` has them all.
        subtree: blob with the entries of a directory.
        flags: `FLAG_CHANGED` and `FLAG_RECENT`.
    """

    name: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    user: bytes
    group: bytes
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    links: int
    size: int
    rdev: int
    target: bytes
    xattrs: tuple[tuple[bytes, bytes], ...]
    content: bytes
    content_list: BlobId | None
    subtree: BlobId | None
    flags: int


new_node = cast("Callable[[Iterable[Any]], Node]", partial(tuple.__new__, Node))
"""A node of all its fields in order; `Node` is a call of Python more for each."""

FLAG_CHANGED = 1
"""The file kept changing while it was read; its content may be torn."""

FLAG_RECENT = 2
"""The file had changed so shortly before it was read that a change right after
might leave the same time stamp: the next backup reads it again."""

EMPTY_DIRECTORY = Node(
    name=b"",
    kind=NodeKind.DIRECTORY,
    mode=0o755,
    uid=0,
    gid=0,
    user=b"",
    group=b"",
    mtime_ns=0,
    ctime_ns=0,
    inode=0,
    device=0,
    links=1,
    size=0,
    rdev=0,
    target=b"",
    xattrs=(),
    content=b"",
    content_list=None,
    subtree=None,
    flags=0,
)
"""A node to start from where nothing is known."""
