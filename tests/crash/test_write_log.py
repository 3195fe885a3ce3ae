"""A crash at any moment leaves a prefix of the writes: each of them is tried."""

import threading
from pathlib import Path

import pytest

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import RepositoryExists, RepositoryNotFound
from chunkvault.format import names
from chunkvault.format.blob import BlobKind
from chunkvault.repository import list_slots, run_writer
from chunkvault.repository.directories import list_volumes, read_directory
from tests.support.builders import (
    back_up,
    copy_of,
    create_small,
    noise,
    open_small,
    read_tree,
    restore_all,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.recording import RecordingBackend

FILES = {
    **{f"a/{number:02}": noise(900 + 150 * number, number) for number in range(30)},
    **{f"b/c/{number:02}": b"text %d\n" % number * 9 for number in range(19)},
    "b/large": noise(30_000, "large"),
}


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", FILES)


def change(source):
    """A second version: some files new, changed, gone."""
    write_tree(
        source,
        {
            **{f"d/{number:02}": noise(1_500, -number - 1) for number in range(20)},
            "b/large": noise(15_000, "large") + noise(15_000, "other"),
        },
    )
    (source / "a/07").unlink()


class Overlapping(MemoryBackend):
    """Holds a put until another one begins, so that two are in flight."""

    def __init__(self, objects=None):
        super().__init__(objects)
        self._other_began = threading.Event()

    def put(self, name, data):
        self._other_began.set()
        self._other_began = mine = threading.Event()
        mine.wait(timeout=0.02)
        super().put(name, data)


def recorded_backup(objects, source, *, at, workers):
    """The log of one backup into a repository of these objects."""
    inner = Overlapping(objects) if workers else MemoryBackend(objects)
    recording = RecordingBackend(inner)
    back_up(open_small(recording), source, at=at, workers=workers)
    return recording


def assert_restores(backend, expected, tmp_path):
    """Every snapshot listed restores completely, equal to what was backed up."""
    for number, snapshot in enumerate(snapshots_of(open_small(backend))):
        target = tmp_path / "restored" / str(number)
        summary = restore_all(open_small(backend), snapshot, target)
        assert summary.failed == 0
        assert read_tree(target) == expected[snapshot.snapshot.time_ns]
        remove(target)


def remove(target: Path):
    for path in sorted(target.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def blobs_by_volume(backend):
    keyring = open_small(backend)._keyring
    return {
        name: {
            blob.prefix
            for blob in read_directory(backend, keyring, ObjectInfo(name, size))[1]
        }
        for name, size in list_volumes(backend).items()
    }


def assert_next_backup_is_whole(backend, source, expected, tmp_path):
    """It stores nothing that is stored, restores, and leaves no damage."""
    before = blobs_by_volume(backend)
    known = set().union(*before.values())
    repository = open_small(backend)
    summary = back_up(repository, source, at=9)
    expected[snapshots_of(repository)[-1].snapshot.time_ns] = read_tree(source)
    after = blobs_by_volume(backend)
    for name in after.keys() - before.keys():
        assert not after[name] & known, "a stored blob was stored again"
    assert summary.failed == 0
    assert_restores(backend, expected, tmp_path)
    checked = run_check(backend)
    assert (checked.damage, checked.notes) == ((), ())


def test_crash_of_init_leaves_nothing_or_a_repository():
    recording = RecordingBackend(MemoryBackend())
    create_small(recording)
    found = []
    for state in recording.crash_states():
        backend = state.backend()
        try:
            open_small(backend)
            found.append(True)
        except RepositoryNotFound:
            found.append(False)
            create_small(backend)
        else:
            with pytest.raises(RepositoryExists):
                create_small(backend)
        assert len(list_slots(open_small(backend).backend)) == 1, state.label
        assert run_check(backend).exit_code == 0
    assert found == [False, False, True]


def test_init_interrupted_twice_can_be_finished():
    first = RecordingBackend(MemoryBackend())
    create_small(first)
    second = RecordingBackend(first.replay(1))
    create_small(second)
    for state in second.crash_states():
        backend = state.backend()
        try:
            repository = open_small(backend)
        except RepositoryNotFound:
            repository = create_small(backend)
        assert repository.problems == []
        assert run_check(backend).exit_code == 0, state.label


def test_init_refuses_a_folder_with_anything_else_in_it():
    for name in ("config", "notes.txt", "keys/readme", "chunks/00/" + "0" * 64):
        backend = MemoryBackend({name: b"something"})
        with pytest.raises(RepositoryExists):
            create_small(backend)
        assert backend.get(name) == b"something"


@pytest.mark.parametrize("workers", [0, 2])
def test_crash_of_first_backup_loses_nothing(source, tmp_path, workers):
    created = create_small().backend
    objects = {info.name: created.get(info.name) for info in created.list("")}
    recording = recorded_backup(objects, source, at=1, workers=workers)
    puts = recording.calls("put")
    assert sum(call.name.startswith("chunks/") for call in puts) >= 4
    assert puts[-1].name.startswith(names.SNAPSHOTS)
    for state in recording.crash_states():
        backend = state.backend()
        listed = snapshots_of(open_small(backend))
        expected = {one.snapshot.time_ns: read_tree(source) for one in listed}
        assert_next_backup_is_whole(backend, source, expected, tmp_path)


@pytest.mark.parametrize("workers", [0, 2])
def test_crash_of_next_backup_keeps_the_snapshot_before(source, tmp_path, workers):
    repository = create_small()
    back_up(repository, source, at=1)
    before = read_tree(source)
    first_ns = snapshots_of(repository)[0].snapshot.time_ns
    change(source)
    objects = {
        info.name: repository.backend.get(info.name)
        for info in repository.backend.list("")
    }
    recording = recorded_backup(objects, source, at=2, workers=workers)
    for state in recording.crash_states():
        backend = state.backend()
        listed = snapshots_of(open_small(backend))
        expected = {one.snapshot.time_ns: read_tree(source) for one in listed}
        assert first_ns in expected, state.label
        expected[first_ns] = before
        assert_restores(backend, expected, tmp_path)
        assert_next_backup_is_whole(backend, source, expected, tmp_path)


def test_crash_between_the_index_runs_of_one_backup_loses_nothing(
    source, tmp_path, monkeypatch
):
    monkeypatch.setattr(run_writer, "_FLUSH_BYTES", 40_000)
    created = create_small().backend
    objects = {info.name: created.get(info.name) for info in created.list("")}
    recording = recorded_backup(objects, source, at=1, workers=0)
    runs = [c for c in recording.calls("put") if c.name.startswith(names.INDEX)]
    assert len(runs) >= 2
    for backend in recording.replays():
        listed = snapshots_of(open_small(backend))
        expected = {one.snapshot.time_ns: read_tree(source) for one in listed}
        assert_next_backup_is_whole(backend, source, expected, tmp_path)


def test_crash_costs_at_most_one_open_volume_of_each_kind(source):
    created = create_small().backend
    objects = {info.name: created.get(info.name) for info in created.list("")}
    recording = recorded_backup(objects, source, at=1, workers=0)
    limit = 2 * 16 * 1024  # the volume that was open, and the rounding of the last
    for backend in recording.replays():
        for kind in (BlobKind.CHUNK, BlobKind.TREE):
            folder = names.VOLUME_FOLDERS[kind]
            whole = sum(c.size for c in recording.calls("put") if folder in c.name)
            present = sum(info.size for info in backend.list(folder))
            again = RecordingBackend(copy_of(backend))
            back_up(open_small(again), source, at=2)
            stored = sum(c.size for c in again.calls("put") if folder in c.name)
            assert stored <= whole - present + limit


def test_a_volume_that_was_being_written_is_left_out_and_named(source, tmp_path):
    """Storages without atomic puts leave half an object under its name."""
    repository = create_small()
    back_up(repository, source, at=1)
    backend = MemoryBackend()
    for name, data in copy_of(repository.backend)._objects.items():
        if not name.startswith((names.SNAPSHOTS, names.INDEX)):
            backend.put(name, data)
    torn = next(info.name for info in backend.list("chunks/"))
    half = backend.get(torn)[: len(backend.get(torn)) // 2]
    backend.delete(torn)
    backend.put(torn, half)
    again = open_small(backend)
    back_up(again, source, at=2)
    assert [problem.object_name for problem in again.problems] == [torn]
    assert run_check(backend).exit_code == 20
    [snapshot] = snapshots_of(open_small(backend))
    assert_restores(backend, {snapshot.snapshot.time_ns: read_tree(source)}, tmp_path)
