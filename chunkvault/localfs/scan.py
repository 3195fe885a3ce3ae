"""Directories of the source tree, each held by its descriptor.

A name is only ever looked up relative to the open directory it was listed in.
So nobody can lead a backup out of its root by swapping a directory for a
symbolic link, and neither depth nor the length of a path has a limit.
"""

import errno
import os
from types import TracebackType
from typing import Self

__all__ = ["SourceDirectory"]

MAX_OPEN_DESCRIPTORS = 200
"""How many directories of one chain are open at once; the usual limit of a
process is 1,024 descriptors for everything."""

_OPEN_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# A number that no descriptor has: every call with it fails with EBADF, while -1
# means the working directory to os.scandir.
_CLOSED = 2**31 - 1


class SourceDirectory:
    """A directory that is being read, with the chain of its parents.

    A directory has one open child at a time, and is closed after it: the chain
    is a stack. Deeper than `MAX_OPEN_DESCRIPTORS`, the oldest ancestors are
    closed, and opened again through ``..`` on the way back. Therefore ask for
    `descriptor` where it is used, and do not keep its number across an open
    child. One thread only.

    Attributes:
        name: its name in the parent; of the root the path it was opened by.
        parent: the directory it was opened from, ``None`` for the root.
        descriptor: number of the open directory.
        stat: the directory's metadata at the moment it was opened.
    """

    __slots__ = ("descriptor", "name", "parent", "stat")

    def __init__(
        self, name: bytes, descriptor: int, parent: "SourceDirectory | None"
    ) -> None:
        """Take over a descriptor; use `open_root` and `open_child`."""
        self.name = name
        self.parent = parent
        self.descriptor = descriptor
        self.stat = os.fstat(descriptor)

    @classmethod
    def open_root(cls, path: bytes) -> Self:
        """Open the directory where reading begins.

        Raises:
            OSError: it cannot be opened, is no directory, or is a symbolic link.
        """
        return cls(path, os.open(path, _OPEN_FLAGS), None)

    def open_child(self, name: bytes) -> "SourceDirectory":
        """Open a directory in this one.

        Raises:
            OSError: it cannot be opened, or is no directory (any more), such as
                a symbolic link.
        """
        descriptor = os.open(name, _OPEN_FLAGS, dir_fd=self.descriptor)
        child = SourceDirectory(name, descriptor, self)
        child._close_distant_ancestor()
        return child

    @property
    def path(self) -> bytes:
        """Where the directory is, for messages; made anew at each call.

        Kept in each directory of a deep chain, paths would take memory in the
        square of the depth.
        """
        names: list[bytes] = []
        directory = self
        while directory.parent is not None:
            names.append(directory.name)
            directory = directory.parent
        root = directory.name
        return b"/".join([b"" if root == b"/" and names else root, *reversed(names)])

    def names(self) -> list[bytes]:
        """The names in this directory, sorted.

        Raises:
            OSError: the directory could not be read to its end.
        """
        # About 80 bytes a name; a list of os.DirEntry takes 300, and 900 once
        # each has cached its stat. All are encoded by one call.
        joined = os.fsencode("\0".join(os.listdir(self.descriptor)))
        return sorted(joined.split(b"\0")) if joined else []

    def status(self, name: bytes) -> os.stat_result:
        """Metadata of a name in this directory, of a symbolic link its own.

        Raises:
            OSError: the name is not there (any more), or the storage failed.
        """
        return os.lstat(name, dir_fd=self.descriptor)

    def close(self) -> None:
        """Let go of the directory, and have its parent open again.

        A directory that is closed already is left alone.

        Raises:
            OSError: the parent had to be opened again and is not there any more,
                since this directory was moved. This one is closed nevertheless;
                every use of the parent fails from now on.
        """
        descriptor, self.descriptor = self.descriptor, _CLOSED
        if descriptor == _CLOSED:
            return
        try:
            if self.parent is not None and self.parent.descriptor == _CLOSED:
                self.parent.descriptor = _open_parent(self.parent, descriptor)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _close_distant_ancestor(self) -> None:
        """Keep `MAX_OPEN_DESCRIPTORS` of the chain: close the one beyond."""
        directory: SourceDirectory | None = self
        for _ in range(MAX_OPEN_DESCRIPTORS):
            if directory is None:
                return
            directory = directory.parent
        if directory is not None and directory.descriptor != _CLOSED:
            os.close(directory.descriptor)
            directory.descriptor = _CLOSED


def _open_parent(parent: SourceDirectory, child_descriptor: int) -> int:
    """Open a directory again from a child of it, and no other than that one."""
    descriptor = os.open(b"..", _OPEN_FLAGS, dir_fd=child_descriptor)
    if os.path.samestat(os.fstat(descriptor), parent.stat):
        return descriptor
    os.close(descriptor)
    message = "directory was moved while it was read"
    raise OSError(errno.ESTALE, message, parent.path)
