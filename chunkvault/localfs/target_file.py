"""A file that is being restored: written under a temporary name, then renamed."""

import errno
import os
from collections.abc import Callable
from typing import Self

from chunkvault.format.node import Node
from chunkvault.localfs.hard_links import Identity, identity_of
from chunkvault.localfs.metadata import MetadataWriter
from chunkvault.localfs.paths import named_error, unsafe_path
from chunkvault.localfs.place import Place

__all__ = ["TargetFile", "UnwrittenFile"]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_REOPEN = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_LARGEST_SIZE = 2**63 - 1
"""Beyond it the kernel cannot count."""


class TargetFile:
    """A new file in the making.

    Nobody sees it under its name before `commit`. Ranges that are never written
    become holes. As a context manager it aborts unless it was committed.

    Args:
        place: where it goes; released when the file ends.
        size: its final size.
        metadata: what sets its metadata.
        on_end: called once, with the file and, if it was committed, its node and
            what the file was like before its metadata were set.
    """

    __slots__ = (
        "_descriptor",
        "_identity",
        "_is_ended",
        "_is_whole",
        "_metadata",
        "_on_end",
        "_place",
        "_size",
    )

    def __init__(
        self,
        place: Place,
        size: int,
        metadata: MetadataWriter,
        on_end: Callable[["TargetFile", Node | None, os.stat_result | None], None],
    ) -> None:
        if size > _LARGEST_SIZE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._place = place
        self._size = size
        self._metadata = metadata
        self._on_end = on_end
        self._is_whole = size == 0
        self._is_ended = False
        self._identity: Identity | None = None
        directory = place.directory.descriptor
        self._descriptor = os.open(place.temporary, _CREATE, 0o600, dir_fd=directory)

    @property
    def path(self) -> bytes:
        """Where it will be, relative to the target."""
        return self._place.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of the bytes; any thread may, any order will do.

        Raises:
            TargetFull: there is no space; the caller aborts.
            OSError: anything else, with the file's path.
        """
        try:
            if self._descriptor < 0:
                self._resume()
            written = os.pwrite(self._descriptor, data, offset)
            if written < len(data):
                self._write_rest(offset + written, memoryview(data)[written:])
        except OSError as error:
            raise named_error(error, self._place.path) from error
        if offset == 0 and len(data) == self._size:
            self._is_whole = True

    def suspend(self) -> None:
        """Use no descriptor until the next write or commit; nobody writes now.

        So there can be more files in the making than a process may have open.

        Raises:
            TargetFull: there is no space, as some file systems say only now.
            OSError: anything else, with the file's path.
        """
        if self._descriptor < 0:
            return
        try:
            self._identity = identity_of(os.fstat(self._descriptor))
            self._close()
        except OSError as error:
            raise named_error(error, self._place.path) from error
        self._place.release()

    def commit(self, node: Node, *, replace: bool = True) -> None:
        """Give the file its size, its metadata and its name; nobody writes any more.

        Whatever has that name is replaced in one step; a directory is removed
        before that. If anything fails the file is aborted.

        Raises:
            FileExistsError: something has that name and is not to be replaced.
            TargetFull: there is no space.
            OSError: anything else, with the file's path.
        """
        try:
            status = self._finish(node)
            self._place.install(replace=replace)
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError):
                raise named_error(error, self._place.path) from error
            raise
        self._end(node, status)

    def abort(self) -> None:
        """Remove the unfinished file; nobody writes any more, twice does no harm."""
        if self._is_ended:
            return
        try:
            self._close()
            self._place.discard()
        finally:
            self._end(None, None)

    def _resume(self) -> None:
        """Opens it again; it must be the same file that was suspended."""
        if self._is_ended:
            raise ValueError("the file is finished")
        self._place.resume()
        directory = self._place.directory.descriptor
        descriptor = os.open(self._place.temporary, _REOPEN, dir_fd=directory)
        if identity_of(os.fstat(descriptor)) != self._identity:
            os.close(descriptor)
            raise unsafe_path(
                self._place.path, "somebody replaced it while it was made"
            )
        self._descriptor = descriptor

    def _write_rest(self, offset: int, rest: memoryview) -> None:
        while rest:
            written = os.pwrite(self._descriptor, rest, offset)
            offset += written
            rest = rest[written:]

    def _finish(self, node: Node) -> os.stat_result:
        if self._descriptor < 0:
            self._resume()
        descriptor = self._descriptor
        if not self._is_whole or node.size != self._size:
            os.ftruncate(descriptor, node.size)
        status = os.fstat(descriptor)
        is_bare = not self._place.directory.gives_attributes
        self._metadata.write(descriptor, node, status, is_bare=is_bare)
        self._close()  # before the rename: some file systems report failures here
        return status

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _end(self, node: Node | None, status: os.stat_result | None) -> None:
        self._is_ended = True
        self._place.release()
        self._on_end(self, node, status)


class UnwrittenFile(TargetFile):
    """A file of a dry run: nothing is created."""

    __slots__ = ()

    def __init__(self) -> None:
        """There is nothing to keep."""

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Nothing is written."""

    def commit(self, node: Node, *, replace: bool = True) -> None:
        """Nothing is created."""

    def suspend(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is removed."""
