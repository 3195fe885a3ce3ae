"""The content of imported files: whole ones, and deltas against what is stored.

duplicity rebuilds a version by applying every delta since the last full backup.
Here the version before is a file of the repository that is read at any place, and
of an unchanged part not even that: where a delta copies a whole chunk, and a chunk
begins at this place anyway, its reference is taken over.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chunkvault.duplicity.delta import Copy, read_delta
from chunkvault.ids import BlobId
from chunkvault.snapshots.base_finder import BaseFinder
from chunkvault.snapshots.file_ranges import FileRanges, Run
from chunkvault.snapshots.tree_writer import ContentWriter, StreamWriter

__all__ = ["FileContent", "Holes", "StoredContent", "piece_reader", "write_delta"]

_COPY_BYTES = 1 << 20

Holes = Iterable[tuple[int, int]]
"""Runs without data, as (offset, length), in order."""


class StoredContent(NamedTuple):
    """What a file's node says about its content."""

    size: int
    content: bytes
    content_list: BlobId | None


class FileContent:
    """Content that comes in pieces, of a length that nobody knows.

    Short content is stored as a backup would store it, in one chunk.

    Args:
        writer: where it is stored.
        find_bases: gives the chunks of the version before.
        holes: where zeros stand for nothing; anything else is kept there, too.
    """

    def __init__(
        self,
        writer: ContentWriter,
        find_bases: Callable[[], BaseFinder | None],
        holes: Holes = (),
    ) -> None:
        self._writer = writer
        self._find_bases = find_bases
        self._head = bytearray()
        self._stream: StreamWriter | None = None
        self._holes = iter(holes)
        self._hole = next(self._holes, None)
        self._hollow = 0
        self._place = 0

    def write(self, data: bytes) -> None:
        """The next bytes."""
        while data and (hole := self._hole) is not None:
            start, length = hole
            if self._place + len(data) <= start:
                break
            before = max(start - self._place, 0)
            self._write(data[:before])
            data = data[before:]
            data = self._pass_hole(data, start + length)
        self._write(data)

    def add_chunk(self, run: Run) -> bool:
        """The next bytes are a chunk of the version before; False if not so cut."""
        blob_id = run.ref.blob_id
        if self._stream is None or blob_id is None or self._hole is not None:
            return False
        return self._stream.add_chunk(run.ref.length, blob_id)

    def settle(self, run: Run) -> None:
        """What was written last was a whole chunk of the version before."""
        blob_id = run.ref.blob_id
        if self._stream is not None and blob_id is not None and self._hole is None:
            self._stream.settle(run.ref.length, blob_id)

    def finish(self) -> StoredContent:
        """Store what is left."""
        self._end_hole()
        if self._stream is None:
            data = bytes(self._head)
            content = self._writer.save_small(data, self._find_bases())
            return StoredContent(len(data), content, None)
        content, content_list = self._stream.finish()
        return StoredContent(self._stream.size, content, content_list)

    def _write(self, data: bytes) -> None:
        self._place += len(data)
        if self._stream is not None:
            self._stream.write(data)
        elif self._writer.is_small(len(self._head) + len(data)):
            self._head += data
        else:
            self._start().write(data)

    def _start(self) -> StreamWriter:
        self._stream = self._writer.start(self._find_bases())
        self._stream.write(bytes(self._head))
        self._head.clear()
        return self._stream

    def _pass_hole(self, data: bytes, end: int) -> bytes:
        """Leave out what lies in the hole; what follows it."""
        inside = data[: end - self._place]
        if inside.count(0) == len(inside):
            self._hollow += len(inside)
            self._place += len(inside)
        else:
            self._end_hole()
            self._write(inside)
        if self._place == end:
            self._end_hole()
            self._hole = next(self._holes, None)
        return data[len(inside) :]

    def _end_hole(self) -> None:
        if self._hollow:
            stream = self._stream or self._start()
            stream.write_hole(self._hollow)
            self._hollow = 0


def write_delta(
    file: FileContent,
    delta: Iterable[bytes],
    before: FileRanges,
    *,
    takes_chunks: bool,
) -> None:
    """Write what a delta makes of the version before.

    Args:
        file: where to.
        delta: the bytes of the delta, in pieces.
        before: the version that it is against.
        takes_chunks: whether stored chunks may be taken over unread.

    Raises:
        DamageError: the delta makes no sense, or the version before is damaged.
    """
    for command in read_delta(piece_reader(iter(delta)), before.size):
        if isinstance(command, Copy):
            _copy(file, before, command, takes_chunks=takes_chunks)
        else:
            file.write(command.data)


def piece_reader(pieces: Iterator[bytes]) -> Callable[[int], bytes]:
    """A function that reads so many bytes of them, fewer only at the end."""
    buffer, place = b"", 0

    def read(size: int) -> bytes:
        nonlocal buffer, place
        while len(buffer) - place < size:
            piece = next(pieces, b"")
            if not piece:
                break
            buffer, place = buffer[place:] + piece, 0
        data = buffer[place : place + size]
        place += len(data)
        return data

    return read


def _copy(
    file: FileContent, before: FileRanges, copy: Copy, *, takes_chunks: bool
) -> None:
    offset, end = copy.offset, copy.offset + copy.length
    while offset < end:
        run = before.find(offset)
        is_whole = takes_chunks and run.is_cut
        is_whole = is_whole and offset == run.start and run.end <= end
        if not is_whole or not file.add_chunk(run):
            _copy_bytes(file, before, run, offset, min(run.end, end))
            if is_whole:
                file.settle(run)
        offset = min(run.end, end)


def _copy_bytes(
    file: FileContent, before: FileRanges, run: Run, start: int, end: int
) -> None:
    for offset in range(start, end, _COPY_BYTES):
        length = min(_COPY_BYTES, end - offset)
        file.write(before.read(run, offset, length))
