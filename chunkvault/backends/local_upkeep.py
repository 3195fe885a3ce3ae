"""What a directory holds besides its objects: temporary files of killed writers.

Ages are those of the file system itself, which on a network share is the server's:
a file that was just made tells what time it is there.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.leftovers import (
    TEMPORARY_PREFIX,
    is_free,
    remove_if_free,
    temporaries,
)
from chunkvault.backends.upkeep import (
    AgedObject,
    Leftover,
    LeftoverKind,
    is_abandoned,
)

__all__ = ["LocalUpkeep"]

_PROBE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalUpkeep:
    """A temporary file whose lock is free is nobody's, however young it is.

    One that is empty may be about to be locked: that is nobody's after a day.
    """

    def __init__(
        self, root: bytes, listing: Callable[[str], Iterator[ObjectInfo]]
    ) -> None:
        """Look at nothing yet.

        Args:
            root: the directory.
            listing: lists the objects whose names begin so.
        """
        self._root = root
        self._listing = listing

    def leftovers(self) -> Iterator[Leftover]:
        """The temporary files, those in use included."""
        now_s = self._now_s()
        for path in temporaries(self._root):
            with suppress(OSError):  # its writer has just removed it
                status = os.stat(path, follow_symlinks=False)
                yield Leftover(
                    LeftoverKind.FILE,
                    os.fsdecode(os.path.relpath(path, self._root)),
                    status.st_size,
                    is_free(path) or _is_old_and_empty(status, now_s),
                    (os.fsdecode(path),),
                )

    def remove(self, leftover: Leftover) -> bool:
        """Remove a temporary file, if it is still nobody's."""
        path = os.fsencode(leftover.handle[0])
        if leftover.size:
            return remove_if_free(path)
        try:
            if os.stat(path, follow_symlinks=False).st_size:
                return False
            os.unlink(path)
        except OSError:
            return False
        return True

    def aged(self, prefix: str) -> Iterator[AgedObject]:
        """List objects with their ages.

        Not by the time of their content alone, which copies keep: the file system
        knows when it was told of it.
        """
        now_s = self._now_s()
        for info in self._listing(prefix):
            path = os.path.join(self._root, info.name.encode("ascii"))
            with suppress(FileNotFoundError):  # deleted since
                status = os.stat(path, follow_symlinks=False)
                yield AgedObject(*_with_age(info, status, now_s))

    def _now_s(self) -> float | None:
        """The file system's clock; None where nothing can be written."""
        name = TEMPORARY_PREFIX + os.urandom(8).hex().encode("ascii")
        path = os.path.join(self._root, name)
        try:
            descriptor = os.open(path, _PROBE, 0o600)
        except OSError:
            return None
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(path)


def _with_age(
    info: ObjectInfo, status: os.stat_result, now_s: float | None
) -> tuple[str, int, float | None]:
    age_s = None if now_s is None else _age_of(status, now_s)
    return info.name, info.size, age_s


def _is_old_and_empty(status: os.stat_result, now_s: float | None) -> bool:
    if status.st_size or now_s is None:
        return False
    return is_abandoned(_age_of(status, now_s))


def _age_of(status: os.stat_result, now_s: float) -> float:
    return now_s - max(status.st_mtime, status.st_ctime)
