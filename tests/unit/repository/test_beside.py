"""Blobs of one volume are found in its directory once many of them were asked for."""

import pytest

from bench.data.invented_index import invented_blocks
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import DamageError
from chunkvault.format import names
from chunkvault.format.blob import PREFIX_BYTES, BlobKind
from chunkvault.format.directory import FrameRecord
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.volume import build_header
from chunkvault.ids import VolumeId
from chunkvault.repository import BlobReader, beside
from chunkvault.repository.run_merger import merge_runs
from chunkvault.repository.run_writer import store_merged_run
from tests.support.builders import noise
from tests.support.recording import RecordingBackend
from tests.support.trees import KEY, new_repository, open_repository, reopen

COUNT = 200
ROWS = 12_000


@pytest.fixture(scope="module")
def stored():
    """A volume of small chunks, in a run among 36,000 other blobs."""
    repository = new_repository(MemoryBackend())
    with repository.writer(workers=0) as writer:
        ids = [writer.save(BlobKind.CHUNK, noise(300, n)) for n in range(COUNT)]
    keyring = repository._keyring
    salts = {"salt": bytes(32), "nonce": bytes(24), "volume_key": bytes(32)}
    header = build_header(keyring, BlobKind.CHUNK, **salts).header
    frames = (FrameRecord(100, 90, 0),) * 32
    for start in range(0, 3 * ROWS, ROWS):
        volumes = [
            VolumeRecord(VolumeId(noise(32, (start, n))), 1, 500, header, frames)
            for n in range(-(-ROWS // 1024))
        ]
        blocks = invented_blocks(start, ROWS)
        store_merged_run(repository.backend, keyring, blocks, volumes, ())
    merge_runs(repository.backend, keyring, reopen(repository).index)
    return repository.backend, ids


def opened(backend):
    recording = RecordingBackend(backend)
    return recording, open_repository(recording, KEY)


def read_all(repository, ids):
    return [repository.reader.load(BlobKind.CHUNK, blob_id) for blob_id in ids]


def copied(backend):
    copy = MemoryBackend()
    for info in backend.list(""):
        copy.put(info.name, backend.get(info.name))
    return copy


def chunk_volume(backend):
    [info] = backend.list(names.VOLUME_FOLDERS[BlobKind.CHUNK])
    return info


def spoil_frame(backend, frame):
    data = bytearray(backend.get(frame.object_name))
    data[frame.offset] ^= 1
    backend.delete(frame.object_name)
    backend.put(frame.object_name, bytes(data))


def test_after_some_blocks_the_directory_tells_the_rest(stored):
    backend, ids = stored
    recording, repository = opened(backend)
    assert read_all(repository, ids) == [noise(300, n) for n in range(COUNT)]
    [run] = repository.index.runs
    assert len(run.fence.blob_ends) > 30
    assert run.blocks_read == beside._BLOCKS_INSTEAD
    of_volume = chunk_volume(backend).name
    reads = [call for call in recording.calls("get") if call.name == of_volume]
    assert len(reads) == 3  # the frame; header and directory


def test_without_the_directory_the_index_tells_all(stored, monkeypatch):
    backend, ids = stored
    monkeypatch.setattr(beside, "_MAX_BLOBS", COUNT - 1)
    _, repository = opened(backend)
    assert read_all(repository, ids) == [noise(300, n) for n in range(COUNT)]
    assert repository.index.runs[0].blocks_read > 30


def test_damaged_directory_costs_nothing_but_time(stored):
    backend, ids = copied(stored[0]), stored[1]
    info = chunk_volume(backend)
    data = bytearray(backend.get(info.name))
    data[-1] ^= 1
    backend.delete(info.name)
    backend.put(info.name, bytes(data))
    _, repository = opened(backend)
    assert read_all(repository, ids) == [noise(300, n) for n in range(COUNT)]


def test_damaged_place_that_run_and_directory_know_is_tried_once(stored):
    backend, ids = copied(stored[0]), stored[1]
    recording, repository = opened(backend)
    read_all(repository, ids)
    assert repository.index._beside.find(ids[0][:PREFIX_BYTES]) is not None
    frame = repository.reader.locate(ids[0]).frame
    spoil_frame(backend, frame)
    reader = BlobReader(recording, repository._keyring, repository.index)
    recording.events.clear()
    with pytest.raises(DamageError):
        reader.load(BlobKind.CHUNK, ids[0])
    reads = [call.name for call in recording.calls("get")]
    assert reads.count(frame.object_name) == 2  # once more, if it was the line


def test_distrusted_volume_holds_nothing_for_a_backup(stored):
    backend, ids = stored
    _, repository = opened(backend)
    read_all(repository, ids)
    prefix = ids[-1][:PREFIX_BYTES]
    assert repository.index.is_stored(prefix)
    assert repository.index.is_stored_whole(prefix)
    repository.index.distrust(VolumeId(names.hash_in_name(chunk_volume(backend).name)))
    assert not repository.index.is_stored(prefix)
    assert not repository.index.is_stored_whole(prefix)


def test_places_that_are_too_many_are_forgotten_and_asked_for_again(
    stored, monkeypatch
):
    backend, ids = stored
    monkeypatch.setattr(beside, "_MAX_BLOBS", COUNT)
    _, repository = opened(backend)
    read_all(repository, ids)
    places = repository.index._beside
    location = places.find(ids[0][:PREFIX_BYTES])
    assert location is not None
    for _ in range(beside._BLOCKS_INSTEAD):
        places.note_block(location)
    assert len(places._places) == COUNT
