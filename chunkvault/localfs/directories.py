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
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Concatenate, ParamSpec, Self, TypeVar

from chunkvault.errors import ChunkvaultError, TargetFull

__all__ = [
    "DEFAULT_ACL",
    "Directory",
    "DirectoryCache",
    "UnsafePath",
    "join_path",
    "named_error",
    "naming_path",
    "split_path",
]

DEFAULT_ACL = b"system.posix_acl_default"
"""The attribute of a directory that new entries inherit."""

_CACHED_DIRECTORIES = 64
"""Deep enough for real trees; a small part of the 1,024 descriptors one may have."""

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_Owner = TypeVar("_Owner")
_Rest = ParamSpec("_Rest")
_Result = TypeVar("_Result")


class UnsafePath(ChunkvaultError):
    """A path that is refused, because it could mean something outside the target."""

    hint = "the snapshot was not made by chunkvault, or somebody interferes"

    def __init__(self, path: bytes, reason: str = "it is no path in the target") -> None:
        super().__init__(f"refused '{_escaped(path)}': {reason}")


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
        limit: how many directories stay open besides it.
    """

    def __init__(self, root: int | None, limit: int = _CACHED_DIRECTORIES) -> None:
        self._lock = Lock()
        self._limit = limit
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
        above, name = split_path(path)
        missing = [name]
        while (directory := self._held(above)) is None:
            above, name = split_path(above)
            missing.append(name)
        for name in reversed(missing):
            above = join_path(above, name)
            with directory:
                child = os.open(name, _OPEN_DIRECTORY, dir_fd=directory.descriptor)
            directory = self._keep(above, child)
        return directory

    def _keep(self, path: bytes, descriptor: int) -> Directory:
        with self._lock:
            directory = self._open.get(path)
            if directory is not None:  # another thread was faster
                os.close(descriptor)
                return directory.hold()
            directory = Directory(descriptor, self._lock).hold()
            self._open[path] = directory
            if len(self._open) > self._limit:
                self._open.popitem(last=False)[1].drop()
            return directory


def split_path(path: bytes) -> tuple[bytes, bytes]:
    """A path as its directory and its last component, which is checked.

    Raises:
        UnsafePath: the last component is no plain name, or the path is absolute.
    """
    above, _, name = path.rpartition(b"/")
    if not name or name == b"." or name == b".." or b"\0" in name or path[0] == 0x2F:
        raise UnsafePath(path)
    return above, name


def join_path(directory: bytes, name: bytes) -> bytes:
    """The path of a name in a directory; the root's path is empty."""
    return directory + b"/" + name if directory else name


def naming_path(
    method: Callable[Concatenate[_Owner, bytes, _Rest], _Result],
) -> Callable[Concatenate[_Owner, bytes, _Rest], _Result]:
    """Let the method's system errors name its whole path, not one component.

    A lack of space becomes `TargetFull`.
    """

    @wraps(method)
    def wrapper(
        self: _Owner, path: bytes, *args: _Rest.args, **options: _Rest.kwargs
    ) -> _Result:
        try:
            return method(self, path, *args, **options)
        except OSError as error:
            raise named_error(error, path) from error

    return wrapper


def named_error(error: OSError, path: bytes) -> Exception:
    """The error as it is told: with the whole path; `TargetFull` for lack of space."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TargetFull(f"no space left to restore '{_escaped(path)}'")
    return OSError(error.errno, error.strerror, path)


def _may_give_attributes(descriptor: int) -> bool:
    if os.fstat(descriptor).st_uid != os.geteuid():
        return True
    try:
        return bool(os.getxattr(descriptor, DEFAULT_ACL))
    except OSError:
        return False


def _escaped(path: bytes) -> str:
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
