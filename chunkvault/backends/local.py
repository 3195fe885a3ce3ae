"""A directory of files: durable, and whole or absent, also across a power cut.

An object is written to a hidden temporary file, made durable, given its final
name with ``link`` (which never replaces anything), and the directory is made
durable after it. A crash leaves at most a hidden file that nobody lists.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Lock

from chunkvault.backends.base import ObjectInfo, check_name, require_name
from chunkvault.backends.leftovers import (
    TEMPORARY_PREFIX,
    lock_temporary,
    remove_leftovers,
)
from chunkvault.backends.local_upkeep import LocalUpkeep
from chunkvault.backends.upkeep import Upkeep
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectExists,
    ObjectNotFound,
    StorageFull,
    StorageUnreachable,
    os_reason,
)

__all__ = ["LocalBackend"]

_OBJECT_MODE = 0o600
_DIRECTORY_MODE = 0o700
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a foreign FIFO must not make the reader wait for ever.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_READ_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_KINDS: dict[int, type[BackendError]] = {
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EFBIG: StorageFull,
    errno.EACCES: AccessDenied,
    errno.EPERM: AccessDenied,
    errno.EROFS: AccessDenied,
    errno.EIO: StorageUnreachable,
    errno.ESTALE: StorageUnreachable,
    errno.ENOTCONN: StorageUnreachable,
    errno.ETIMEDOUT: StorageUnreachable,
    errno.EHOSTDOWN: StorageUnreachable,
}
_LINK_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
"""What file systems without hard links answer (FAT, SMB, some FUSE)."""

_DIRECTORY_SYNC_UNSUPPORTED = {errno.ENOTSUP, errno.EINVAL, errno.ENOENT}
"""What network and FUSE file systems answer that cannot sync a directory."""


class LocalBackend:
    """Objects as files below a directory, which the first `put` creates.

    Attributes:
        path: the directory.
    """

    def __init__(self, path: bytes | str) -> None:
        self.path = os.fsencode(path).rstrip(b"/") or b"/"
        self._directories: set[bytes] = set()  # known to be there, durably
        self._is_clean = False
        self._lock = Lock()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Write, sync, link into place, sync the directory."""
        require_name(name)
        path = self._path_of(name)
        with self._telling("store", name):
            self._remove_leftovers_once()
            directory = os.path.dirname(path)
            self._require_directory(directory)
            is_new = not os.path.lexists(path) and self._publish(path, data)
            # Also for a name that is taken: whoever took it may not be this far.
            _sync_directory(directory)
        if not is_new:
            raise ObjectExists(f"{name} exists already")

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Open, read the range, close."""
        require_name(name)
        with self._telling("read", name, missing=ObjectNotFound):
            descriptor = os.open(self._path_of(name), _READ)
            try:
                return _read_range(descriptor, offset, length)
            finally:
                os.close(descriptor)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Walk the directories that can hold matching names.

        Raises:
            BackendError: while iterating, if a directory cannot be read; a
                listing is never silently incomplete.
        """
        with _told_about("list", os.fsdecode(self.path)):
            if os.path.lexists(self.path):
                yield from _walk(self.path, "", prefix)

    def delete(self, name: str) -> None:
        """Unlink the file, durably; its directory stays."""
        require_name(name)
        path = self._path_of(name)
        with self._telling("delete", name), suppress(FileNotFoundError):
            os.unlink(path)
            _sync_directory(os.path.dirname(path))

    def close(self) -> None:
        """Nothing is kept open."""

    def upkeep(self) -> Upkeep:
        """What killed writers left."""
        return LocalUpkeep(self.path, self.list)

    def _path_of(self, name: str) -> bytes:
        return os.path.join(self.path, name.encode("ascii"))

    def _telling(
        self, verb: str, name: str, missing: type[BackendError] = StorageUnreachable
    ) -> AbstractContextManager[None]:
        """Errors of the operating system, with where the object is."""
        return _told_about(verb, os.fsdecode(self._path_of(name)), missing)

    def _remove_leftovers_once(self) -> None:
        """Only a process that writes cleans up, and only the first time."""
        with self._lock:
            if not self._is_clean:
                remove_leftovers(self.path)
                self._is_clean = True

    def _require_directory(self, directory: bytes) -> None:
        """Make a directory, its entry durable, once per directory and process.

        One that is there already may have been made a moment ago by somebody
        who has not synced it yet, so its entry is synced all the same. Above
        the backend's own directory only what had to be made is synced.
        """
        with self._lock:
            if directory not in self._directories:
                _make_directory(directory, self.path, self._directories)

    def _publish(self, path: bytes, data: bytes | bytearray | memoryview) -> bool:
        """Give the bytes their final name; False if somebody else was first."""
        directory = os.path.dirname(path)
        try:
            with _temporary(directory, data) as temporary:
                return self._link(temporary, path)
        except _SyncFailedError:
            # After a failed sync the kernel calls the lost pages clean, and a
            # second sync would succeed: only a new file can tell.
            with _temporary(directory, data) as temporary:
                return self._link(temporary, path)

    def _link(self, temporary: bytes, path: bytes) -> bool:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _LINK_UNSUPPORTED:
                raise
            return self._rename(temporary, path)
        return True

    def _rename(self, temporary: bytes, path: bytes) -> bool:
        """Stand in for `_link`, exclusive only among the threads of this process."""
        with self._lock:
            if os.path.lexists(path):
                return False
            os.rename(temporary, path)
            return True


class _SyncFailedError(OSError):
    """``fsync`` of an object's file failed: what was written may be gone."""


@contextmanager
def _told_about(
    verb: str, what: str, missing: type[BackendError] = StorageUnreachable
) -> Iterator[None]:
    """Turn errors of the operating system into ours.

    Args:
        verb: what was being done.
        what: to what.
        missing: what "no such file" means; where the caller has just made the
            directory, it means that the storage went away.
    """
    try:
        yield
    except OSError as error:
        kind = _KINDS.get(error.errno or 0, BackendError)
        if error.errno == errno.ENOENT:
            kind = missing
        raise kind(f"cannot {verb} {what}: {os_reason(error)}") from error


def _make_directory(directory: bytes, root: bytes, durable: set[bytes]) -> None:
    parent = os.path.dirname(directory) or b"."
    is_inside = len(directory) > len(root)
    is_parent_ready = parent in durable if is_inside else os.path.isdir(parent)
    if not is_parent_ready:
        _make_directory(parent, root, durable)
    if _mkdir(directory) or is_inside:
        _sync_directory(parent)
    durable.add(directory)


def _mkdir(directory: bytes) -> bool:
    """Make one directory; False if it is there."""
    try:
        os.mkdir(directory, _DIRECTORY_MODE)
    except FileExistsError:
        return False
    return True


def _sync_directory(directory: bytes) -> None:
    descriptor = os.open(directory, _READ_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _DIRECTORY_SYNC_UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(
    directory: bytes, data: bytes | bytearray | memoryview
) -> Iterator[bytes]:
    """A hidden file with these bytes, durable but for its name; gone afterwards."""
    name = TEMPORARY_PREFIX + os.urandom(8).hex().encode("ascii")
    path = os.path.join(directory, name)
    descriptor = os.open(path, _CREATE, _OBJECT_MODE)
    try:
        lock_temporary(descriptor)
        _write(os.dup(descriptor), data)
        if os.fstat(descriptor).st_size != memoryview(data).nbytes:
            raise OSError(errno.EIO, "the file is not as long as what was written")
        yield path
    finally:
        with suppress(OSError):
            os.unlink(path)
        with suppress(OSError):
            os.close(descriptor)


def _write(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write all, durably, and close: a network file system may fail only then."""
    try:
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        _sync_file(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise _SyncFailedError(error.errno, error.strerror) from error


def _read_range(descriptor: int, offset: int, length: int | None) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.ENOENT, "not a regular file")
    left = max(0, status.st_size - offset)
    if length is not None:
        left = min(left, length)
    pieces = []
    while left and (piece := os.pread(descriptor, left, offset)):
        pieces.append(piece)
        offset += len(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _walk(path: bytes, parent: str, prefix: str) -> Iterator[ObjectInfo]:
    """List the objects in and below one directory.

    Symbolic links to directories are followed, as `put` and `get` do: part of
    a repository may lie on another disk.
    """
    for entry in _scan(path):
        name = parent + os.fsdecode(entry.name)
        if not check_name(name):
            continue
        if entry.is_dir():
            inside = name + "/"
            if prefix.startswith(inside) or inside.startswith(prefix):
                yield from _walk(entry.path, inside, prefix)
        elif name.startswith(prefix) and entry.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError):  # deleted since
                size = entry.stat(follow_symlinks=False).st_size
                yield ObjectInfo(name, size)


def _scan(path: bytes) -> list[os.DirEntry[bytes]]:
    with os.scandir(path) as entries:
        return list(entries)
