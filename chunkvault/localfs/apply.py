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
from contextlib import suppress
from typing import Self, TypeVar

from chunkvault.format.node import Node, NodeKind
from chunkvault.localfs.directories import (
    DirectoryCache,
    allow_ourselves,
    make_directory,
    make_usable,
    open_root,
    path_of_descriptor,
)
from chunkvault.localfs.file_maker import FileMaker
from chunkvault.localfs.guarded import Guarded
from chunkvault.localfs.hard_links import HardLinks, identity_of
from chunkvault.localfs.metadata import FILE_TYPES, MetadataWriter, is_kind
from chunkvault.localfs.paths import naming_path, split_path, unsafe_path
from chunkvault.localfs.place import TEMPORARY_PREFIX, Place, temporary_name
from chunkvault.localfs.present import Present
from chunkvault.localfs.removal import count_entries, remove_entry
from chunkvault.localfs.target_file import TargetFile, UnwrittenFile
from chunkvault.localfs.whole_file import Buffer, write_whole

__all__ = ["TEMPORARY_PREFIX", "Target", "TargetFile"]

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_Tag = TypeVar("_Tag")
_PRIVATE = stat.S_IRUSR | stat.S_IWUSR


class Target(Present):
    """A directory that is being restored into; any thread may use it.

    Every method that takes a path raises `UnsafePath` for one that is none,
    `TargetFull` when there is no space, and ``OSError`` with that path otherwise.

    Attributes:
        denied: metadata that could not be set for lack of permission or because
            the file system has no room for such, counted by what it was:
            ``"owner"``, ``"mode"``, ``"xattr"``, ``"time"``, ``"device"``.
    """

    def __init__(
        self,
        path: bytes,
        *,
        dry_run: bool = False,
        numeric_owner: bool = False,
        guarded: Guarded | None = None,
    ) -> None:
        """Open the directory; create it, and those above it, unless it is there.

        Args:
            path: where; a symbolic link is followed, here and never again.
            dry_run: change nothing; a directory that is not there is an empty one.
            numeric_owner: owners are their numbers, not their names.
            guarded: directories that nothing is written into nor removed from.

        Raises:
            SafetyStop: it is in one of these.
            TargetFull: there is no space for it.
            ChunkvaultError: it is not there and cannot be made.
        """
        self._guarded = guarded or Guarded()
        self._guarded.check_target(path)
        self._dry_run = dry_run
        self._numeric_owner = numeric_owner
        super().__init__(DirectoryCache(open_root(path, dry_run=dry_run)))
        self._metadata = MetadataWriter(numeric_owner=numeric_owner)
        self.denied: Counter[str] = self._metadata.denied
        self._unfinished: set[TargetFile] = set()
        self._links = HardLinks()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @naming_path
    def make_directory(self, path: bytes, *, replace: bool) -> bool:
        """Make sure of a directory in one that is there; returns whether it is new.

        A new one is ours alone until `set_metadata`, and one of ours that is there
        becomes usable for us; so `set_metadata` has to follow in either case.

        Raises:
            FileExistsError: something else is there and is not to be replaced.
            SafetyStop: it is guarded.
        """
        if self._dry_run:
            status = self.status(path)
            self._guarded.check_entering(status)
            return _would_be_new(status, replace=replace)
        if not path:
            with self._directories.hold(path) as root:
                make_usable(root, b".")
            return False
        above, name = split_path(path)
        with self._directories.hold(above) as parent:
            is_new = make_directory(parent, name, replace=replace)
        if not is_new:
            self._guarded.check_entering(self.status(path))
        return is_new

    @naming_path
    def create_file(self, path: bytes, size: int) -> TargetFile:
        """Begin a file of the given size; it has a temporary name until committed."""
        if self._dry_run:
            return UnwrittenFile()
        place = self._place(path)
        try:
            file = TargetFile(place, size, self._metadata, self._file_ended)
        except BaseException:
            place.discard()
            place.release()
            raise
        self._unfinished.add(file)
        return file

    @naming_path
    def write_file(
        self, path: bytes, node: Node, data: Buffer, temporary: bytes = b""
    ) -> None:
        """Make a file whose whole content is at hand; a file of its name is replaced.

        As `create_file` and what follows it, in the fewest steps: most files of
        most snapshots are such.

        Args:
            path: where.
            node: what it is.
            data: its content; shorter than its size where a hole follows.
            temporary: its name until it is whole, for a caller who wants to know.

        Raises:
            IsADirectoryError: a directory has its name. Nothing was done;
                `create_file` would remove it.
        """
        if self._dry_run:
            return
        above, name = split_path(path)
        content = (data, temporary or temporary_name())
        with self._directories.hold(above) as parent:
            status = write_whole(parent, name, node, self._metadata, *content)
        self._links.add_made(path, node, status)

    @naming_path
    def remove_unfinished(self, path: bytes, temporary: bytes) -> None:
        """Remove what `write_file` left of the file at a path when it was killed."""
        above, _ = split_path(path)
        with self._directories.hold(above) as parent, suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent.descriptor)

    def start_maker(self) -> "FileMaker[_Tag]":
        """Another process that makes whole files here; the caller ends it.

        Raises:
            OSError: the system does not let us.
        """
        with self._directories.hold(b"") as root:
            return FileMaker(root.descriptor, numeric_owner=self._numeric_owner)

    @naming_path
    def make_symlink(self, path: bytes, node: Node, *, replace: bool) -> None:
        """Make a symbolic link with its metadata.

        Raises:
            FileExistsError: something is there and is not to be replaced.
        """
        if b"\0" in node.target:
            raise unsafe_path(path, "it points to a name with a NUL")
        if self._dry_run:
            return
        with self._place(path) as place:
            parent = place.directory.descriptor
            os.symlink(node.target, place.temporary, dir_fd=parent)
            self._finish(place, node, replace=replace)

    @naming_path
    def make_fifo(self, path: bytes, node: Node, *, replace: bool) -> None:
        """Make a named pipe with its metadata.

        Raises:
            FileExistsError: something is there and is not to be replaced.
        """
        if self._dry_run:
            return
        with self._place(path) as place:
            parent = place.directory.descriptor
            os.mkfifo(place.temporary, _PRIVATE, dir_fd=parent)
            self._finish(place, node, replace=replace)

    @naming_path
    def make_device(self, path: bytes, node: Node, *, replace: bool) -> bool:
        """Make a device node with its metadata.

        Returns ``False``, and counts it, if that is not permitted.

        Raises:
            FileExistsError: something is there and is not to be replaced.
        """
        if self._dry_run:
            return True
        mode = FILE_TYPES[node.kind] | _PRIVATE
        with self._place(path) as place:
            parent = place.directory.descriptor
            try:
                os.mknod(place.temporary, mode, node.rdev, dir_fd=parent)
            except (PermissionError, OverflowError):
                self._metadata.deny("device")
                return False
            self._finish(place, node, replace=replace)
        return True

    @naming_path
    def make_hardlink(self, path: bytes, existing: bytes, *, replace: bool) -> None:
        """Give an entry one more name; it has its metadata already.

        Args:
            path: the new name.
            existing: path of an entry of which the node has several ``links`` and
                that was made by this object or given to `mark_verified`.
            replace: whether something else at ``path`` may be replaced.

        Raises:
            UnsafePath: ``existing`` is not that entry, or not any more.
            FileExistsError: something is there and is not to be replaced.
        """
        if self._dry_run:
            return
        descriptor = self._open_any(existing)
        try:
            identity = self._links.check_known(existing, os.fstat(descriptor))
            status = self.status(path)
            if status is None or identity_of(status) != identity:
                with self._place(path) as place:
                    _link(descriptor, place)
                    place.install(replace=replace)
        finally:
            os.close(descriptor)
        self._links.add_name(path, identity)

    def mark_verified(self, path: bytes, descriptor: int) -> None:
        """An existing file was found equal: hard links may be made to it.

        Args:
            path: its path.
            descriptor: what it was read from.
        """
        self._links.add_name(path, identity_of(os.fstat(descriptor)))

    @naming_path
    def differs(self, path: bytes, node: Node) -> bool:
        """Whether an entry of the node's kind has other metadata than the node."""
        if node.kind == NodeKind.DIRECTORY:
            with self._directories.hold(path) as directory:
                where = directory.descriptor
                return self._metadata.differs(where, node, os.fstat(where))
        descriptor = self._open_any(path)
        try:
            name = path_of_descriptor(descriptor)
            return self._metadata.differs(name, node, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    @naming_path
    def set_metadata(self, path: bytes, node: Node) -> bool:
        """Give a directory, after its content, or an equal entry its metadata.

        Returns whether anything had to be set.

        Raises:
            FileExistsError: what is there is of another kind.
            OSError: ``EMLINK``: something had to be set, and the entry has other
                names that this object did not make; it has to be made anew.
        """
        if self._dry_run:
            return False
        if node.kind == NodeKind.DIRECTORY:
            return self._set_directory_metadata(path, node)
        descriptor = self._open_any(path)
        try:
            status = os.fstat(descriptor)
            where = path_of_descriptor(descriptor)
            if not is_kind(status, node):
                raise FileExistsError(errno.EEXIST, "it is something else")
            if not self._metadata.differs(where, node, status):
                return False
            self._links.check_unshared(status)
            allow_ourselves(descriptor, _PRIVATE)
            self._metadata.write(where, node, os.fstat(descriptor))
        finally:
            os.close(descriptor)
        return True

    @naming_path
    def remove(self, path: bytes) -> int:
        """Remove what is at a path and all below it; returns how many entries.

        Links are removed, not followed. Nothing there is no error. What is mounted
        below the path is an error: it is not touched.

        Raises:
            SafetyStop: it is guarded, or something in it is.
        """
        self._guarded.check_removal(self.status(path))
        if self._dry_run:
            return count_entries(self._directories, path)
        return remove_entry(self._directories, path)

    def close(self) -> None:
        """Abort unfinished files and close everything; nobody uses it any more."""
        for file in list(self._unfinished):
            file.abort()
        self._directories.close()

    def _place(self, path: bytes) -> Place:
        return Place(path, self._directories.hold, self.remove)

    def _finish(self, place: Place, node: Node, *, replace: bool) -> None:
        """Sets metadata of what was made under the temporary name, and installs it."""
        descriptor = os.open(place.temporary, _LOOK, dir_fd=place.directory.descriptor)
        try:
            status = os.fstat(descriptor)
            if not is_kind(status, node) or status.st_nlink != 1:
                raise unsafe_path(place.path, "somebody replaced it while it was made")
            where = path_of_descriptor(descriptor)
            is_bare = not place.directory.gives_attributes
            self._metadata.write(where, node, status, is_bare=is_bare)
        finally:
            os.close(descriptor)
        place.install(replace=replace)
        self._links.add_made(place.path, node, status)

    def _file_ended(
        self, file: TargetFile, node: Node | None, status: os.stat_result | None
    ) -> None:
        self._unfinished.discard(file)
        if node is not None and status is not None:
            self._links.add_made(file.path, node, status)

    def _set_directory_metadata(self, path: bytes, node: Node) -> bool:
        with self._directories.hold(path) as directory:
            status = os.fstat(directory.descriptor)
            if not self._metadata.differs(directory.descriptor, node, status):
                return False
            self._metadata.write(directory.descriptor, node, status)
            directory.refresh()
        return True


def _would_be_new(status: os.stat_result | None, *, replace: bool) -> bool:
    if status is None:
        return True
    if stat.S_ISDIR(status.st_mode):
        return False
    if not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    return True


def _link(descriptor: int, place: Place) -> None:
    # through the descriptor: to the entry that was checked, whatever has its name
    os.link(
        path_of_descriptor(descriptor),
        place.temporary,
        dst_dir_fd=place.directory.descriptor,
        follow_symlinks=True,
    )
