"""Files of a local cache: private, bounded in size, replaced in one step.

Every method raises `OSError` when the local disk does not do its part; what is
to be done about that is decided by `chunkvault.backends.caching`.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock

__all__ = ["CacheFolder"]

_TAG_NAME = "CACHEDIR.TAG"
_TAG_TEXT = b"""Signature: 8a477f597d28d172789f06886806bc55
# This directory holds a cache of chunkvault: it can be deleted at any time.
# Backup programs leave it out, see https://bford.info/cachedir/
"""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_EVICTION_GOAL = 0.9
"""How full the folder is after an eviction: one listing makes room for many."""


class CacheFolder:
    """Keeps objects as files of one flat directory, which it holds open.

    Every access goes through the open directory, so that nobody can exchange
    it. Slashes of object names become commas, which names cannot hold. Nothing
    is synced: who reads has to check. May be used by several threads, and by
    several processes on the same directory.
    """

    def __init__(self, path: bytes, max_total_bytes: int) -> None:
        """Open the directory, and create it if it is missing.

        Raises:
            OSError: it cannot be had, is a symbolic link or is somebody else's.
        """
        self._max_total_bytes = max_total_bytes
        self._total_bytes: int | None = None  # not known before the first write
        self._lock = Lock()
        os.makedirs(path, mode=0o700, exist_ok=True)
        self._descriptor = os.open(path, _OPEN_FOLDER)
        try:
            self._make_private()
            with suppress(FileExistsError):
                self._write_file(_TAG_NAME, _TAG_TEXT)
        except BaseException:
            self.close()
            raise

    def read(
        self, name: str, offset: int = 0, length: int | None = None
    ) -> bytes | None:
        """Read a range of an object; ``None`` if it is not kept."""
        try:
            descriptor = os.open(_file_name(name), _READ, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        try:
            left = max(0, os.fstat(descriptor).st_size - offset)
            wanted = left if length is None else min(left, length)
            return os.pread(descriptor, wanted, offset)
        finally:
            os.close(descriptor)

    def write(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Keep an object; the oldest ones make room for it."""
        size = memoryview(data).nbytes
        if size > self._max_total_bytes:
            return
        temporary = f".tmp-{os.urandom(8).hex()}"
        try:
            self._write_file(temporary, data)
            self._rename(temporary, _file_name(name))
        except FileNotFoundError:
            return  # another process made room and took the temporary file
        except BaseException:
            with suppress(OSError):
                self._unlink(temporary)
            raise
        self._account_for(size)

    def remove(self, name: str) -> None:
        """Drop an object; one that is not kept is fine."""
        self._unlink(_file_name(name))

    def touch(self, name: str) -> None:
        """Note that an object was used: the eviction takes the oldest first."""
        with suppress(FileNotFoundError):
            os.utime(_file_name(name), dir_fd=self._descriptor, follow_symlinks=False)

    def close(self) -> None:
        """Close the directory. The folder is not used afterwards."""
        os.close(self._descriptor)

    def _make_private(self) -> None:
        status = os.fstat(self._descriptor)
        if status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "the folder belongs to somebody else")
        if status.st_mode & 0o077:
            os.fchmod(self._descriptor, 0o700)

    def _write_file(self, file_name: str, data: bytes | bytearray | memoryview) -> None:
        descriptor = os.open(file_name, _CREATE, 0o600, dir_fd=self._descriptor)
        try:
            rest = memoryview(data).cast("B")
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)

    def _rename(self, old: str, new: str) -> None:
        folder = self._descriptor
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)

    def _unlink(self, file_name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(file_name, dir_fd=self._descriptor)

    def _account_for(self, added_bytes: int) -> None:
        with self._lock:
            if self._total_bytes is None:
                self._total_bytes = sum(size for _, size, _ in self._files())
            else:
                self._total_bytes += added_bytes
            if self._total_bytes > self._max_total_bytes:
                self._total_bytes = self._evict()

    def _evict(self) -> int:
        """Drop the files that were not used for longest; return what is left."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        goal = int(self._max_total_bytes * _EVICTION_GOAL)
        for _, size, file_name in files:
            if total <= goal:
                break
            self._unlink(file_name)
            total -= size
        return total

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """Modification time, size and name of every file, the tag aside."""
        with os.scandir(self._descriptor) as entries:
            for entry in entries:
                if entry.name == _TAG_NAME or not entry.is_file(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield status.st_mtime_ns, status.st_size, entry.name


def _file_name(name: str) -> str:
    return name.replace("/", ",")
