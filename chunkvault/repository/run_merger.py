"""Merge small index runs into larger ones, so that there are always few.

Runs are merged in tiers, as in a log-structured merge tree (O'Neil et al., 1996):
`_FAN_IN` runs of about one size become one of the next. Every row is rewritten a
handful of times in the life of a repository, and the number of runs grows with
the logarithm of the number of backups.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from heapq import merge
from itertools import chain
from operator import itemgetter

from chunkvault.backends.base import Backend
from chunkvault.errors import AccessDenied, DamageError, ObjectNotFound
from chunkvault.format.index_blocks import IndexRow, VolumeRecord
from chunkvault.format.names import hash_in_name
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import VolumeId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.run_writer import store_run
from chunkvault.repository.stored_run import StoredRun

__all__ = ["merge_runs"]

_FAN_IN = 8
_SMALLEST_TIER_ROWS = 1024
_MAX_ROWS = 16_000_000
"""Merged at a time: about a minute of work, once in a million blobs."""


def merge_runs(backend: Backend, keyring: Keyring, index: BlobIndex) -> int:
    """Merge where a tier is full; gives the bytes stored. Memory stays flat.

    The merged run is durable before those it replaces are deleted, and names
    them, so that a reader who sees both uses the merged one alone. A reader who
    still holds a deleted one lists the runs again.
    """
    stored_bytes = 0
    for runs in _full_tiers(index):
        with suppress(DamageError, ObjectNotFound):
            stored_bytes += _merge(backend, keyring, index, runs)
    return stored_bytes


def _full_tiers(index: BlobIndex) -> list[list[StoredRun]]:
    tiers: dict[int, list[StoredRun]] = {}
    for run in index.runs:
        tiers.setdefault(_tier(run.fence.row_count), []).append(run)
    return [_mergeable(runs) for runs in tiers.values() if len(runs) >= _FAN_IN]


def _tier(rows: int) -> int:
    return max(0, (rows // _SMALLEST_TIER_ROWS).bit_length() + 1) // 3


def _mergeable(runs: list[StoredRun]) -> list[StoredRun]:
    """The smallest of these; of large ones not all at once."""
    runs.sort(key=lambda run: run.fence.row_count)
    rows = 0
    for count, run in enumerate(runs):
        rows += run.fence.row_count
        if rows > _MAX_ROWS and count >= _FAN_IN:
            return runs[:count]
    return runs


def _merge(
    backend: Backend, keyring: Keyring, index: BlobIndex, runs: list[StoredRun]
) -> int:
    volumes: dict[VolumeId, int] = {}
    numberings = [_number(run, volumes) for run in runs]
    rows = merge(*map(_renumbered, runs, numberings), key=itemgetter(0))
    replaces = [hash_in_name(run.name) or b"" for run in runs]
    merged = (_distinct(rows), _distinct_volumes(runs))
    info = store_run(backend, keyring, *merged, replaces)
    index.replace_runs(info, runs)
    for run in runs:
        with suppress(AccessDenied):
            # The run first: who finds it finds its parts.
            for name in (run.name, *run.part_names):
                backend.delete(name)
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


def _renumbered(run: StoredRun, numbering: list[int]) -> Iterator[IndexRow]:
    for block in run.blocks():
        yield from block.rows(numbering)


def _distinct(rows: Iterator[IndexRow]) -> Iterator[IndexRow]:
    last = None
    for row in rows:
        if row != last:
            yield row
        last = row
