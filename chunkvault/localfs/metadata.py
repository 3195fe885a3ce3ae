"""Owner, mode, attributes and times of an entry that is there.

Everything is set on an open descriptor, so that it arrives at the very entry that
was made or looked at, whatever its name leads to by now. What cannot be opened for
reading (links, devices, files without the permission) is addressed through
``/proc/self/fd``, which ends at the entry itself, be it a symbolic link.

The order is part of it. The owner comes first: changing it clears setuid. Plain
attributes come next, while the file can still be written. The mode follows, then
the ACLs, whose mask *is* the mode's group bits; times come last.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import ParamSpec

from chunkvault.format.node import MODE_BITS, Node, NodeKind
from chunkvault.localfs.directories import DEFAULT_ACL
from chunkvault.localfs.local_owners import LocalOwners

__all__ = ["FILE_TYPES", "MetadataWriter", "Where", "is_kind"]

_Arguments = ParamSpec("_Arguments")

Where = int | str
"""An entry: its descriptor, or the path that leads to the descriptor's entry."""

FILE_TYPES = {
    NodeKind.FILE: stat.S_IFREG,
    NodeKind.DIRECTORY: stat.S_IFDIR,
    NodeKind.SYMLINK: stat.S_IFLNK,
    NodeKind.FIFO: stat.S_IFIFO,
    NodeKind.CHARACTER_DEVICE: stat.S_IFCHR,
    NodeKind.BLOCK_DEVICE: stat.S_IFBLK,
}

_ACCESS_ACL = b"system.posix_acl_access"
_ACLS = (_ACCESS_ACL, DEFAULT_ACL)

_KERNEL_NAMESPACES = (b"security.", b"system.")
_REMOVABLE = {b"security.capability", *_ACLS}
"""Of the namespaces that the kernel and its policies fill: what a backup knows of."""

_NOT_PERMITTED = {
    errno.EPERM,
    errno.EACCES,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EINVAL,  # an owner or an ACL that this user namespace cannot express
}
_NO_ATTRIBUTE = _NOT_PERMITTED | {
    errno.ENOSPC,  # ext4: larger than the block for attributes, however much is free
    errno.E2BIG,
    errno.ERANGE,
    errno.ENODATA,  # removed by somebody meanwhile
}


class MetadataWriter:
    """Sets the metadata of nodes and counts what was not permitted.

    Any thread may use it.

    Attributes:
        denied: how often something was not permitted, by what it was:
            ``"owner"``, ``"mode"``, ``"xattr"``, ``"time"``, ``"device"``.
    """

    def __init__(self, *, numeric_owner: bool = False) -> None:
        self.denied: Counter[str] = Counter()
        self._lock = Lock()
        self._owners = LocalOwners(numeric_only=numeric_owner)

    def deny(self, what: str) -> None:
        """Count something that was not permitted."""
        with self._lock:
            self.denied[what] += 1

    def differs(self, where: Where, node: Node, status: os.stat_result) -> bool:
        """Whether `write` would have anything to do."""
        return (
            self._owners.of(node) != (status.st_uid, status.st_gid)
            or status.st_mtime_ns != node.mtime_ns
            or (node.kind != NodeKind.SYMLINK and _mode(status) != node.mode)
            or _attributes_differ(_attributes(where), dict(node.xattrs))
        )

    def write(
        self, where: Where, node: Node, status: os.stat_result, *, is_bare: bool = False
    ) -> None:
        """Give an entry all the metadata of its node.

        Args:
            where: the entry.
            node: what it shall be.
            status: what it is.
            is_bare: it is known to have no attributes.

        Raises:
            OSError: anything but a lack of permission, which is counted.
        """
        allowed = self._set_owner(where, node, status)
        if node.xattrs or not is_bare:
            self._set_attributes(where, dict(node.xattrs))
        if node.kind != NodeKind.SYMLINK:
            self._set_mode(where, node, status, allowed)
        self._set_times(where, node, status)

    def _set_owner(self, where: Where, node: Node, status: os.stat_result) -> int:
        """Returns the mode bits that are harmless with the owner it now has."""
        uid, gid = self._owners.of(node)
        if uid == status.st_uid and gid == status.st_gid:
            return MODE_BITS
        if _change_owner(where, uid, gid):
            return MODE_BITS
        self.deny("owner")
        allowed = MODE_BITS
        if uid != status.st_uid:
            allowed &= ~stat.S_ISUID
        if gid != status.st_gid and not _change_owner(where, -1, gid):
            allowed &= ~stat.S_ISGID
        return MODE_BITS if node.kind == NodeKind.DIRECTORY else allowed

    def _set_attributes(self, where: Where, wanted: dict[bytes, bytes]) -> None:
        """Makes the attributes equal, but leaves the wanted ACLs to `_set_mode`."""
        present = _attributes(where)
        for name in present.keys() - wanted.keys():
            if not _is_kernels(name):
                self._attempt("xattr", _NO_ATTRIBUTE, os.removexattr, where, name)
        for name, value in wanted.items():
            if name not in _ACLS and present.get(name) != value:
                self._attempt("xattr", _NO_ATTRIBUTE, os.setxattr, where, name, value)

    def _set_mode(
        self, where: Where, node: Node, status: os.stat_result, allowed: int
    ) -> None:
        mode = node.mode & allowed
        if mode != node.mode:
            self.deny("mode")
        acls = [pair for pair in node.xattrs if pair[0] in _ACLS] if node.xattrs else ()
        # until the ACL stands its mask must not be taken for the group's rights
        early = mode & ~stat.S_IRWXG if _has_access(acls) else mode
        is_privileged = mode & (stat.S_ISUID | stat.S_ISGID)
        if early != _mode(status) or is_privileged:  # chown may have cleared those
            self._attempt("mode", _NOT_PERMITTED, os.chmod, where, early)
        for name, value in acls:
            self._attempt("xattr", _NO_ATTRIBUTE, os.setxattr, where, name, value)

    def _set_times(self, where: Where, node: Node, status: os.stat_result) -> None:
        times = (status.st_atime_ns, node.mtime_ns)
        self._attempt("time", _NOT_PERMITTED, _change_times, where, times)

    def _attempt(
        self,
        what: str,
        tolerated: set[int],
        action: Callable[_Arguments, None],
        *args: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> None:
        try:
            action(*args, **options)
        except OSError as error:
            if error.errno not in tolerated:
                raise
            self.deny(what)
        except (OverflowError, ValueError):  # no such time, a name with a NUL
            self.deny(what)


def is_kind(status: os.stat_result, node: Node) -> bool:
    """Whether an entry is of the node's kind; a device: the same device."""
    if stat.S_IFMT(status.st_mode) != FILE_TYPES.get(node.kind):
        return False
    is_device = node.kind in {NodeKind.CHARACTER_DEVICE, NodeKind.BLOCK_DEVICE}
    return not is_device or status.st_rdev == node.rdev


def _mode(status: os.stat_result) -> int:
    return stat.S_IMODE(status.st_mode)


def _has_access(acls: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(name == _ACCESS_ACL for name, _ in acls)


def _attributes(where: Where) -> dict[bytes, bytes]:
    try:
        names = [os.fsencode(name) for name in os.listxattr(where)]
        return {name: os.getxattr(where, name) for name in names}
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise
        return {}


def _attributes_differ(present: dict[bytes, bytes], wanted: dict[bytes, bytes]) -> bool:
    extra = present.keys() - wanted.keys()
    return not all(map(_is_kernels, extra)) or any(
        present.get(name) != value for name, value in wanted.items()
    )


def _is_kernels(name: bytes) -> bool:
    return name.startswith(_KERNEL_NAMESPACES) and name not in _REMOVABLE


def _change_owner(where: Where, uid: int, gid: int) -> bool:
    try:
        os.chown(where, uid, gid)
    except OSError as error:
        if error.errno not in _NOT_PERMITTED:
            raise
        return False
    return True


def _change_times(where: Where, times: tuple[int, int]) -> None:
    os.utime(where, ns=times)
