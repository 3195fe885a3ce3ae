"""Index runs are replaced and deleted, while others read, write, or crash.

Runs are merged, and the shortest are taken over by the run of each backup: here
either one or the other.
"""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.format import names
from chunkvault.repository import run_writer
from tests.support.builders import (
    back_up,
    contents,
    create_small,
    noise,
    objects_of,
    open_small,
    read_back,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.recording import RecordingBackend

FAN_IN = 4


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "s", {"0": noise(20_000)})


@pytest.fixture(autouse=True, params=[0, 512], ids=["merged", "taken over"])
def shortest(request, monkeypatch):
    """Runs of so many rows are taken over; without any, they are left to be merged."""
    monkeypatch.setattr(run_writer, "_SHORTEST_ROWS", request.param)
    return request.param


def grow(repository, source, count, *, start=1):
    """So many backups, each with something new."""
    for at in range(start, start + count):
        write_tree(source, {f"n{at}": noise(700, at)})
        back_up(repository, source, at=at)


def runs_of(backend):
    return {info.name for info in backend.list(names.INDEX)}


def assert_all_reads(backend):
    repository = open_small(backend)
    for snapshot in snapshots_of(repository):
        found = read_back(repository, snapshot)
        assert contents(found) == found
        assert len(found) == snapshot.snapshot.totals.files
    assert repository.problems == []


def test_crash_while_runs_are_replaced_loses_nothing(source, shortest):
    before = 1 if shortest else FAN_IN - 1
    repository = create_small()
    grow(repository, source, FAN_IN - 1)
    assert len(runs_of(repository.backend)) == before
    recording = RecordingBackend(repository.backend)
    grow(open_small(recording), source, 1, start=FAN_IN)
    assert len(recording.calls("delete")) == (before if shortest else FAN_IN)
    assert len(runs_of(recording)) == 1
    for state in recording.crash_states():
        backend = state.backend()
        assert_all_reads(backend)
        back_up(open_small(backend), source, at=50)
        assert_all_reads(backend)
        assert run_check(backend).damage == ()


def test_reader_goes_on_when_its_index_runs_are_replaced(source):
    repository = create_small()
    grow(repository, source, FAN_IN - 1)
    reader = open_small(repository.backend)
    known = [run.name for run in reader.index.runs]
    snapshots = snapshots_of(reader)
    grow(repository, source, 1, start=FAN_IN)
    assert not runs_of(repository.backend) & set(known)
    for snapshot in snapshots:
        found = read_back(reader, snapshot)
        assert contents(found) == found
    assert reader.problems == []


def test_writer_goes_on_when_its_index_runs_are_replaced(source, tmp_path):
    repository = create_small()
    grow(repository, source, FAN_IN - 1)
    other = open_small(repository.backend)
    with other.writer(workers=0) as writer:
        grow(repository, source, 1, start=FAN_IN)
        for seed in range(20):
            writer.save(1, noise(3_000, f"other {seed}"))
    assert other.problems == []
    back_up(other, source, at=60)
    assert_all_reads(repository.backend)
    assert run_check(repository.backend).damage == ()


@pytest.mark.parametrize("folder", ["chunks/", "trees/"])
def test_what_was_stored_twice_is_found_after_runs_are_replaced(source, folder):
    """A volume is lost, the next backup mends that, and then runs are merged."""
    repository = create_small()
    grow(repository, source, 2)
    for info in list(repository.backend.list(folder)):
        repository.backend.delete(info.name)
    repository = open_small(repository.backend)
    back_up(repository, source, at=3)
    for at in range(4, 4 + FAN_IN):
        again = open_small(repository.backend)
        newest = read_back(again, snapshots_of(again)[-1])
        assert contents(newest) == newest, at
        grow(again, source, 1, start=at)
    stored = {name for name in objects_of(repository.backend) if folder in name}
    back_up(open_small(repository.backend), source, at=40)
    now = {name for name in objects_of(repository.backend) if folder in name}
    assert now == stored, "what is there is not stored again"


def test_two_that_replace_runs_at_once_both_succeed(source, tmp_path):
    repository = create_small()
    grow(repository, source, FAN_IN - 1)
    one, two = open_small(repository.backend), open_small(repository.backend)
    with one.writer(workers=0) as first:
        first.save(1, b"one")
        with two.writer(workers=0) as second:
            second.save(1, b"two")
    back_up(one, source, at=30)
    assert_all_reads(repository.backend)
    assert run_check(repository.backend).damage == ()


def test_storage_that_permits_no_deletion_keeps_working(source):
    repository = create_small(KeepingBackend())
    grow(repository, source, 2 * FAN_IN + 1)
    assert len(open_small(repository.backend).index.runs) < FAN_IN
    assert_all_reads(repository.backend)


class KeepingBackend(MemoryBackend):
    """Append-only, as a storage with object lock."""

    def delete(self, name):
        from chunkvault.errors import AccessDenied

        raise AccessDenied(f"{name} may not be deleted")
