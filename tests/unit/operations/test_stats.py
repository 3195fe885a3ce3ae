import os

import pytest

from bench.data.invented_index import invented_id
from chunkvault.errors import DamageError
from chunkvault.format import index_blocks
from chunkvault.format.blob import PREFIX_BYTES, BlobKind
from chunkvault.format.directory import FrameRecord
from chunkvault.format.index_blocks import IndexRow, VolumeRecord
from chunkvault.format.volume import build_header
from chunkvault.ids import VolumeId
from chunkvault.operations.stats import stats
from chunkvault.repository.run_writer import store_run
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


def store_invented(repository, kinds, rows):
    """A run of volumes of these kinds; ``rows`` are (volume, length, base)."""
    volumes = []
    for number, kind in enumerate(kinds):
        header = build_header(
            repository._keyring,
            kind,
            salt=bytes(32),
            nonce=bytes(24),
            volume_key=bytes(32),
        ).header
        volume_id = VolumeId(invented_id(10**6 + number))
        frames = (FrameRecord(100, 90, 0),)
        volumes.append(VolumeRecord(volume_id, kind, 500, header, frames))
    made = [
        IndexRow(invented_id(number)[:PREFIX_BYTES], volume, 0, 0, 7, length, base)
        for number, (volume, length, base) in enumerate(rows)
    ]
    store_run(repository.backend, repository._keyring, sorted(made), volumes)


def test_blobs_are_counted_by_kind_and_deltas_by_what_they_expand_to(repository):
    base = bytes(PREFIX_BYTES)
    rows = [(0, 7, None), (1, 40, base), (1, 7, None), (0, 50, base), (0, 60, base)]
    store_invented(repository, [BlobKind.CHUNK, BlobKind.TREE], rows)
    chunks, trees = (found := stats(repository)).chunks, found.trees
    assert (chunks.blobs, chunks.deltas, chunks.blob_bytes) == (3, 2, 7 + 50 + 60)
    assert (trees.blobs, trees.deltas, trees.blob_bytes) == (2, 1, 40 + 7)


def test_each_volume_is_decoded_once_however_many_blobs_it_has(repository, monkeypatch):
    decode, decoded = index_blocks._decode_volume, []

    def counting(row):
        decoded.append(row)
        return decode(row)

    monkeypatch.setattr(index_blocks, "_decode_volume", counting)
    rows = [(number % 150, 7, None) for number in range(5_000)]
    store_invented(repository, [BlobKind.CHUNK] * 150, rows)
    assert stats(repository).chunks.blobs == 5_000
    assert len(decoded) == 150


def test_row_of_a_volume_that_is_not_listed_is_damage_of_the_run(repository):
    store_invented(repository, [BlobKind.CHUNK], [(0, 7, None), (1, 7, None)])
    with pytest.raises(DamageError, match="names a volume that it does not list"):
        stats(repository)
