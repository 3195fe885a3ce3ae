"""Nodes become files, directories and links below one directory, and only there.

Names come from a snapshot that somebody else may have made, and other processes may
plant links in the target while it is being filled. So nothing is reached by a path:
see `chunkvault.localfs.directories` for how directories are opened,
`chunkvault.localfs.place` for how entries are put in place, and
`chunkvault.localfs.metadata` for what they are given.

Relative paths have their components joined by ``/``; the empty path is the target.
A directory stays the one it was while it is being filled: if somebody moves it, what
belongs into it follows it, and nothing goes to what took its name.
"""

import errno
import os
import stat
from collections import Counter
from types import TracebackType
from typing import Self

from chunkvault.errors import ChunkvaultError, TargetFull
from chunkvault.format.node import Node, NodeKind
from chunkvault.localfs.directories import (
    DirectoryCache,
    UnsafePath,
    make_usable,
    named_error,
    naming_path,
    path_of_descriptor,
    split_path,
)
from chunkvault.localfs.metadata import FILE_TYPES, MetadataWriter, is_kind
from chunkvault.localfs.place import TEMPORARY_PREFIX, Place
from chunkvault.localfs.removal import remove_entry
from chunkvault.localfs.target_file import TargetFile, UnwrittenFile

__all__ = ["TEMPORARY_PREFIX", "Target", "TargetFile", "UnsafePath"]

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PRIVATE = 0o600
_PRIVATE_DIRECTORY = 0o700

_Identity = tuple[int, int]


class Target:
    """A directory that is being restored into; any thread may use it.

    Every method that takes a path raises `UnsafePath` for one that is none,
    `TargetFull` when there is no space, and ``OSError`` with that path otherwise.

    Attributes:
        denied: metadata that could not be set for lack of permission or because
            the file system has no room for such, counted by what it was:
            ``"owner"``, ``"mode"``, ``"xattr"``, ``"time"``, ``"device"``.
    """

    def __init__(
        self, path: bytes, *, dry_run: bool = False, numeric_owner: bool = False
    ) -> None:
        """Open the directory; create it, and those above it, unless it is there.

        Args:
            path: where; a symbolic link is followed, here and never again.
            dry_run: change nothing; a directory that is not there is an empty one.
            numeric_owner: owners are their numbers, not their names.

        Raises:
            TargetFull: there is no space for it.
            ChunkvaultError: it is not there and cannot be made.
        """
        self._dry_run = dry_run
        self._directories = DirectoryCache(_open_root(path, dry_run=dry_run))
        self._metadata = MetadataWriter(numeric_owner=numeric_owner)
        self.denied: Counter[str] = self._metadata.denied
        self._unfinished: set[TargetFile] = set()
        # only of entries with several names: a million files must not cost memory
        self._identities: dict[bytes, _Identity] = {}
        self._made: set[_Identity] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- what is there -------------------------------------------------------

    @naming_path
    def status(self, path: bytes) -> os.stat_result | None:
        """What is at a path, as by lstat; ``None`` where there is nothing.

        That includes what would be below something that is no directory.
        """
        try:
            if not path:
                with self._directories.hold(path) as root:
                    return os.fstat(root.descriptor)
            above, name = split_path(path)
            with self._directories.hold(above) as parent:
                return os.stat(name, dir_fd=parent.descriptor, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    @naming_path
    def names(self, path: bytes) -> list[bytes]:
        """The names in a directory, in no order; none if it is no directory."""
        try:
            with self._directories.hold(path) as directory:
                return [os.fsencode(entry.name) for entry in directory.entries()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    @naming_path
    def read_link(self, path: bytes) -> bytes:
        """Where the symbolic link at a path points."""
        above, name = split_path(path)
        with self._directories.hold(above) as parent:
            return os.readlink(name, dir_fd=parent.descriptor)

    @naming_path
    def open_existing(self, path: bytes) -> int:
        """A descriptor to read the regular file at a path; the caller closes it."""
        above, name = split_path(path)
        with self._directories.hold(above) as parent:
            descriptor = os.open(name, _READ, dir_fd=parent.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileExistsError(errno.EEXIST, "it is not a regular file")
        return descriptor

    # --- making --------------------------------------------------------------

    @naming_path
    def make_directory(self, path: bytes, *, replace: bool) -> bool:
        """Make sure of a directory, in one that is there; returns whether it is new.

        A new one is nobody else's until `set_metadata`, and one of ours that is
        there becomes usable for us; so `set_metadata` must follow in any case.

        Raises:
            FileExistsError: something else is there and is not to be replaced.
        """
        status = self.status(path) if self._dry_run or not path else None
        if self._dry_run:
            return _is_new_directory(status, replace=replace)
        if not path:
            with self._directories.hold(path) as root:
                make_usable(root, b".")
            return False
        above, name = split_path(path)
        with self._directories.hold(above) as parent:
            try:
                os.mkdir(name, _PRIVATE_DIRECTORY, dir_fd=parent.descriptor)
            except FileExistsError:
                ...
        return True
