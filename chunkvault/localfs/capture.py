"""What is on the disk, as nodes: metadata, links, attributes, holes.

Every function takes an open descriptor, or a name relative to one; none follows
a symbolic link. Errors of the system rise as `OSError`: only the caller knows
the whole path and goes on with the next file.
"""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator

from chunkvault.format.node import (
    FIRST_TIME_NS,
    LAST_TIME_NS,
    MODE_BITS,
    Node,
    NodeKind,
    new_node,
)
from chunkvault.ids import BlobId

__all__ = [
    "OwnerNames",
    "data_ranges",
    "is_cachedir_tag",
    "is_unchanged",
    "kind_of",
    "make_node",
    "open_file",
    "read_link",
    "read_xattrs",
    "read_xattrs_at",
]

CACHEDIR_TAG_NAME = b"CACHEDIR.TAG"
CACHEDIR_TAG_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""How a tag file begins, by the Cache Directory Tagging Specification."""

_STATUS_BLOCK_BYTES = 512
_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_QUIET_FLAGS = _OPEN_FLAGS | os.O_NOATIME
_TYPE_BITS = 0o170000
_KINDS = {
    stat.S_IFREG: NodeKind.FILE,
    stat.S_IFDIR: NodeKind.DIRECTORY,
    stat.S_IFLNK: NodeKind.SYMLINK,
    stat.S_IFIFO: NodeKind.FIFO,
    stat.S_IFCHR: NodeKind.CHARACTER_DEVICE,
    stat.S_IFBLK: NodeKind.BLOCK_DEVICE,
}


class OwnerNames:
    """Names of users and groups, each asked of the system once."""

    def __init__(self) -> None:
        self._users: dict[int, bytes] = {}
        self._groups: dict[int, bytes] = {}

    def user(self, uid: int) -> bytes:
        """The user's name, empty if the system does not know the number."""
        try:
            return self._users[uid]
        except KeyError:
            name = self._users[uid] = _user_name(uid)
            return name

    def group(self, gid: int) -> bytes:
        """The group's name, empty if the system does not know the number."""
        try:
            return self._groups[gid]
        except KeyError:
            name = self._groups[gid] = _group_name(gid)
            return name


def _user_name(uid: int) -> bytes:
    try:
        return os.fsencode(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return b""


def _group_name(gid: int) -> bytes:
    try:
        return os.fsencode(grp.getgrgid(gid).gr_name)
    except KeyError:
        return b""


def kind_of(mode: int) -> int | None:
    """The `NodeKind` of a ``st_mode``; ``None`` for a socket, which has none."""
    return _KINDS.get(mode & _TYPE_BITS)


def make_node(  # noqa: PLR0913 - what the status of a file does not tell
    name: bytes,
    status: os.stat_result,
    owners: OwnerNames,
    *,
    size: int | None = None,
    target: bytes = b"",
    xattrs: tuple[tuple[bytes, bytes], ...] = (),
    content: bytes = b"",
    content_list: BlobId | None = None,
    flags: int = 0,
) -> Node:
    """The node of a name, but for the subtree of a directory.

    ``size`` is that of a file's content, where it is not as the status says. A time
    beyond what the format has becomes the nearest one that it has.

    Raises:
        KeyError: `kind_of` has no kind for it.
    """
    mode = status.st_mode
    kind = _KINDS[mode & _TYPE_BITS]
    uid = status.st_uid
    gid = status.st_gid
    if size is None:
        size = status.st_size if kind == NodeKind.FILE else 0
    return new_node(
        (
            name,
            kind,
            mode & MODE_BITS,
            uid,
            gid,
            owners.user(uid),
            owners.group(gid),
            _storable(status.st_mtime_ns),
            status.st_ctime_ns,
            status.st_ino,
            status.st_dev,
            status.st_nlink,
            size,
            status.st_rdev if kind >= NodeKind.CHARACTER_DEVICE else 0,
            target,
            xattrs,
            content,
            content_list,
            None,
            flags,
        ),
    )


def is_unchanged(node: Node, status: os.stat_result) -> bool:
    """Whether what was captured as ``node`` has not been touched since.

    The device is not compared: its number changes from boot to boot. A file that
    changed while it was captured is never the same: its content may be older than
    its times say.
    """
    return (
        node.ctime_ns == status.st_ctime_ns
        and node.mtime_ns == _storable(status.st_mtime_ns)
        and node.inode == status.st_ino
        and node.kind == _KINDS.get(status.st_mode & _TYPE_BITS)
        and (node.kind != NodeKind.FILE or node.size == status.st_size)
        and not node.flags
    )


def open_file(directory: int, name: bytes) -> int:
    """Open a file for reading, without touching its access time where permitted.

    What is there may have been swapped since it was listed, so look at the
    descriptor's own status before reading. A FIFO opens at once and reads empty.

    Raises:
        OSError: it cannot be opened, or is a symbolic link.
    """
    try:
        return os.open(name, _QUIET_FLAGS, dir_fd=directory)
    except PermissionError as error:
        # O_NOATIME is for the owner of the file and for root.
        if error.errno != errno.EPERM:
            raise
        return os.open(name, _OPEN_FLAGS, dir_fd=directory)


def read_link(directory: int, name: bytes) -> bytes:
    """Where a symbolic link points.

    Raises:
        OSError: it is not there (any more), or is no symbolic link.
    """
    return os.readlink(name, dir_fd=directory)


def read_xattrs(descriptor: int) -> tuple[tuple[bytes, bytes], ...]:
    """Extended attributes of an open file or directory, sorted by name.

    POSIX ACLs are among them, as the kernel keeps them. None where the file
    system has no attributes; one that vanishes meanwhile is left out.

    Raises:
        OSError: one of them may not be read.
    """
    return _read_xattrs(descriptor, follow_symlinks=True)


def read_xattrs_at(directory: int, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """As `read_xattrs`, for what is not opened: links, FIFOs, devices.

    None where ``/proc`` is not mounted, since there is no other way to reach
    them without a path.
    """
    path = b"/proc/self/fd/%d/%s" % (directory, name)
    try:
        return _read_xattrs(path, follow_symlinks=False)
    except FileNotFoundError:
        if os.access("/proc/self/fd", os.F_OK):
            raise
        return ()


def _storable(time_ns: int) -> int:
    """The time, or the nearest one that the format has."""
    if FIRST_TIME_NS <= time_ns <= LAST_TIME_NS:
        return time_ns
    return LAST_TIME_NS if time_ns > 0 else FIRST_TIME_NS


def _read_xattrs(
    file: int | bytes, *, follow_symlinks: bool
) -> tuple[tuple[bytes, bytes], ...]:
    try:
        names = os.listxattr(file, follow_symlinks=follow_symlinks)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return ()
        raise
    if not names:
        return ()
    found: list[tuple[bytes, bytes]] = []
    for name in sorted(map(os.fsencode, names)):
        try:
            value = os.getxattr(file, name, follow_symlinks=follow_symlinks)
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
        else:
            found.append((name, value))
    return tuple(found)


def data_ranges(descriptor: int, size: int, blocks: int) -> Iterator[tuple[int, bool]]:
    """Runs of data and holes of a file, as (length, is data); they add up to size.

    Moves the position of the descriptor: read with ``os.pread``. A file that
    shrinks meanwhile still gets runs up to ``size``.

    Args:
        descriptor: the open file.
        size: its length in bytes.
        blocks: its ``st_blocks``; a file that fills its length has no holes to
            look for.
    """
    if blocks * _STATUS_BLOCK_BYTES >= size:
        if size:
            yield size, True
        return
    offset = 0
    while offset < size:
        start = _seek(descriptor, offset, os.SEEK_DATA, at_end=size, unknown=offset)
        start = min(start, size)
        if start > offset:
            yield start - offset, False
        if start == size:
            return
        end = _seek(descriptor, start, os.SEEK_HOLE, at_end=size, unknown=size)
        offset = min(end, size)
        yield offset - start, True


def _seek(descriptor: int, offset: int, how: int, *, at_end: int, unknown: int) -> int:
    """The next data or hole; the stand-ins where there is none, or no support."""
    try:
        return os.lseek(descriptor, offset, how)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return at_end
        if error.errno in {errno.EINVAL, errno.ENOTSUP}:
            return unknown
        raise


def is_cachedir_tag(directory: int) -> bool:
    """Whether a directory is marked as a cache by a valid ``CACHEDIR.TAG``."""
    try:
        descriptor = open_file(directory, CACHEDIR_TAG_NAME)
    except OSError:
        return False
    try:
        return _starts_with_signature(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _starts_with_signature(descriptor: int) -> bool:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return False
    length = len(CACHEDIR_TAG_SIGNATURE)
    return os.read(descriptor, length) == CACHEDIR_TAG_SIGNATURE
