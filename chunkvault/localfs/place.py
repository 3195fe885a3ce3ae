"""How a new entry takes its place: made under a temporary name, then renamed.

Until everything about the entry is right the old one stays; a process that dies in
between leaves a name that starts with `TEMPORARY_PREFIX`.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from chunkvault.localfs.directories import Directory
from chunkvault.localfs.paths import split_path

__all__ = ["TEMPORARY_PREFIX", "Place", "temporary_name"]

TEMPORARY_PREFIX = b".chunkvault-"
"""What the names of unfinished entries start with."""

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
"""What a file system says that has no hard links, or not one more."""

_SUFFIX_BYTES = 8
_SUFFIXES_AT_ONCE = 512
_suffixes: list[bytes] = []


class Place:
    """Where a new entry goes; a context manager that leaves nothing half done.

    Args:
        path: the relative path.
        hold: opens the directory at a path.
        clear: removes the directory that is in the way at a path.

    Attributes:
        path: the relative path.
        directory: its directory, held until `release`.
        temporary: the name to make the entry under.
    """

    __slots__ = (
        "_above",
        "_clear",
        "_hold",
        "_is_held",
        "_name",
        "directory",
        "path",
        "temporary",
    )

    def __init__(
        self,
        path: bytes,
        hold: Callable[[bytes], Directory],
        clear: Callable[[bytes], int],
    ) -> None:
        self.path = path
        self.temporary = temporary_name()
        self._above, self._name = split_path(path)
        self._hold = hold
        self._clear = clear
        self.directory = hold(self._above)
        self._is_held = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: object, *_: object) -> None:
        if error_type is not None:
            self.discard()
        self.release()

    def install(self, *, replace: bool) -> None:
        """Give the entry its name.

        Raises:
            FileExistsError: something is there already and is not to be replaced.
        """
        if replace:
            self._rename_over()
        else:
            self._take_free_name()

    def discard(self) -> None:
        """Remove the temporary name if it is there."""
        with suppress(FileNotFoundError, NotADirectoryError):
            self.resume()
            os.unlink(self.temporary, dir_fd=self.directory.descriptor)

    def release(self) -> None:
        """Let go of the directory; `resume` opens it again."""
        if self._is_held:
            self._is_held = False
            self.directory.release()

    def resume(self) -> None:
        """Hold the directory again; whether it is still the same is not said."""
        if not self._is_held:
            self.directory = self._hold(self._above)
            self._is_held = True

    def _rename_over(self) -> None:
        try:
            self._rename()
        except IsADirectoryError:
            self._clear(self.path)
            self._rename()

    def _rename(self) -> None:
        parent = self.directory.descriptor
        os.rename(self.temporary, self._name, src_dir_fd=parent, dst_dir_fd=parent)

    def _take_free_name(self) -> None:
        # unlike a rename, a link is refused where something is by now
        parent = self.directory.descriptor
        try:
            os.link(
                self.temporary,
                self._name,
                src_dir_fd=parent,
                dst_dir_fd=parent,
                follow_symlinks=False,
            )
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            if self._is_taken():
                raise FileExistsError(errno.EEXIST, "it is there already") from error
            self._rename()
        else:
            self.discard()

    def _is_taken(self) -> bool:
        try:
            os.stat(self._name, dir_fd=self.directory.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


def temporary_name() -> bytes:
    """A name that nobody can have taken before."""
    return TEMPORARY_PREFIX + _unguessable()


def _unguessable() -> bytes:
    """Sixteen hexadecimal digits, drawn by the hundred.

    Each request for random bytes lets go of the interpreter's lock; with several
    threads writing files, to get it back takes longer than the drawing.
    """
    try:
        return _suffixes.pop()
    except IndexError:
        drawn = os.urandom(_SUFFIX_BYTES * _SUFFIXES_AT_ONCE).hex().encode()
        digits = 2 * _SUFFIX_BYTES
        starts = range(digits, len(drawn), digits)
        _suffixes.extend(drawn[start : start + digits] for start in starts)
        return drawn[:digits]
