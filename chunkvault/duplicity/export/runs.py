"""A file's change as a delta, made from chunk lists: nothing is read for it.

Both versions of the file are lists of chunks. What the new list has in common with
the old one becomes a copy; only chunks that the old one lacks have to be read.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from chunkvault.duplicity.delta import (
    DELTA_END,
    DELTA_MAGIC,
    Copy,
    copy_command,
    literal_command,
)
from chunkvault.format.content import ChunkRef
from chunkvault.ids import BlobId

__all__ = ["Run", "delta_parts", "match_runs"]

_WINDOW_REFS = 100_000
"""How far from its place a chunk is looked for: a few gigabytes either way."""

_MAX_LITERAL_BYTES = 1 << 20
_ZEROS = bytes(_MAX_LITERAL_BYTES)

Run = Copy | ChunkRef
"""Bytes of the old file, or a chunk (or hole) that it lacks."""


def match_runs(old: Iterable[ChunkRef], new: Iterable[ChunkRef]) -> Iterator[Run]:
    """The new file as runs; copies that follow each other are one.

    Memory is bounded: of the old file as many references are known as fit into
    the window, which moves along with the new one.
    """
    window = _Window(old)
    pending: Copy | None = None
    for ref in new:
        window.advance()
        for run in window.find(ref):
            if not isinstance(run, Copy):
                if pending is not None:
                    yield pending
                    pending = None
                yield run
            elif pending is not None and run.offset == sum(pending):
                pending = Copy(pending.offset, pending.length + run.length)
            else:
                if pending is not None:
                    yield pending
                pending = run
    if pending is not None:
        yield pending


def delta_parts(runs: Iterable[Run]) -> Iterator[bytes | ChunkRef]:
    """The delta as bytes, and chunks whose bytes belong in between."""
    yield DELTA_MAGIC
    for run in runs:
        if isinstance(run, Copy):
            yield copy_command(*run)
        elif run.blob_id is not None:
            yield literal_command(run.length)
            yield run
        else:
            yield from _zeros(run.length)
    yield DELTA_END


def _zeros(length: int) -> Iterator[bytes]:
    while length:
        count = min(length, _MAX_LITERAL_BYTES)
        yield literal_command(count)
        yield _ZEROS[:count]
        length -= count


class _Window:
    """The references of the old file around a place, by chunk."""

    def __init__(self, refs: Iterable[ChunkRef]) -> None:
        self._refs = iter(refs)
        self._offset = 0
        self._known: dict[BlobId, tuple[int, int]] = {}
        self._order: deque[tuple[int, BlobId]] = deque()
        self._hole = Copy(0, 0)
        for _ in range(_WINDOW_REFS):
            self.advance()

    def advance(self) -> None:
        """Take in the next reference; forget one that is far behind."""
        ref = next(self._refs, None)
        if ref is None:
            return
        offset = self._offset
        self._offset += ref.length
        if ref.blob_id is None:
            if ref.length > self._hole.length:
                self._hole = Copy(offset, ref.length)
            return
        self._known[ref.blob_id] = (offset, ref.length)
        self._order.append((offset, ref.blob_id))
        if len(self._order) > 2 * _WINDOW_REFS:
            self._forget()

    def find(self, ref: ChunkRef) -> Iterator[Run]:
        """Copies that make up a reference, or the reference itself."""
        if ref.blob_id is None:
            yield from self._find_hole(ref.length)
            return
        known = self._known.get(ref.blob_id)
        if known is None or known[1] != ref.length:
            yield ref
        else:
            yield Copy(*known)

    def _find_hole(self, length: int) -> Iterator[Run]:
        """A hole of any length is as good as another, several times if need be."""
        if not self._hole.length:
            yield ChunkRef(length, None)
            return
        while length:
            count = min(length, self._hole.length)
            yield Copy(self._hole.offset, count)
            length -= count

    def _forget(self) -> None:
        offset, blob_id = self._order.popleft()
        known = self._known.get(blob_id)
        if known is not None and known[0] == offset:
            del self._known[blob_id]
