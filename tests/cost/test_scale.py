"""What large indexes cost: requests with and without a cache, and flat merging."""

import os
import random

import pytest

from chunkvault.backends.caching import CachingBackend
from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.format import index_run, names
from chunkvault.format.directory import FrameRecord
from chunkvault.format.index_blocks import IndexRow, VolumeRecord
from chunkvault.format.volume import build_header
from chunkvault.ids import VolumeId
from chunkvault.repository import (
    DEFAULT_SETTINGS,
    cached,
    look_ahead,
    open_repository,
)
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.run_merger import _merge, merge_runs
from chunkvault.repository.run_writer import store_run
from chunkvault.snapshots.catalog import Catalog, SnapshotQuery
from tests.support.builders import (
    KEY,
    back_up,
    copy_of,
    create_small,
    noise,
    open_small,
    restore_all,
    write_tree,
)
from tests.support.format_strategies import KEYRING
from tests.support.recording import RecordingBackend

ROWS = 20_000


def invented_rows(seed, count=ROWS):
    source = random.Random(seed)
    rows = (
        IndexRow(source.randbytes(16), 0, 0, number, 9, 9, None)
        for number in range(count)
    )
    return sorted(rows)


def store(backend, seed, count=ROWS, keyring=KEYRING):
    header = build_header(
        keyring, 1, salt=bytes(32), nonce=bytes(24), volume_key=bytes(32)
    ).header
    volume = VolumeId(random.Random(-seed).randbytes(32))
    record = VolumeRecord(volume, 1, 500, header, (FrameRecord(100, 90, 0),))
    rows = invented_rows(seed, count)
    store_run(backend, keyring, rows, [record])
    return rows


@pytest.fixture
def short_parts(monkeypatch):
    monkeypatch.setattr(index_run, "_PART_BYTES", 100_000)


def test_merged_runs_have_parts_and_know_every_blob(short_parts):
    backend = MemoryBackend()
    rows = [row for seed in range(8) for row in store(backend, seed, 3_000)]
    merge_runs(backend, KEYRING, BlobIndex(backend, KEYRING))
    [info] = backend.list(names.INDEX)
    assert info.name.startswith(names.LONG_INDEX)
    parts = list(backend.list(names.PARTS))
    assert len(parts) > 4
    assert max(part.size for part in parts) < 150_000
    index = BlobIndex(backend, KEYRING)
    assert sorted(row.prefix for row in index.runs[0].rows()) == sorted(
        row.prefix for row in rows
    )
    assert all(index.is_stored(row.prefix) for row in rows[::50])
    assert len(list(index.volumes())) == 8


def test_lost_part_is_told_as_damage_of_its_run(short_parts):
    backend = MemoryBackend()
    rows = store(backend, 1)
    for part in list(backend.list(names.PARTS)):
        backend.delete(part.name)
    index = BlobIndex(backend, KEYRING)
    assert not index.is_stored(rows[1].prefix)
    assert "lacks a part" in str(index.problems[0])


def test_new_blobs_read_a_filter_and_hardly_any_block():
    recording = RecordingBackend(MemoryBackend())
    store(recording, 1)
    before = len(recording.calls("get"))
    index = BlobIndex(recording, KEYRING)
    source = random.Random(9)
    assert not any(index.is_stored(source.randbytes(16)) for _ in range(1_000))
    # The end of the run, 16 blocks before the filter pays, the filter, and of the
    # others the blocks (twenty in all) that one question in 64 needs.
    assert len(recording.calls("get")) - before <= 1 + 20 + 1


@pytest.fixture
def source(tmp_path):
    way = "/".join("abcdefghij")
    return write_tree(tmp_path / "s", {f"{way}/file": noise(3_000), "x": b"x"})


def opened(repository, cache, recollection):
    recording = RecordingBackend(repository.backend)
    backend = cached(recording, cache)
    assert isinstance(backend, CachingBackend)
    return recording, open_repository(backend, KEY, recollection=recollection)


def test_one_file_from_a_cold_machine_takes_twelve_requests(source, tmp_path):
    repository = create_small()
    back_up(repository, source)
    recording = RecordingBackend(repository.backend)
    again = open_repository(recording, KEY)
    path = os.fsencode(source / "/".join("abcdefghij") / "file")
    restore_all(again, Catalog(again).find(), tmp_path / "to", paths=(path,))
    assert len(recording.calls()) <= 12


_WAYS = {3: "a/b/near", 8: "a/b/c/d/e/f/g/deep"}


@pytest.fixture(scope="module")
def long_history(tmp_path_factory):
    """A tree of 150 folders, and 13 snapshots: the files of `_WAYS` change in some."""
    source = tmp_path_factory.mktemp("history") / "s"
    random_names = random.Random(4)
    files = {way: noise(900, way) for way in _WAYS.values()}
    for number in range(150):
        way = "/".join(f"d{random_names.randrange(4)}" for _ in range(number % 7 + 1))
        files |= {f"{way}/{number}-{k}": noise(300, (number, k)) for k in range(4)}
    write_tree(source, files)
    repository = create_small(settings=DEFAULT_SETTINGS)
    names_of_files = sorted(files)
    for at in range(1, 14):
        back_up(repository, source, at=at)
        changed = [*random_names.sample(names_of_files, 3), _WAYS[3 if at % 2 else 8]]
        write_tree(source, {name: noise(300, (name, at)) for name in changed})
    return repository.backend, source


def _with_foreign_runs(backend):
    """What another machine stored in the same repository: 200,000 blobs more."""
    copy = copy_of(backend)
    for seed, count in ((1, 150_000), (2, 50_000)):
        store(copy, seed, count, open_small(copy)._keyring)
    return copy


def _cold(backend, source, way, which, target):
    """What it takes to restore one file without a cache: requests, bytes."""
    counting = CountingBackend(backend)
    ahead = look_ahead(counting, None, writes=False, connections=2)
    repository = open_repository(ahead, KEY, glances=True)
    query = SnapshotQuery(snapshot=f"latest~{12 - which}")
    snapshot = Catalog(repository).find(query)
    path = os.fsencode(source / way)
    assert restore_all(repository, snapshot, target, paths=(path,)).failed == 0
    assert (target / source.joinpath(way).name).stat().st_size in (300, 900)
    counts = counting.counts
    return counts.gets + counts.lists, counts.get_bytes


@pytest.mark.parametrize("depth", _WAYS)
@pytest.mark.parametrize(("which", "limit"), [(0, 6), (6, 9), (12, 9)])
def test_one_file_of_any_snapshot_from_a_cold_machine(
    long_history, tmp_path, depth, which, limit
):
    requests, moved = _cold(*long_history, _WAYS[depth], which, tmp_path / "to")
    assert requests <= limit
    assert moved < 1 << 20


@pytest.mark.parametrize("depth", _WAYS)
@pytest.mark.parametrize("which", [0, 6, 12])
def test_with_long_runs_of_other_machines_a_file_takes_twelve_requests(
    long_history, tmp_path, depth, which
):
    backend, source = long_history
    backend = _with_foreign_runs(backend)
    requests, moved = _cold(backend, source, _WAYS[depth], which, tmp_path / "to")
    assert requests <= 12
    assert moved < 2 << 20


def _with_long_run(backend):
    """As if the first backup had stored 300,000 blobs more, in parts."""
    copy = copy_of(backend)
    keyring = open_small(copy)._keyring
    store(copy, 1, 300_000, keyring)
    index = open_small(copy).index
    runs = sorted(index.runs, key=lambda run: -run.fence.row_count)[:2]
    _merge(copy, keyring, index, runs)
    return copy


@pytest.mark.parametrize("depth", _WAYS)
@pytest.mark.parametrize("which", [0, 6, 12])
def test_from_a_long_index_a_file_takes_twelve_requests(
    long_history, tmp_path, monkeypatch, depth, which
):
    monkeypatch.setattr(index_run, "_PART_BYTES", 1 << 20)
    backend, source = long_history
    backend = _with_long_run(backend)
    assert len(list(backend.list(names.PARTS))) > 5
    requests, moved = _cold(backend, source, _WAYS[depth], which, tmp_path / "to")
    assert requests <= 12
    assert moved < 2 << 20


def test_every_backup_takes_over_the_shortest_runs(source):
    repository = create_small()
    for at in range(1, 12):
        write_tree(source, {"x": noise(100, at)})
        back_up(repository, source, at=at)
    assert len(list(repository.backend.list(names.INDEX))) == 1
    index = open_small(repository.backend).index
    stored = [
        info.name
        for folder in names.VOLUME_FOLDERS.values()
        for info in repository.backend.list(folder)
    ]
    assert len(list(index.volumes())) == len(stored) > 11
    assert index.problems == []


def test_the_end_of_a_run_has_its_filters_and_volumes():
    recording = RecordingBackend(MemoryBackend())
    rows = store(recording, 1, 100_000)
    index = BlobIndex(recording, KEYRING)
    before = len(recording.calls("get"))
    assert index.find(rows[5].prefix) is not None
    # The end of the run, and the one block.
    assert len(recording.calls("get")) - before == 2


def test_hints_take_a_kilobyte_of_each_snapshot(long_history):
    backend, _ = long_history
    assert max(info.size for info in backend.list(names.SNAPSHOTS)) <= 1600


def test_one_file_with_a_warm_cache_takes_three_requests(source, tmp_path):
    repository = create_small()
    back_up(repository, source)
    cache = os.fsencode(tmp_path / "cache")
    path = os.fsencode(source / "x")
    _, first = opened(repository, cache, None)
    restore_all(first, Catalog(first).find(), tmp_path / "1", paths=(path,))
    recording, again = opened(repository, cache, first.recollection)
    restore_all(again, Catalog(again).find(), tmp_path / "2", paths=(path,))
    assert [call.verb for call in recording.calls()] == ["get", "list", "get"]


def test_nothing_changed_with_a_warm_cache_takes_six_requests(source, tmp_path):
    repository = create_small()
    back_up(repository, source)
    cache = os.fsencode(tmp_path / "cache")
    _, first = opened(repository, cache, None)
    back_up(first, source, at=2)
    recording, again = opened(repository, cache, first.recollection)
    back_up(again, source, at=3)
    # The key slot; snapshots, index runs, two kinds of volumes; the new snapshot.
    # (Others may touch the directories above the source, which then are stored.)
    verbs = [call.verb for call in recording.calls("get", "list")]
    assert verbs == ["get", "list", "list", "list", "list"]
    stored = [call.name for call in recording.calls("put")]
    assert len([name for name in stored if name.startswith(names.SNAPSHOTS)]) == 1


def test_names_that_are_out_of_date_do_no_harm(source, tmp_path):
    repository = create_small()
    back_up(repository, source)
    cache = os.fsencode(tmp_path / "cache")
    _, first = opened(repository, cache, None)
    list(first.index.runs)
    known = first.recollection
    assert known.from_text(known.to_text()) == known
    for at in range(2, 11):
        write_tree(source, {f"n{at}": noise(700, at)})
        back_up(repository, source, at=at)
    _, again = opened(repository, cache + b"2", known)
    snapshot = Catalog(again).find()
    summary = restore_all(again, snapshot, tmp_path / "to")
    assert summary.failed == 0
    assert again.problems == []
