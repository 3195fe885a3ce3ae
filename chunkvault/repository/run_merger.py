"""Merge small index runs into larger ones, so that there are always few.

A run stays as long as it is at least twice as large as all smaller ones together
(the logarithmic method of Bentley and Saxe, 1980); otherwise it is merged with them,
once there are four or more. So the number of runs grows with the logarithm of the
number of backups: five on average after 1,000 backups and 10 million rows, nine at
most, each of which costs a cold reader a request or two. A row is rewritten five to
ten times in the life of a repository.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from operator import eq

from chunkvault.backends.base import Backend
from chunkvault.errors import DamageError, ObjectNotFound
from chunkvault.format.index_blocks import ROWS_PER_BLOCK, VolumeRecord
from chunkvault.format.index_records import block_of_records, records_of_block
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import VolumeId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.run_writer import (
    delete_runs,
    hashes_of,
    store_merged_run,
)
from chunkvault.repository.stored_run import StoredRun

__all__ = ["merge_runs"]

_FEWEST = 4
_FACTOR = 2
_MAX_ROWS = 16_000_000
"""Longer runs stay as they are, and no longer ones are made of more than four.

At 1 to 3 µs of processor time a row a merge takes less than a minute (0009).
"""


def merge_runs(backend: Backend, keyring: Keyring, index: BlobIndex) -> int:
    """Merge what is to be merged; gives the bytes stored. Memory stays flat.

    The merged run is durable before those it replaces are deleted, and names
    them, so that a reader who sees both uses the merged one alone. A reader who
    still holds a deleted one lists the runs again.
    """
    runs = _mergeable(index.runs)
    if runs:
        with suppress(DamageError, ObjectNotFound):
            return _merge(backend, keyring, index, runs)
    return 0


def _mergeable(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """The smallest runs, as far as one of them is not much larger than the rest."""
    small = [run for run in runs if run.fence.row_count <= _MAX_ROWS]
    small.sort(key=lambda run: run.fence.row_count)
    rows = count = 0
    for number, run in enumerate(small, 1):
        if rows + run.fence.row_count > _MAX_ROWS and number > _FEWEST:
            break
        if run.fence.row_count < _FACTOR * rows:
            count = number
        rows += run.fence.row_count
    return small[:count] if count >= _FEWEST else []


def _merge(
    backend: Backend, keyring: Keyring, index: BlobIndex, runs: list[StoredRun]
) -> int:
    volumes: dict[VolumeId, int] = {}
    numberings = [_number(run, volumes) for run in runs]
    records = _in_order(list(map(_records, runs, numberings)))
    blocks = map(block_of_records, _grouped(records))
    volume_records = _distinct_volumes(runs)
    info = store_merged_run(backend, keyring, blocks, volume_records, hashes_of(runs))
    index.replace_runs(info, runs)
    delete_runs(backend, runs)
    return info.size


def _number(run: StoredRun, volumes: dict[VolumeId, int]) -> list[int]:
    """The merged run's number of each volume; one listed twice gets one number."""
    return [
        volumes.setdefault(volume_id, len(volumes))
        for volume_id, _, _ in run.volume_sizes()
    ]


def _distinct_volumes(runs: Iterable[StoredRun]) -> Iterator[VolumeRecord]:
    """The volumes in the order of their numbers."""
    seen: set[VolumeId] = set()
    for volume in chain.from_iterable(run.volumes() for run in runs):
        if volume.volume_id not in seen:
            seen.add(volume.volume_id)
            yield volume


def _records(run: StoredRun, numbering: list[int]) -> Iterator[list[bytes]]:
    """The records of a run, block by block."""
    for block in run.blocks():
        yield records_of_block(block, numbering)


def _in_order(streams: list[Iterator[list[bytes]]]) -> Iterator[list[bytes]]:
    """The records of all streams together, sorted by prefix; in pieces, none twice.

    Holds one block of each stream. In every turn that with the lowest end is used up,
    and of the others what lies before that end. They are sorted anew, which is a
    merge: Python's sort looks for what is in order already.
    """
    heads = [(next(stream, []), stream) for stream in streams]
    heads = [(head, stream) for head, stream in heads if head]
    while heads:
        bound = min(head[-1] for head, _ in heads)
        piece: list[bytes] = []
        left: list[tuple[list[bytes], Iterator[list[bytes]]]] = []
        for head, stream in heads:
            end = bisect_right(head, bound)
            piece += head[:end]
            rest = head[end:] or next(stream, [])
            if rest:
                left.append((rest, stream))
        heads = left
        piece.sort()
        if any(map(eq, piece, piece[1:])):
            piece = list(dict.fromkeys(piece))
        yield piece


def _grouped(pieces: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    """The same records by `ROWS_PER_BLOCK`."""
    waiting: list[bytes] = []
    for piece in pieces:
        waiting += piece
        while len(waiting) >= ROWS_PER_BLOCK:
            yield waiting[:ROWS_PER_BLOCK]
            waiting = waiting[ROWS_PER_BLOCK:]
    if waiting:
        yield waiting
