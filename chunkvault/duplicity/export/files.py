"""How each file goes out: whole, or as what differs from the version before.

A delta is worth it where it is smaller than half of the file. It is planned from the
lists of chunks alone; the bytes come later, and only those that are new.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from chunkvault.duplicity.delta import Copy
from chunkvault.duplicity.export.file_data import (
    MAX_GATHERED_REFS,
    ChunkSource,
    read_in_groups,
)
from chunkvault.duplicity.export.runs import Run, delta_parts, match_runs
from chunkvault.errors import DamageError, FormatError
from chunkvault.format.content import ChunkRef, decode_refs
from chunkvault.format.node import Node, NodeKind
from chunkvault.ids import ID_BYTES
from chunkvault.repository import BlobReader
from chunkvault.snapshots.comparison import same_content
from chunkvault.snapshots.content import file_refs

__all__ = ["FilePlan", "plan_file"]

_MAX_KEPT_RUNS = 4096
_HOLE = bytes(ID_BYTES)
_DIFF = True
_WHOLE = False
_ZEROS = bytes(1 << 20)

Holes = tuple[tuple[int, int], ...]


class FilePlan(NamedTuple):
    """What is written of one file.

    Attributes:
        is_diff: a delta rather than the whole file.
        runs: gives what the file is made of, again each time it is called.
        chunks: that have to be read, in order; only the first few where there are
            more than `MAX_GATHERED_REFS`.
        literal_bytes: how much has to be read.
        holes: (offset, length) of each.
    """

    is_diff: bool
    runs: Callable[[], Iterable[Run]]
    chunks: list[ChunkRef]
    literal_bytes: int
    holes: Holes

    @property
    def is_small(self) -> bool:
        """Whether its chunks may wait in memory."""
        return len(self.chunks) <= MAX_GATHERED_REFS

    def data(
        self,
        reader: BlobReader,
        source: ChunkSource,
        on_damage: Callable[[DamageError], None],
    ) -> Iterable[bytes]:
        """The bytes to write.

        Args:
            reader: for a file that is not small.
            source: has the chunks of a small file.
            on_damage: told of a chunk of a file that is not small; zeros go out in
                its place, for what comes before has gone out already.

        Raises:
            DamageError: at once, if a chunk of a small file cannot be read.
        """
        if self.is_small:
            return list(_bytes_of((part, source) for part in self._parts()))
        return _bytes_of(read_in_groups(reader, self._parts()), on_damage)

    def _parts(self) -> Iterator[bytes | ChunkRef]:
        if self.is_diff:
            yield from delta_parts(self.runs())
            return
        for run in self.runs():
            assert isinstance(run, ChunkRef), "a whole file copies nothing"
            yield run


def plan_file(reader: BlobReader, old: Node | None, new: Node) -> FilePlan:
    """How to write a regular file.

    Args:
        reader: of the repository.
        old: what the archive has under this path; None if nothing.
        new: the file.

    Raises:
        DamageError: a list of the file's chunks cannot be read.
    """
    holes: Holes = ()
    if new.content_list is not None or _HOLE in new.content:
        holes = tuple(_holes(file_refs(reader, new)))
    if old is None or old.kind != NodeKind.FILE or not (old.size and new.size):
        return _whole(reader, new, holes)
    if same_content(old, new):
        everything: list[Run] = [Copy(0, new.size)]
        return FilePlan(_DIFF, lambda: everything, [], 0, holes)
    return _delta(reader, old, new, holes) or _whole(reader, new, holes)


def _whole(reader: BlobReader, node: Node, holes: Holes) -> FilePlan:
    if node.content_list is None:
        refs = decode_refs(node.content)
        if sum([ref.length for ref in refs]) != node.size:
            raise FormatError("the pieces of a file do not add up to its size")
        chunks = [ref for ref in refs if ref.blob_id is not None]
        return FilePlan(_WHOLE, lambda: refs, chunks, node.size, holes)
    first = islice(file_refs(reader, node), MAX_GATHERED_REFS + 1)
    return FilePlan(
        _WHOLE, lambda: file_refs(reader, node), list(first), node.size, holes
    )


def _delta(reader: BlobReader, old: Node, new: Node, holes: Holes) -> FilePlan | None:
    """The plan of a delta; None where it would not be worth it."""

    def runs() -> Iterator[Run]:
        return match_runs(_old_refs(reader, old), file_refs(reader, new))

    literal_bytes = 0
    chunks: list[ChunkRef] = []
    kept: list[Run] = []
    for run in runs():
        if isinstance(run, ChunkRef):
            literal_bytes += run.length
            if run.blob_id is not None and len(chunks) <= MAX_GATHERED_REFS:
                chunks.append(run)
            if literal_bytes * 2 >= new.size:
                return None
        if len(kept) <= _MAX_KEPT_RUNS:
            kept.append(run)
    if len(kept) <= _MAX_KEPT_RUNS:
        return FilePlan(_DIFF, lambda: kept, chunks, literal_bytes, holes)
    return FilePlan(_DIFF, runs, chunks, literal_bytes, holes)


def _old_refs(reader: BlobReader, old: Node) -> Iterator[ChunkRef]:
    """What can be known of the old version: a list that is lost ends it."""
    try:
        yield from file_refs(reader, old)
    except DamageError:
        return


def _holes(refs: Iterable[ChunkRef]) -> Iterator[tuple[int, int]]:
    """Holes that follow each other as one; also proves that all lists are there."""
    offset = 0
    start = length = 0
    for ref in refs:
        if ref.blob_id is not None:
            if length:
                yield start, length
            length = 0
        else:
            start = start if length else offset
            length += ref.length
        offset += ref.length
    if length:
        yield start, length


def _bytes_of(
    parts: Iterable[tuple[bytes | ChunkRef, ChunkSource]],
    on_damage: Callable[[DamageError], None] | None = None,
) -> Iterator[bytes]:
    for part, source in parts:
        if isinstance(part, bytes):
            yield part
        elif part.blob_id is None:
            yield from _zeros(part.length)
        else:
            try:
                data = source.read(part)
            except DamageError as error:
                if on_damage is None:
                    raise
                on_damage(error)
                yield from _zeros(part.length)
            else:
                yield data


def _zeros(length: int) -> Iterator[bytes]:
    return chain(
        (_ZEROS for _ in range(length // len(_ZEROS))),
        [_ZEROS[: length % len(_ZEROS)]] if length % len(_ZEROS) else [],
    )
