"""Open directories below one root, reached without following a single link.

The kernel is never given a path of more than one component: each directory is
opened from the descriptor of the one above it and must not be a symbolic link.
What a name says, and what others rename meanwhile, can then not lead out of the
root; and a path may be longer than the kernel would take.

The directories used last stay open, so that the files of one directory cost no
system call for it. A directory that is held stays open however many others are
opened in between.
"""

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Self

from chunkvault.errors import ChunkvaultError, os_reason
from chunkvault.localfs.paths import (
    is_name,
    join_path,
    named_error,
    readable,
    unsafe_path,
)

__all__ = [
    "DEFAULT_ACL",
    "Directory",
    "DirectoryCache",
    "allow_ourselves",
    "make_directory",
    "make_usable",
    "open_root",
    "path_of_descriptor",
]

DEFAULT_ACL = b"system.posix_acl_default"
"""The attribute of a directory that new entries inherit."""

_CACHED_DIRECTORIES = 64
"""Kept open besides the root: deep enough for real trees, and a small part of the
1,024 descriptors one may have."""

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_LOOK_AT_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Directory:
    """An open directory; a context manager that lets go of it.

    Attributes:
        descriptor: for ``dir_fd``; valid while the directory is held.
    """

    __slots__ = ("_gives_attributes", "_lock", "_users", "descriptor", "is_dropped")

    def __init__(self, descriptor: int, lock: Lock) -> None:
        self.descriptor = descriptor
        self.is_dropped = False
        self._users = 0
        self._lock = lock
        self._gives_attributes: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def gives_attributes(self) -> bool:
        """Whether new entries may be born with attributes, that is, with an ACL.

        The owner of a directory can give it a default ACL at any moment, so only
        a directory of our own is trusted to stay without.
        """
        if self._gives_attributes is None:
            self._gives_attributes = _may_give_attributes(self.descriptor)
        return self._gives_attributes

    def entries(self) -> list[tuple[bytes, bool]]:
        """The names in it, and whether each is a directory (and no link to one)."""
        # a descriptor of its own: threads must not share a position in the list
        descriptor = os.open(b".", _OPEN_DIRECTORY, dir_fd=self.descriptor)
        try:
            with os.scandir(descriptor) as found:
                return [
                    (os.fsencode(entry.name), entry.is_dir(follow_symlinks=False))
                    for entry in found
                ]
        finally:
            os.close(descriptor)

    def refresh(self) -> None:
        """Its metadata were changed: look again at what it gives to new entries."""
        self._gives_attributes = None

    def hold(self) -> Self:
        """Keep it open until `release`; called with the lock held."""
        self._users += 1
        return self

    def release(self) -> None:
        """Let go of it; the last one closes it, if it is no longer cached."""
        with self._lock:
            self._users -= 1
            self._close_if_unused()

    def drop(self) -> None:
        """No longer cached; called with the lock held."""
        self.is_dropped = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self.is_dropped and not self._users:
            os.close(self.descriptor)


class DirectoryCache:
    """The directories below one root by relative path; any thread may use it.

    Args:
        root: descriptor of the root, closed by `close`; ``None``: there is none.
    """

    def __init__(self, root: int | None) -> None:
        self._lock = Lock()
        self._open: OrderedDict[bytes, Directory] = OrderedDict()
        self._root = None if root is None else Directory(root, self._lock)

    def hold(self, path: bytes) -> Directory:
        """The open directory at a relative path, for use in a ``with`` statement.

        Raises:
            UnsafePath: a component is no plain name.
            OSError: it, or one above it, is not there or is no directory.
        """
        return self._held(path) or self._open_below(path)

    def forget(self, path: bytes) -> None:
        """What is at the path is another directory from now on, or changed."""
        below = path + b"/"
        with self._lock:
            for known in list(self._open):
                if known == path or known.startswith(below):
                    self._open.pop(known).drop()

    def close(self) -> None:
        """Close all directories; those that are held when they are released."""
        with self._lock:
            for directory in self._open.values():
                directory.drop()
            self._open.clear()
            if self._root is not None:
                self._root.drop()
                self._root = None

    def _held(self, path: bytes) -> Directory | None:
        with self._lock:
            if not path:
                return self._root_held()
            directory = self._open.get(path)
            if directory is None:
                return None
            self._open.move_to_end(path)
            return directory.hold()

    def _root_held(self) -> Directory:
        if self._root is None:
            raise FileNotFoundError(errno.ENOENT, "there is no target directory")
        return self._root.hold()

    def _open_below(self, path: bytes) -> Directory:
        above, directory = self._nearest(path)
        names = _components(path, len(above))
        # of a long way only the end is kept, the rest would not be found again
        passed, kept = names[:-_CACHED_DIRECTORIES], names[-_CACHED_DIRECTORIES:]
        if passed:
            above = b"/".join([above, *passed]) if above else b"/".join(passed)
            directory = self._descend(directory, passed)
        for name in kept:
            above = join_path(above, name)
            with directory:
                child = _open_child(directory.descriptor, name)
            directory = self._keep(above, child)
        return directory

    def _nearest(self, path: bytes) -> tuple[bytes, Directory]:
        """The lowest open directory above a path, held."""
        above = path.rpartition(b"/")[0]
        with self._lock:
            if above not in self._open:
                candidates = (one for one in self._open if path.startswith(one + b"/"))
                above = max(candidates, key=len, default=b"")
            return above, (self._open[above].hold() if above else self._root_held())

    def _descend(self, directory: Directory, names: Sequence[bytes]) -> Directory:
        with directory:
            descriptor = _open_child(directory.descriptor, names[0])
        for name in names[1:]:
            try:
                child = _open_child(descriptor, name)
            finally:
                os.close(descriptor)
            descriptor = child
        passed = Directory(descriptor, self._lock).hold()
        passed.is_dropped = True
        return passed

    def _keep(self, path: bytes, descriptor: int) -> Directory:
        with self._lock:
            directory = self._open.get(path)
            if directory is not None:  # another thread was faster
                os.close(descriptor)
                return directory.hold()
            directory = Directory(descriptor, self._lock).hold()
            self._open[path] = directory
            if len(self._open) > _CACHED_DIRECTORIES:
                self._open.popitem(last=False)[1].drop()
            return directory


def open_root(path: bytes, *, dry_run: bool) -> int | None:
    """The directory at any path, made if it is not there; links are followed.

    In a dry run nothing is made, and ``None`` is what there is.

    Raises:
        TargetFull: there is no space for it.
        ChunkvaultError: it is no directory, or cannot be made or opened.
    """
    try:
        if not dry_run:
            with suppress(FileExistsError):  # opening says whether it is a directory
                os.makedirs(path, exist_ok=True)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if dry_run and error.errno == errno.ENOENT:
            return None
        raise _unusable(path, error) from error


def make_directory(parent: Directory, name: bytes, *, replace: bool) -> bool:
    """Make sure of a usable directory; returns whether it is new.

    Raises:
        FileExistsError: something else is there and is not to be replaced.
    """
    try:
        os.mkdir(name, stat.S_IRWXU, dir_fd=parent.descriptor)
    except FileExistsError:
        if _is_directory(parent, name):
            make_usable(parent, name)
            return False
        if not replace:
            raise
        os.unlink(name, dir_fd=parent.descriptor)
        os.mkdir(name, stat.S_IRWXU, dir_fd=parent.descriptor)
    return True


def path_of_descriptor(descriptor: int) -> str:
    """A path that leads to the open entry itself, even if it is a symbolic link."""
    return f"/proc/self/fd/{descriptor}"


def make_usable(parent: Directory, name: bytes) -> None:
    """Let us list and fill a directory of ours, whatever its mode forbids us.

    Raises:
        NotADirectoryError: it is none by now.
    """
    if os.geteuid() == 0:  # may anyway
        return
    descriptor = os.open(name, _LOOK_AT_DIRECTORY, dir_fd=parent.descriptor)
    try:
        allow_ourselves(descriptor, stat.S_IRWXU)
    finally:
        os.close(descriptor)


def allow_ourselves(descriptor: int, wanted: int) -> None:
    """Add mode bits of the owner to an entry, where the owner is who we are.

    Root has no need of them and changes nothing.
    """
    status = os.fstat(descriptor)
    mode = stat.S_IMODE(status.st_mode)
    if mode & wanted != wanted and status.st_uid == os.geteuid() != 0:
        os.chmod(path_of_descriptor(descriptor), mode | wanted)


def _unusable(path: bytes, error: OSError) -> ChunkvaultError:
    told = named_error(error, path)
    if isinstance(told, ChunkvaultError):
        return told
    return ChunkvaultError(
        f"cannot restore into '{readable(path)}': {os_reason(error)}"
    )


def _is_directory(parent: Directory, name: bytes) -> bool:
    status = os.stat(name, dir_fd=parent.descriptor, follow_symlinks=False)
    return stat.S_ISDIR(status.st_mode)


def _components(path: bytes, start: int) -> list[bytes]:
    """The checked components of a path from a place where a directory ends."""
    names = path[start + 1 if start else 0 :].split(b"/")
    if not all(map(is_name, names)):
        raise unsafe_path(path)
    return names


def _open_child(parent: int, name: bytes) -> int:
    return os.open(name, _OPEN_DIRECTORY, dir_fd=parent)


def _may_give_attributes(descriptor: int) -> bool:
    if os.fstat(descriptor).st_uid != os.geteuid():
        return True
    try:
        return bool(os.getxattr(descriptor, DEFAULT_ACL))
    except OSError:
        return False
