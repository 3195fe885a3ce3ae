"""Merge small index runs into larger ones, so that there are always few.

Runs are merged in tiers, as in a log-structured merge tree (O'Neil et al., 1996):
`_FAN_IN` runs of about one size become one of the next. Every row is rewritten a
handful of times in the life of a repository, and the number of runs grows with
the logarithm of the number of backups.
"""

from collections.abc import Iterator
from contextlib import suppress
from heapq import merge
from operator import itemgetter

from chunkvault.backends.base import Backend
from chunkvault.errors import AccessDenied, DamageError, ObjectNotFound
from chunkvault.format.index_blocks import IndexRow, VolumeRecord
from chunkvault.format.names import hash_in_name
from chunkvault.format.subkeys import Keyring
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.run_writer import store_run
from chunkvault.repository.stored_run import StoredRun

__all__ = ["merge_runs"]

_FAN_IN = 8
_SMALLEST_TIER_ROWS = 1024
_MAX_ROWS = 2_000_000
"""A run is built in memory, about 30 bytes a row; larger ones are left alone."""


def merge_runs(backend: Backend, keyring: Keyring, index: BlobIndex) -> int:
    """Merge where a tier is full; gives the bytes stored.

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
        rows = run.fence.row_count
        if rows <= _MAX_ROWS // _FAN_IN:
            tiers.setdefault(_tier(rows), []).append(run)
    return [runs for runs in tiers.values() if len(runs) >= _FAN_IN]


def _tier(rows: int) -> int:
    return max(0, (rows // _SMALLEST_TIER_ROWS).bit_length() + 1) // 3


def _merge(
    backend: Backend, keyring: Keyring, index: BlobIndex, runs: list[StoredRun]
) -> int:
    volumes: dict[bytes, int] = {}
    records: list[VolumeRecord] = []
    numberings = [_number(run, volumes, records) for run in runs]
    rows = merge(*map(_renumbered, runs, numberings), key=itemgetter(0))
    replaces = [hash_in_name(run.name) or b"" for run in runs]
    info = store_run(backend, keyring, _distinct(rows), records, replaces)
    index.replace_runs(info, runs)
    for run in runs:
        with suppress(AccessDenied):
            backend.delete(run.name)
    return info.size


def _number(
    run: StoredRun, volumes: dict[bytes, int], records: list[VolumeRecord]
) -> list[int]:
    """The merged run's number of each volume; one listed twice gets one number."""
    numbering = []
    for record in run.volumes():
        if record.volume_id not in volumes:
            volumes[record.volume_id] = len(records)
            records.append(record)
        numbering.append(volumes[record.volume_id])
    return numbering


def _renumbered(run: StoredRun, numbering: list[int]) -> Iterator[IndexRow]:
    for row in run.rows():
        yield row._replace(volume=numbering[row.volume])


def _distinct(rows: Iterator[IndexRow]) -> Iterator[IndexRow]:
    last = None
    for row in rows:
        if row != last:
            yield row
        last = row
