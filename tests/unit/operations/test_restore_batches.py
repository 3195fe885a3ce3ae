"""What is held at once stays bounded, however well content compresses."""

import pytest

from chunkvault.format.blob import BlobKind
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.ids import BlobId, VolumeId
from chunkvault.operations.restore.batches import batched
from chunkvault.operations.restore.plan import Piece, PieceGroup
from chunkvault.repository import FrameLocation

MIB = 1 << 20


def volume(number):
    return VolumeRecord(VolumeId(bytes([number]) * 32), BlobKind.CHUNK, 0, b"", ())


def group(stored, plain, *, of_volume=0, number=0, pieces=1):
    place = (number, 0, stored, plain, 0)
    piece = Piece(0, 0, 1, 0, plain, plain, BlobId(b""), None, None, b"", 1, b"")
    return PieceGroup(FrameLocation(volume(of_volume), *place), [piece] * pieces)


def sums(batches, field):
    return [sum(getattr(one.frame, field) for one in batch) for batch in batches]


@pytest.mark.parametrize("connections", [0, 1, 2, 5, 32, 200])
def test_content_of_all_connections_together_is_bounded(connections):
    groups = [group(MIB // 100, MIB // 8, number=number) for number in range(4000)]
    batches = list(batched(iter(groups), connections))
    assert [one for batch in batches for one in batch] == groups
    assert max(sums(batches, "plain_length")) * max(connections, 1) <= 48 * MIB


def test_a_request_brings_half_a_volume_at_most():
    groups = [group(MIB, MIB, number=number) for number in range(64)]
    assert max(sums(batched(iter(groups), 1), "stored_length")) == 9 * MIB


def test_a_batch_that_is_half_full_ends_with_its_volume():
    groups = [
        group(MIB, MIB, of_volume=number // 6, number=number) for number in range(12)
    ]
    assert [len(batch) for batch in batched(iter(groups), 5)] == [6, 6]


def test_a_frame_larger_than_a_batch_comes_alone():
    groups = [group(MIB, 64 * MIB, number=number) for number in range(3)]
    assert [len(batch) for batch in batched(iter(groups), 5)] == [1, 1, 1]


def test_pieces_are_bounded_where_the_files_are_tiny():
    groups = [group(10, 10, number=number, pieces=1000) for number in range(20)]
    sizes = [
        sum(len(one.pieces) for one in batch) for batch in batched(iter(groups), 0)
    ]
    assert max(sizes) < 4096 + 1000
    assert sum(sizes) == 20_000
