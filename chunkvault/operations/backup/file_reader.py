"""Read one file into chunks, and notice if it changes meanwhile."""

import errno
import os
import stat

from chunkvault.format.node import FLAG_CHANGED, FLAG_RECENT, LAST_TIME_NS, Node
from chunkvault.localfs.capture import (
    OwnerNames,
    data_ranges,
    make_node,
    open_file,
    read_xattrs,
)
from chunkvault.operations.backup.similar import bases_of
from chunkvault.report import Progress
from chunkvault.repository import BlobReader
from chunkvault.snapshots.tree_writer import ContentWriter, StreamWriter

__all__ = ["FileReader"]

_ATTEMPTS = 3
_READ_BYTES = 2 << 20
_CLOCK_TICK_NS = 20 * 10**6
"""Kernels stamp files with the time of their last tick, at most 10 ms ago."""


class FileReader:
    """Reads files relative to open directories. One thread.

    Args:
        content: where it is stored.
        reader: of the chunks of older versions.
        owners: names of users and groups.
        progress: counts the bytes of large files while they are read; those of an
            attempt that has to be repeated, too.
        started_ns: the time when reading began; None if no file is recent.

    Attributes:
        read_bytes: of all files so far.
    """

    def __init__(
        self,
        content: ContentWriter,
        reader: BlobReader,
        owners: OwnerNames,
        progress: Progress,
        started_ns: int | None,
    ) -> None:
        self._recent_ns = (
            LAST_TIME_NS + 1 if started_ns is None else started_ns - _CLOCK_TICK_NS
        )
        self._content = content
        self._reader = reader
        self._owners = owners
        self._progress = progress
        self.read_bytes = 0

    def read(
        self,
        directory: int,
        name: bytes,
        status: os.stat_result,
        before: Node | None,
    ) -> Node:
        """Store a file's content; gives its node, with metadata of when it was read.

        Args:
            directory: descriptor of the one that it is in.
            name: its name there.
            status: what its directory said.
            before: its last version, or something like it.

        Raises:
            OSError: it cannot be read, or is no file any more.
        """
        descriptor = open_file(directory, name)
        try:
            node = self._attempt(descriptor, name, status, before)
            for _ in range(_ATTEMPTS - 1):
                if not node.flags & FLAG_CHANGED:
                    break
                node = self._attempt(descriptor, name, os.fstat(descriptor), before)
            return node
        finally:
            os.close(descriptor)

    def _attempt(
        self, descriptor: int, name: bytes, status: os.stat_result, before: Node | None
    ) -> Node:
        bases = bases_of(self._reader, before)
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
        is_recent = after.st_ctime_ns >= self._recent_ns
        return make_node(
            name,
            after,
            self._owners,
            size=read_bytes,
            xattrs=read_xattrs(descriptor),
            content=content,
            content_list=content_list,
            flags=FLAG_CHANGED * is_torn | FLAG_RECENT * is_recent,
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
