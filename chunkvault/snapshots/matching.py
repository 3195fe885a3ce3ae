"""Which parts of a file on the disk a snapshot's version of it has too.

Chunks are known by their hashes, so this reads the file and nothing of the
repository's data.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator

from chunkvault.format.blob import MAX_BLOB_BYTES, BlobKind
from chunkvault.format.content import ChunkRef
from chunkvault.ids import BlobId

__all__ = ["IdentifyBlob", "match_refs", "read_chunk"]

IdentifyBlob = Callable[[int, bytes], BlobId]
"""The id that content of a kind has, see `chunkvault.repository.Repository`."""

_READ_BYTES = 1 << 20
_ZEROS = bytes(_READ_BYTES)


def match_refs(
    fd: int, refs: Iterable[ChunkRef], identify: IdentifyBlob
) -> Iterator[bool]:
    """Whether the file has each reference's bytes at its place, in order."""
    offset = 0
    for length, blob_id in refs:
        if blob_id is None:
            yield _is_zero(fd, offset, length)
        else:
            yield read_chunk(fd, offset, (length, blob_id), identify) is not None
        offset += length


def read_chunk(
    fd: int, offset: int, chunk: tuple[int, BlobId], identify: IdentifyBlob
) -> bytes | None:
    """The bytes of a chunk (length, id) if they stand at ``offset``, else None."""
    length, blob_id = chunk
    if length > MAX_BLOB_BYTES:
        return None
    data = os.pread(fd, length, offset)
    if len(data) != length or identify(BlobKind.CHUNK, data) != blob_id:
        return None
    return data


def _is_zero(fd: int, offset: int, length: int) -> bool:
    """Whether the file has nothing but zeros there; holes are not read."""
    end = offset + length
    if end > os.fstat(fd).st_size:
        return False
    while (offset := _next_data(fd, offset)) < end:
        data = os.pread(fd, min(_READ_BYTES, end - offset), offset)
        if not data or data != _ZEROS[: len(data)]:
            return False
        offset += len(data)
    return True


def _next_data(fd: int, offset: int) -> int:
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end
            return os.fstat(fd).st_size
        return offset
