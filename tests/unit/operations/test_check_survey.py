"""Chunks are compared with the index in its order, and what is doubtful is named."""

import pytest

from bench.data.invented_index import invented_id
from chunkvault.backends.memory import MemoryBackend
from chunkvault.format import index_run, names
from chunkvault.format.blob import PREFIX_BYTES, BlobKind
from chunkvault.format.directory import FrameRecord
from chunkvault.format.index_blocks import ROWS_PER_BLOCK, IndexRow, VolumeRecord
from chunkvault.format.volume import build_header
from chunkvault.ids import BlobId, VolumeId
from chunkvault.operations.check import survey as survey_module
from chunkvault.operations.check.sieve import Sieve
from chunkvault.operations.check.survey import ChunkSurvey
from chunkvault.repository.run_merger import merge_runs
from chunkvault.repository.run_writer import store_run
from tests.support.trees import new_repository, reopen

VOLUMES = [VolumeId(invented_id(10**6 + number)) for number in range(3)]
NOTHING = frozenset()


@pytest.fixture
def repository():
    return new_repository(MemoryBackend())


def chunk(number):
    return invented_id(number)


def store(repository, rows):
    """A run of rows given as {number: (volume, frame, base number or None)}."""
    header = build_header(
        repository._keyring,
        BlobKind.CHUNK,
        salt=bytes(32),
        nonce=bytes(24),
        volume_key=bytes(32),
    ).header
    frames = (FrameRecord(100, 90, 0),) * 2
    volumes = [
        VolumeRecord(one, BlobKind.CHUNK, 500, header, frames) for one in VOLUMES
    ]
    made = []
    for number, (volume, frame, base) in rows.items():
        of_base = None if base is None else chunk(base)[:PREFIX_BYTES]
        place = (volume, frame, 0, 9, 9)
        made.append(IndexRow(chunk(number)[:PREFIX_BYTES], *place, of_base))
    store_run(repository.backend, repository._keyring, sorted(made), volumes)


def doubtful(repository, wanted, suspected=NOTHING):
    survey = ChunkSurvey(Sieve(reopen(repository), frozenset(suspected)))
    for number in wanted:
        assert survey.fault_of(chunk(number)) is None
    is_any = survey.finish()
    found = {number for number in wanted if survey.is_doubtful(chunk(number))}
    assert is_any == bool(found)
    return found


def test_known_chunks_in_volumes_above_suspicion_are_not_doubtful(repository):
    store(repository, dict.fromkeys(range(3000), (0, 1, None)))
    store(repository, dict.fromkeys(range(3000, 3010), (1, 0, None)))
    assert doubtful(repository, range(3_010)) == set()


def test_unknown_chunks_are_doubtful(repository):
    store(repository, dict.fromkeys(range(2000), (0, 1, None)))
    assert doubtful(repository, range(1_990, 2_003)) == {2_000, 2_001, 2_002}


def test_chunks_of_suspected_volumes_are_doubtful_unless_stored_again(repository):
    store(repository, {1: (0, 0, None), 2: (1, 0, None), 3: (1, 1, None)})
    store(repository, {3: (2, 0, None)})
    assert doubtful(repository, [1, 2, 3], {VOLUMES[1]}) == {2}


@pytest.mark.parametrize("place", [(3, 0), (0, 2)], ids=["volume", "frame"])
def test_row_that_names_no_frame_vouches_for_nothing(repository, place):
    store(repository, {1: (*place, None), 2: (0, 0, None)})
    assert doubtful(repository, [1, 2]) == {1}


def test_delta_is_as_doubtful_as_its_base(repository):
    rows = {1: (0, 0, None), 2: (1, 0, None), 3: (2, 0, 1), 4: (2, 0, 2), 5: (2, 0, 99)}
    store(repository, rows)
    assert doubtful(repository, [3, 4, 5]) == {5}
    assert doubtful(repository, [3, 4, 5], {VOLUMES[1]}) == {4, 5}


def test_delta_from_a_delta_is_doubtful(repository):
    store(repository, {1: (0, 0, None), 2: (0, 0, 1), 3: (0, 0, 2)})
    assert doubtful(repository, [2, 3]) == {3}


def test_bases_of_an_earlier_batch_count(repository, monkeypatch):
    monkeypatch.setattr(survey_module, "_BATCH", 2)
    rows = {number: (0, 0, None if number % 2 else 99) for number in range(40)}
    store(repository, rows)
    assert doubtful(repository, range(40)) == set(range(0, 40, 2))


def test_too_many_doubts_make_all_doubtful(repository, monkeypatch):
    monkeypatch.setattr(survey_module, "_MAX_DOUBTFUL", 3)
    store(repository, {1: (0, 0, None)})
    assert doubtful(repository, [1, 2, 3, 4]) == {2, 3, 4}
    assert doubtful(repository, [1, 2, 3, 4, 5]) == {1, 2, 3, 4, 5}


def test_damaged_run_makes_all_doubtful(repository):
    store(repository, dict.fromkeys(range(30000), (0, 0, None)))
    [info] = repository.backend.list(names.INDEX)
    data = bytearray(repository.backend.get(info.name))
    data[5_000] ^= 1
    repository.backend.delete(info.name)
    repository.backend.put(info.name, bytes(data))
    assert doubtful(repository, range(30_000)) == set(range(30_000))


def test_runs_that_are_merged_meanwhile_are_read_again(repository):
    for start in range(0, 80_000, 20_000):
        rows = dict.fromkeys(range(start, start + 20000), (0, 0, None))
        store(repository, rows)
    opened = reopen(repository)
    survey = ChunkSurvey(Sieve(opened, NOTHING))
    assert len([run.fence for run in opened.index.runs]) == 4
    merge_runs(repository.backend, repository._keyring, reopen(repository).index)
    assert len(list(repository.backend.list(names.INDEX))) == 1
    for number in range(0, 80_000, 1_000):
        survey.fault_of(chunk(number))
    assert not survey.finish()


def test_each_block_is_decoded_a_few_times_for_any_number_of_chunks(
    repository, monkeypatch
):
    decode, decoded = index_run.decode_blob_block, []

    def counting(plain):
        decoded.append(len(plain))
        return decode(plain)

    monkeypatch.setattr(index_run, "decode_blob_block", counting)
    blocks = 20
    count = blocks * ROWS_PER_BLOCK
    store(repository, dict.fromkeys(range(count), (0, 0, None)))
    assert doubtful(repository, range(count)) == set()
    # Two for each first byte at most, where it begins and ends within a block.
    assert len(decoded) <= blocks + 256


def test_any_blob_id_can_be_collected(repository):
    survey = ChunkSurvey(Sieve(reopen(repository), NOTHING))
    survey.note_tree(BlobId(b"\xff" * 32))
    survey.fault_of(BlobId(bytes(32)))
    assert survey.finish()
    assert survey.is_doubtful(BlobId(b"\xff" * 32))
