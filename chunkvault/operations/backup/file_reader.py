"""Read one file into chunks, and notice if it changes meanwhile."""

import errno
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from chunkvault.format.node import FLAG_CHANGED, FLAG_RECENT
from chunkvault.ids import BlobId
from chunkvault.localfs.capture import data_ranges, open_file, read_xattrs
from chunkvault.report import Progress
from chunkvault.snapshots.base_finder import BaseFinder
from chunkvault.snapshots.tree_writer import ContentWriter, StreamWriter

__all__ = ["FileReader", "ReadFile"]

_ATTEMPTS = 3
_READ_BYTES = 2 << 20
_CLOCK_TICK_NS = 20 * 10**6
"""Kernels stamp files with the time of their last tick, at most 10 ms ago."""


class ReadFile(NamedTuple):
    """A file as it was read.

    Attributes:
        status: of the file, as it was when the content was read.
        size: bytes that were stored.
        content: see `Node.content`.
        content_list: see `Node.content_list`.
        xattrs: see `Node.xattrs`.
        is_torn: it changed during every attempt, so that the content may mix
            old and new.
        is_recent: it had changed a moment before, so that another change right
            after might leave the same time stamp.
    """

    status: os.stat_result
    size: int
    content: bytes
    content_list: BlobId | None
    xattrs: tuple[tuple[bytes, bytes], ...]
    is_torn: bool
    is_recent: bool

    @property
    def flags(self) -> int:
        """See `Node.flags`."""
        return FLAG_CHANGED * self.is_torn | FLAG_RECENT * self.is_recent


class FileReader:
    """Reads files relative to open directories. One thread.

    Args:
        content: where it is stored.
        progress: counts the bytes of large files while they are read; those of an
            attempt that has to be repeated, too.
        started_ns: the time when reading began; None if no file is recent.

    Attributes:
        read_bytes: of all files so far.
    """

    def __init__(
        self, content: ContentWriter, progress: Progress, started_ns: int | None
    ) -> None:
        self._recent_ns = None if started_ns is None else started_ns - _CLOCK_TICK_NS
        self._content = content
        self._progress = progress
        self.read_bytes = 0

    def read(
        self,
        directory: int,
        name: bytes,
        status: os.stat_result,
        find_bases: Callable[[], BaseFinder | None],
    ) -> ReadFile:
        """Store a file's content; ``status`` is what its directory said.

        ``find_bases`` gives the chunks of its last version, for each attempt anew.

        Raises:
            OSError: it cannot be read, or is no file any more.
        """
        descriptor = open_file(directory, name)
        try:
            found = self._attempt(descriptor, status, find_bases())
            for _ in range(_ATTEMPTS - 1):
                if not found.is_torn:
                    break
                found = self._attempt(descriptor, found.status, find_bases())
            return found
        finally:
            os.close(descriptor)

    def _attempt(
        self, descriptor: int, status: os.stat_result, bases: BaseFinder | None
    ) -> ReadFile:
        size = status.st_size
        content_list = None
        if self._content.is_small(size):
            data = _read_up_to(descriptor, size + 1)
            content = self._content.save_small(data, bases)
            read_bytes = len(data)
        else:
            stream = self._content.start(bases)
            self._copy(descriptor, status, stream)
            content, content_list = stream.finish()
            read_bytes = stream.size
        self.read_bytes += read_bytes
        after = os.fstat(descriptor)
        if not stat.S_ISREG(after.st_mode):
            raise OSError(errno.ESTALE, "it was replaced while it was read")
        is_torn = read_bytes != size or _differs(status, after)
        xattrs = read_xattrs(descriptor)
        return ReadFile(
            after,
            read_bytes,
            content,
            content_list,
            xattrs,
            is_torn,
            self._recent_ns is not None and after.st_ctime_ns >= self._recent_ns,
        )

    def _copy(
        self, descriptor: int, status: os.stat_result, stream: StreamWriter
    ) -> None:
        size = status.st_size
        offset = 0
        for length, is_data in data_ranges(descriptor, size, status.st_blocks):
            if is_data:
                self._copy_run(descriptor, offset, length, size, stream)
            else:
                stream.write_hole(length)
                self._progress.done_bytes += length
            offset += length

    def _copy_run(
        self,
        descriptor: int,
        offset: int,
        length: int,
        size: int,
        stream: StreamWriter,
    ) -> None:
        end = offset + length
        while offset < end:
            data = os.pread(descriptor, min(_READ_BYTES, end - offset), offset)
            if not data:
                return
            offset += len(data)
            stream.write(data, is_end=offset == size)
            self._progress.done_bytes += len(data)


def _differs(before: os.stat_result, after: os.stat_result) -> bool:
    return (
        before.st_ino != after.st_ino
        or before.st_size != after.st_size
        or before.st_mtime_ns != after.st_mtime_ns
        or before.st_ctime_ns != after.st_ctime_ns
    )


def _read_up_to(descriptor: int, length: int) -> bytes:
    data = os.pread(descriptor, length, 0)
    if len(data) in (0, length - 1):
        return data
    # The file system gave less than there is, or the file changed.
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), len(data))
        if not more:
            break
        data += more
    return data
