"""Which runs are merged, and that nothing is lost or doubled by it."""

import random

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.format import names
from chunkvault.format.directory import FrameRecord
from chunkvault.format.index_blocks import IndexRow, VolumeRecord
from chunkvault.format.volume import build_header
from chunkvault.ids import VolumeId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.run_merger import merge_runs
from chunkvault.repository.run_writer import store_run
from tests.support.format_strategies import KEYRING

HEADER = build_header(
    KEYRING, 1, salt=bytes(32), nonce=bytes(24), volume_key=bytes(32)
).header


def a_volume(seed):
    digest = VolumeId(random.Random(-1 - seed).randbytes(32))
    return VolumeRecord(digest, 1, 500, HEADER, (FrameRecord(100, 90, 0),))


def store(backend, rows, volumes):
    rows = sorted(rows, key=lambda row: row.prefix)
    store_run(backend, KEYRING, rows, volumes)
    return rows


def invent(seed, count, volume=0):
    source = random.Random(seed)
    return [
        IndexRow(source.randbytes(16), volume, 0, number, 9, 9, None)
        for number in range(count)
    ]


def merged(backend):
    merge_runs(backend, KEYRING, BlobIndex(backend, KEYRING))
    return sorted(
        (run.fence.row_count for run in BlobIndex(backend, KEYRING).runs), reverse=True
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([10, 10, 10], [10, 10, 10]),  # too few to be worth it
        ([10, 10, 10, 10], [40]),
        ([90, 10, 10, 10, 10], [90, 40]),  # at least twice as large as the rest
        ([79, 10, 10, 10, 10], [119]),
        ([80, 10, 10, 10, 10], [80, 40]),
        ([5000, 1000, 300, 100, 40], [5000, 1000, 300, 100, 40]),
        ([5000, 1000, 300, 100, 60], [5000, 1000, 300, 100, 60]),
        ([5000, 1000, 300, 100, 60, 40], [5000, 1000, 500]),
    ],
)
def test_runs_are_merged_that_are_not_much_larger_than_all_smaller(before, after):
    backend = MemoryBackend()
    for seed, count in enumerate(before):
        store(backend, invent(seed, count), [a_volume(seed)])
    assert merged(backend) == after
    assert merged(backend) == after


def test_very_long_runs_are_left_alone(monkeypatch):
    monkeypatch.setattr("chunkvault.repository.run_merger._MAX_ROWS", 100)
    backend = MemoryBackend()
    for seed, count in enumerate([150, 40, 30, 30, 30, 30]):
        store(backend, invent(seed, count), [a_volume(seed)])
    assert merged(backend) == [150, 120, 40]


def test_merged_rows_are_those_of_all_runs_in_order():
    backend = MemoryBackend()
    expected = []
    for seed in range(5):
        volume = a_volume(seed)
        rows = store(backend, invent(seed, 700 * (seed + 1)), [volume])
        expected += [(row._replace(volume=0), volume.volume_id) for row in rows]
    assert merged(backend) == [700 * 15]
    [run] = BlobIndex(backend, KEYRING).runs
    rows = list(run.rows())
    volumes = list(run.volumes())
    assert [row.prefix for row in rows] == sorted(row.prefix for row in rows)
    found = [(row._replace(volume=0), volumes[row.volume].volume_id) for row in rows]
    assert sorted(found) == sorted(expected)


def test_volume_listed_in_several_runs_is_listed_once_with_its_rows():
    backend = MemoryBackend()
    rows = invent(1, 3000)
    for seed in range(4):
        volumes = [a_volume(seed), a_volume(99)]
        both = [*invent(seed + 10, 10), *(row._replace(volume=1) for row in rows)]
        store(backend, both, volumes)
    assert merged(backend) == [3040]
    [run] = BlobIndex(backend, KEYRING).runs
    assert len(list(run.volumes())) == 5


def test_blob_with_many_places_keeps_them_all():
    backend = MemoryBackend()
    prefix = bytes(16)
    for seed in range(4):
        rows = [IndexRow(prefix, 0, 0, place, 9, 9, None) for place in range(1500)]
        store(backend, [*rows, *invent(seed, 10)], [a_volume(seed)])
    assert merged(backend) == [4 * 1510]
    [run] = BlobIndex(backend, KEYRING).runs
    assert len(run.find(prefix)) == 4 * 1500


def test_row_that_names_no_volume_leaves_the_runs_as_they_are():
    backend = MemoryBackend()
    for seed in range(4):
        rows = invent(seed, 10, volume=int(seed == 3))
        store(backend, rows, [a_volume(seed)])
    assert merged(backend) == [10] * 4
    assert len(list(backend.list(names.INDEX))) == 4
