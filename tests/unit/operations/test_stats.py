import os

import pytest

from chunkvault.operations.stats import stats
from chunkvault.snapshots.catalog import SnapshotQuery
from tests.support.trees import new_repository, take_snapshot


@pytest.fixture
def repository():
    return new_repository()


def test_empty_repository_has_figures(repository):
    figures = stats(repository)
    assert (figures.snapshots, figures.newest, figures.restored_bytes) == (0, None, 0)
    assert (figures.key_slots, figures.compression_ratio) == (1, 1.0)
    assert figures.objects["config"].objects == 1


def test_objects_add_up_to_what_is_on_the_backend(repository):
    take_snapshot(repository, {b"/data/a": b"x" * 5000})
    repository.backend.put("somebody/else", b"12345")
    figures = stats(repository)
    sizes = [info.size for info in repository.backend.list("")]
    assert sum(kind.objects for kind in figures.objects.values()) == len(sizes)
    assert figures.stored_bytes == sum(sizes)
    assert figures.objects["other"].stored_bytes == 5


def test_ratios_tell_compression_from_deduplication(repository):
    files = {b"/data/a": os.urandom(8000), b"/data/b": b"y" * 8000}
    take_snapshot(repository, files, at=1)
    take_snapshot(repository, files, at=2)
    figures = stats(repository)
    assert figures.snapshots == 2
    assert figures.restored_bytes == 32_000
    assert figures.chunks.blobs == 2
    assert figures.chunks.blob_bytes == figures.chunks.plain_bytes == 16_000
    assert figures.dedup_ratio == 2.0
    assert 1.5 < figures.compression_ratio < 2.0
    assert figures.trees.blobs == 2


def test_query_narrows_the_snapshots_down(repository):
    take_snapshot(repository, {b"/data/a": b"1"}, at=1, host="a")
    wanted = take_snapshot(repository, {b"/data/a": b"22"}, at=2, host="b")
    take_snapshot(repository, {b"/data/a": b"333"}, at=3, host="a")
    figures = stats(repository, SnapshotQuery(host="b"))
    assert (figures.snapshots, figures.newest, figures.restored_bytes) == (1, wanted, 2)


def test_damaged_snapshot_is_counted_as_such(repository):
    stored = take_snapshot(repository, {})
    repository.backend.delete(stored.object_name)
    repository.backend.put(stored.object_name, b"")
    assert stats(repository).damaged_snapshots == 1
