"""A far storage is asked for several things at once, a near one is not."""

import threading

import pytest

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import DamageError, StorageFull
from chunkvault.format.blob import BlobKind
from chunkvault.format.names import INDEX, VOLUME_FOLDERS
from chunkvault.repository import frame_locations, run_writer
from chunkvault.snapshots.content import read_file
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import (
    back_up,
    create_small,
    noise,
    objects_of,
    open_small,
    read_tree,
    restore_all,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.meeting import MeetingBackend

CHUNKS = VOLUME_FOLDERS[BlobKind.CHUNK]
FILES = {f"f{number}": noise(20_000, number) for number in range(20)}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("source"), FILES)


@pytest.fixture(scope="module")
def objects(source):
    repository = create_small()
    back_up(repository, source)
    return objects_of(repository.backend)


def test_volumes_are_put_on_all_connections_and_no_more(source):
    memory = MemoryBackend()
    create_small(memory)
    meeting = MeetingBackend(memory, "put", 4, CHUNKS)
    back_up(open_small(meeting, connections=4), source, workers=2)
    assert meeting.most == 4
    assert run_check(memory).exit_code == 0


def test_one_slow_upload_does_not_hold_up_the_others(source):
    class Stuck(MemoryBackend):
        """Its first volume takes until all others but the last few are there."""

        def __init__(self):
            super().__init__()
            self.puts = 0
            self.many = threading.Event()
            self.lock = threading.Lock()

        def put(self, name, data):
            if name.startswith(CHUNKS):
                with self.lock:
                    self.puts += 1
                    number = self.puts
                if number == 20:
                    self.many.set()
                if number == 1:
                    assert self.many.wait(30), f"stopped after {self.puts} volumes"
            super().put(name, data)

    stuck = Stuck()
    create_small(stuck)
    back_up(open_small(stuck, connections=2), source, workers=2)
    assert stuck.puts > 20


def test_a_slow_index_run_does_not_hold_up_the_volumes(source, monkeypatch):
    monkeypatch.setattr(run_writer, "_FLUSH_BYTES", 32 << 10)

    class SlowRun(MemoryBackend):
        """Its first index run takes until five more volumes are there."""

        def __init__(self):
            super().__init__()
            self.goal = None
            self.volumes = 0
            self.more = threading.Event()

        def put(self, name, data):
            if name.startswith(INDEX) and self.goal is None:
                self.goal = self.volumes + 5
                assert self.more.wait(30), f"stopped after {self.volumes} volumes"
            super().put(name, data)
            self.volumes += name.startswith(CHUNKS)
            if self.goal is not None and self.volumes >= self.goal:
                self.more.set()

    slow = SlowRun()
    create_small(slow)
    back_up(open_small(slow, connections=3), source, workers=2)
    assert slow.more.is_set()
    assert run_check(slow).exit_code == 0


def test_an_upload_that_fails_for_good_ends_the_backup(source):
    class Full(MemoryBackend):
        def put(self, name, data):
            if name.startswith(CHUNKS):
                raise StorageFull("the bucket is full")
            super().put(name, data)

    full = Full()
    create_small(full)
    with pytest.raises(StorageFull):
        back_up(open_small(full, connections=5), source, workers=2)
    assert not list(full.list("snapshots/"))


def scattered_frames(repository):
    """Every other frame, so that no two are neighbours."""
    return [
        frame
        for volume in repository.volumes()
        if volume.kind == BlobKind.CHUNK
        for frame in frame_locations(volume)[::2]
    ]


def test_frames_are_fetched_at_once_and_come_in_order(objects):
    meeting = MeetingBackend(MemoryBackend(objects), "get", 3, CHUNKS)
    repository = open_small(meeting, connections=3)
    frames = scattered_frames(repository)
    assert len(frames) > 10
    came = list(repository.reader.read_frames(frames))
    assert [frame for frame, _ in came] == frames
    assert all(isinstance(content, bytes) for _, content in came)
    assert meeting.most == 3


def test_a_near_storage_is_asked_for_one_thing_after_the_other(objects):
    meeting = MeetingBackend(MemoryBackend(objects), "get", 1, CHUNKS)
    repository = open_small(meeting)
    list(repository.reader.read_frames(scattered_frames(repository)))
    assert meeting.most == 1


def test_frames_beyond_those_asked_for_are_not_all_fetched(objects):
    class Counting(MemoryBackend):
        gets = 0

        def get(self, name, offset=0, length=None):
            self.gets += name.startswith(CHUNKS)
            return super().get(name, offset, length)

    backend = Counting(objects)
    repository = open_small(backend, connections=3)
    frames = scattered_frames(repository)
    backend.gets = 0
    reading = repository.reader.read_frames(frames)
    next(reading)
    reading.close()
    assert backend.gets <= 4 < len(frames)


def test_a_restore_uses_the_connections(objects, source, tmp_path):
    meeting = MeetingBackend(MemoryBackend(objects), "get", 3, CHUNKS)
    repository = open_small(meeting, connections=3)
    [snapshot] = snapshots_of(repository)
    restore_all(repository, snapshot, tmp_path / "out", workers=2)
    assert read_tree(tmp_path / "out").keys() == read_tree(source).keys()
    for name, content in FILES.items():
        assert (tmp_path / "out" / name).read_bytes() == content
    assert meeting.is_met


def test_a_check_reads_volumes_at_once(objects):
    meeting = MeetingBackend(MemoryBackend(objects), "get", 3, CHUNKS)
    from chunkvault.operations.check import CheckOptions, check
    from chunkvault.report import SilentReporter

    repository = open_small(meeting, connections=3)
    summary = check(repository, CheckOptions(read_data=True), SilentReporter())
    assert summary.exit_code == 0
    assert summary.read_volumes > 10
    assert meeting.most == 3


def large_file(tmp_path, monkeypatch, backend=None):
    """A repository with one file of many batches of runs."""
    monkeypatch.setattr("chunkvault.snapshots.content._REFS_AT_ONCE", 8)
    content = noise(300_000, "large") + bytes(50_000) + noise(1000, "end")
    memory = backend or MemoryBackend()
    top = write_tree(tmp_path / "large", {"file": content})
    back_up(create_small(memory), top)
    return content, memory


def node_of(repository):
    trees = TreeReader(repository.reader)
    [snapshot] = snapshots_of(repository)
    [node] = trees.entries(snapshot.snapshot.tree)
    while node.subtree is not None:
        [node] = trees.entries(node.subtree)
    return node


@pytest.mark.parametrize("connections", [0, 1, 4])
def test_a_file_comes_in_order_however_many_connections(
    tmp_path, monkeypatch, connections
):
    content, memory = large_file(tmp_path, monkeypatch)
    repository = open_small(memory, connections=connections)
    pieces = list(read_file(repository.reader, node_of(repository)))
    assert b"".join(pieces) == content


@pytest.mark.parametrize("connections", [0, 4])
def test_every_piece_before_a_missing_one_comes(tmp_path, monkeypatch, connections):
    content, memory = large_file(tmp_path, monkeypatch)
    repository = open_small(memory, connections=connections)
    node = node_of(repository)
    volumes = sorted((info for info in memory.list(CHUNKS)), key=lambda info: info.name)
    lost: list[ObjectInfo] = volumes[len(volumes) // 2 :]
    for info in lost:
        memory.delete(info.name)
    came = []
    with pytest.raises(DamageError):
        came.extend(read_file(repository.reader, node))
    whole = b"".join(came)
    assert content.startswith(whole)
    if not connections:
        return
    near = open_small(memory)
    same = []
    with pytest.raises(DamageError):
        same.extend(read_file(near.reader, node))
    assert b"".join(same) == whole
