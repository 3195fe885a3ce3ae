"""Where the files of an archive lie: a folder, whatever duplicity can read from.

An archive asks for a little else than a repository does of its backend: files that
are written and read as streams, and a lock. So it has a port of its own, and here is
the implementation for a local directory. That for all other storage is
`chunkvault.duplicity.backend_folder`.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import BinaryIO, NamedTuple, Protocol

from chunkvault.backends.leftovers import (
    TEMPORARY_PREFIX,
    lock_temporary,
    remove_leftovers,
)
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectExists,
    ObjectNotFound,
    RepositoryBusy,
    StorageFull,
    UsageError,
)

__all__ = ["ArchiveFolder", "FolderEntry", "LocalFolder"]

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderEntry(NamedTuple):
    """One file of a folder: its name, and its length in bytes."""

    name: str
    size: int


class ArchiveFolder(Protocol):
    """Files in one folder. Errors are those of `chunkvault.errors.BackendError`."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    @property
    def is_there(self) -> bool:
        """Whether there is a folder; stores have none, and say so of any place."""

    def list(self) -> list[FolderEntry]:
        """All files that are not hidden, by name; none where there is no folder."""

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file, opened to be read and to be set back to its beginning.

        Raises:
            ObjectNotFound: there is none of that name.
        """

    def create(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A new file to write to. It has no name before the block ends.

        When the block is left it is durable and has its name; after an error it
        is gone.

        Raises:
            ObjectExists: the name is taken, and stays as it is.
        """

    def delete(self, name: str) -> None:
        """Remove a file; one that is absent is fine."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep all others of ours from writing, until the block ends, if possible.

        Raises:
            RepositoryBusy: somebody is writing already.
        """

    def remove_leftovers(self) -> int:
        """Remove what interrupted writers left unfinished; how many there were."""


class LocalFolder:
    """A local directory; made by the first file."""

    def __init__(self, path: bytes) -> None:
        self.path = os.path.abspath(path)

    @property
    def place(self) -> str:
        """The path of the directory."""
        return os.fsdecode(self.path)

    @property
    def is_there(self) -> bool:
        """Whether something of that name is there."""
        return os.path.lexists(self.path)

    def list(self) -> list[FolderEntry]:
        """The regular files, by name."""
        with _told_about("list", self.place):
            try:
                with os.scandir(self.path) as entries:
                    return sorted(_regular_files(entries))
            except FileNotFoundError:
                return []

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """Open the file."""
        with _told_about("read", name):
            try:
                descriptor = os.open(self._path_of(name), _READ)
            except FileNotFoundError:
                raise ObjectNotFound(f"{name} is missing in {self.place}") from None
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise ObjectNotFound(f"{name} is no file")
            file = os.fdopen(descriptor, "rb")
        with file:
            yield file

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Write under a hidden name, sync, link, sync the directory."""
        final = self._path_of(name)
        temporary = os.path.join(
            self.path, TEMPORARY_PREFIX + os.urandom(8).hex().encode()
        )
        with _told_about("store", name):
            os.makedirs(self.path, _DIRECTORY_MODE, exist_ok=True)
            descriptor = os.open(temporary, _CREATE, _FILE_MODE)
        file = os.fdopen(descriptor, "w+b", buffering=0)
        try:
            lock_temporary(descriptor)
            with _told_about("store", name):
                yield file
                os.fsync(descriptor)
                _publish(temporary, final)
                _sync_directory(self.path)
        finally:
            with suppress(OSError):
                os.unlink(temporary)
            file.close()

    def delete(self, name: str) -> None:
        """Unlink the file, durably."""
        with _told_about("delete", name), suppress(FileNotFoundError):
            os.unlink(self._path_of(name))
            _sync_directory(self.path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the directory itself, so that no file is needed for it."""
        with _told_about("lock", self.place):
            os.makedirs(self.path, _DIRECTORY_MODE, exist_ok=True)
            descriptor = os.open(self.path, _DIRECTORY)
        try:
            with suppress(OSError):  # a file system without locks
                _lock(descriptor, self.place)
            yield
        finally:
            os.close(descriptor)

    def remove_leftovers(self) -> int:
        """Remove hidden files that no process is writing."""
        return remove_leftovers(self.path, is_deep=False)

    def _path_of(self, name: str) -> bytes:
        encoded = os.fsencode(name)
        if b"/" in encoded or b"\0" in encoded or encoded in (b"", b".", b".."):
            raise UsageError(f"{name!r} is not the name of a file")
        return os.path.join(self.path, encoded)


def _regular_files(entries: Iterator[os.DirEntry[bytes]]) -> Iterator[FolderEntry]:
    for entry in entries:
        if entry.name.startswith(b".") or not entry.is_file(follow_symlinks=False):
            continue
        with suppress(FileNotFoundError):  # deleted since
            size = entry.stat(follow_symlinks=False).st_size
            yield FolderEntry(os.fsdecode(entry.name), size)


def _publish(temporary: bytes, final: bytes) -> None:
    """Give the file its name; never takes one that another file has."""
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise ObjectExists(
            f"{os.fsdecode(os.path.basename(final))} exists already",
            hint="somebody else writes to the same folder; try again",
        ) from None
    except OSError:
        # A file system without links. Between look and rename nobody of ours comes.
        if os.path.lexists(final):
            raise ObjectExists(f"{os.fsdecode(final)} exists already") from None
        os.rename(temporary, final)


def _lock(descriptor: int, place: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RepositoryBusy(
            f"another export is writing to {place}", hint="wait until it is done"
        ) from None


def _sync_directory(path: bytes) -> None:
    descriptor = os.open(path, _DIRECTORY)
    try:
        with suppress(OSError):  # network file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


_KINDS: dict[int | None, type[BackendError]] = {
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EACCES: AccessDenied,
    errno.EPERM: AccessDenied,
    errno.EROFS: AccessDenied,
}


@contextmanager
def _told_about(verb: str, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = _KINDS.get(error.errno, BackendError)
        reason = (error.strerror or str(error)).lower()
        raise kind(f"cannot {verb} {name}: {reason}") from error
