"""A file whose whole content is at hand: made, written and put in place in one go.

What `chunkvault.localfs.target_file` does in steps that may be far apart, in a
single call: of a tree of small files it is done a hundred thousand times.
"""

import os
from contextlib import suppress

from chunkvault.format.node import Node
from chunkvault.localfs.directories import Directory
from chunkvault.localfs.metadata import MetadataWriter

__all__ = ["Buffer", "write_whole"]

Buffer = bytes | bytearray | memoryview

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_whole(
    directory: Directory,
    name: bytes,
    node: Node,
    metadata: MetadataWriter,
    data: Buffer,
    temporary: bytes,
) -> os.stat_result:
    """Make the file under the temporary name, and replace what has its own.

    Returns what the file was like before its metadata were set.

    Raises:
        IsADirectoryError: a directory has its name. Nothing was done.
        OSError: anything else. Nothing was done.
    """
    parent = directory.descriptor
    descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=parent)
    try:
        try:
            _write(descriptor, data, node.size)
            status = os.fstat(descriptor)
            is_bare = not directory.gives_attributes
            metadata.write(descriptor, node, status, is_bare=is_bare)
        finally:
            os.close(descriptor)  # some file systems report failures only here
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise
    return status


def _write(descriptor: int, data: Buffer, size: int) -> None:
    written = os.pwrite(descriptor, data, 0) if data else 0
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], written)
    if written != size:
        os.ftruncate(descriptor, size)
