"""How much is in memory at once, however many connections there are.

Counted are the volumes and ranges themselves, while a store keeps all connections
busy: what the system says of a process depends on too much else.
"""

import threading

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.repository import volume_builder
from chunkvault.repository.volume_builder import VolumeBuilder
from tests.support.builders import (
    back_up,
    create_small,
    noise,
    objects_of,
    open_small,
    read_tree,
    restore_all,
    snapshots_of,
    write_tree,
)
from tests.support.meeting import MeetingBackend

MANY, FEW = 32, 2
WORKERS = 2
OTHERS = 2 + 1
"""That are being filled, one of chunks and one of trees; handed in at the end."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Some hundred small volumes."""
    files = {f"f{number}": noise(40_000, number) for number in range(45)}
    return write_tree(tmp_path_factory.mktemp("source"), files)


class Volume(VolumeBuilder):
    """A volume that is counted while anybody has it."""

    alive = 0
    guard = threading.Lock()

    def __init__(self, *fields):
        super().__init__(*fields)
        with self.guard:
            Volume.alive += 1

    def __del__(self):
        with self.guard:
            Volume.alive -= 1


class CountingVolumes(MemoryBackend):
    """Counts the volumes in memory while they are stored."""

    def __init__(self, objects):
        super().__init__(objects)
        self.most = 0

    def put(self, name, data):
        super().put(name, data)
        with Volume.guard:
            self.most = max(self.most, Volume.alive)


@pytest.mark.parametrize("connections", [FEW, MANY])
def test_a_backup_holds_one_volume_for_each_connection(
    source, connections, monkeypatch
):
    monkeypatch.setattr(volume_builder, "VolumeBuilder", Volume)
    store = CountingVolumes(objects_of(create_small().backend))
    meeting = MeetingBackend(store, "put", connections, "chunks/")
    with open_small(meeting, connections=connections) as repository:
        back_up(repository, source, workers=WORKERS)
    assert meeting.is_met
    # Each worker may have a full one in hand that waits for its turn.
    assert connections <= store.most <= connections + WORKERS + OTHERS
    assert len(list(store.list("chunks/"))) > 3 * MANY


class Range(bytes):
    """Bytes of a volume that are counted while anybody has them."""

    alive = most = most_bytes = alive_bytes = 0
    guard = threading.Lock()

    def __new__(cls, data):
        self = super().__new__(cls, data)
        with cls.guard:
            cls.alive += 1
            cls.alive_bytes += len(data)
            cls.most = max(cls.most, cls.alive)
            cls.most_bytes = max(cls.most_bytes, cls.alive_bytes)
        return self

    def __del__(self):
        with self.guard:
            Range.alive -= 1
            Range.alive_bytes -= len(self)


class CountingRanges(MemoryBackend):
    """Counts what was read of volumes of chunks, and is not let go of yet."""

    def get(self, name, offset=0, length=None):
        data = super().get(name, offset, length)
        return Range(data) if name.startswith("chunks/") else data


@pytest.mark.parametrize("connections", [FEW, MANY])
def test_a_restore_holds_one_range_for_each_thread(source, tmp_path, connections):
    repository = create_small()
    back_up(repository, source)
    Range.most = Range.most_bytes = 0
    store = CountingRanges(objects_of(repository.backend))
    meeting = MeetingBackend(store, "get", connections, "chunks/")
    with open_small(meeting, connections=connections) as far:
        [snapshot] = snapshots_of(far)
        restore_all(far, snapshot, tmp_path / "to", workers=WORKERS)
    assert meeting.is_met
    assert Range.alive == 0
    # One for each thread; who goes on may hold the one before until the next is there.
    assert 0 < Range.most <= 2 * (connections + WORKERS)
    largest = max(info.size for info in store.list("chunks/"))
    assert Range.most_bytes <= Range.most * largest
    assert read_tree(tmp_path / "to") == read_tree(source)
