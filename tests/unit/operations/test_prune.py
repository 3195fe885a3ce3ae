"""Prune: what it takes, what it leaves, and that no snapshot ever misses anything."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import AccessDenied, SafetyStop
from chunkvault.format import index_run, names
from chunkvault.operations.prune import PruneOptions, prune
from chunkvault.report import SilentReporter
from chunkvault.repository import run_writer
from tests.support.aged import DAY_S, AgedBackend
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
from tests.support.recording import RecordingBackend

FAN_IN = 4
HASH = "ab" * 32


class AppendOnly(AgedBackend):
    """Permits no deletion, so that merges leave what they have replaced."""

    def delete(self, name):
        raise AccessDenied(f"cannot delete {name}")


@pytest.fixture(autouse=True)
def long_runs(monkeypatch):
    """Runs of a few blobs have parts and are merged, as those of millions are."""
    monkeypatch.setattr(index_run, "_PART_BYTES", 200)
    monkeypatch.setattr(run_writer, "_SHORTEST_ROWS", 0)


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", {"0": noise(3_000)})


def run(backend, *, dry_run=False):
    options = PruneOptions(dry_run=dry_run, list_entries=True)
    return prune(open_small(backend), options, SilentReporter())


def grow(backend, source, count, start=1):
    for at in range(start, start + count):
        write_tree(source, {f"n{at}": noise(300, at)})
        back_up(open_small(backend), source, at=at)


def unmerged(source):
    """The objects of a repository whose merges could delete nothing."""
    backend = AppendOnly(objects_of(create_small().backend))
    grow(backend, source, FAN_IN)
    assert len(list(backend.list(names.INDEX))) == FAN_IN + 1
    assert len(list(backend.list(names.PARTS))) > FAN_IN
    return objects_of(backend)


def aged(objects, days):
    backend = AgedBackend(objects)
    backend.now_s = int(days * DAY_S)
    return backend


def assert_whole(backend, source, tmp_path):
    assert run_check(backend).damage == ()
    repository = open_small(backend)
    restore_all(repository, snapshots_of(repository)[-1], tmp_path / "out")
    assert read_tree(tmp_path / "out") == read_tree(source)
    assert repository.problems == []


def numbers(tallies):
    return {kind: tally.number for kind, tally in tallies.items() if tally.number}


def test_replaced_runs_and_their_parts_go_after_a_day(source, tmp_path):
    objects = unmerged(source)
    backend = aged(objects, 1)
    summary = run(backend)
    assert numbers(summary.removed).keys() == {"runs", "parts"}
    assert summary.removed["runs"].number == FAN_IN
    assert not any(tally.number for tally in summary.left.values())
    [left] = backend.list(names.INDEX)
    [merged] = open_small(backend).index.runs
    assert merged.name == left.name
    parts = {info.name for info in backend.list(names.PARTS)}
    assert parts == set(merged.part_names)
    gone = set(objects) - set(objects_of(backend))
    freed = sum(len(objects[name]) for name in gone)
    assert freed == sum(one.stored_bytes for one in summary.removed.values())
    assert_whole(backend, source, tmp_path)
    assert not any(numbers(run(backend).removed))


def test_before_a_day_is_over_all_stays(source):
    objects = unmerged(source)
    backend = aged(objects, 0.99)
    summary = run(backend)
    assert numbers(summary.removed) == {}
    assert summary.left["runs"].number == FAN_IN
    assert objects_of(backend) == objects


def test_a_dry_run_says_the_same_and_changes_nothing(source):
    objects = unmerged(source)
    objects[names.PARTS + HASH] = b"nobody's"
    backend, other = aged(objects, 2), aged(objects, 2)
    for one in (backend, other):
        one.uploads[names.PARTS + HASH] = 0
    tried = run(backend, dry_run=True)
    assert objects_of(backend) == objects
    assert backend.uploads
    done = run(other)
    assert tried == done
    assert done.removed["uploads"].number == 1


def test_without_ages_nothing_goes_and_it_is_said(source):
    backend = MemoryBackend(unmerged(source))
    objects = objects_of(backend)
    summary = run(backend)
    assert numbers(summary.removed) == {}
    assert "nor the ages" in summary.notes[0]
    assert objects_of(backend) == objects


def test_parts_that_no_run_names_go_after_a_day(source, tmp_path):
    create = create_small()
    grow(create.backend, source, 1)
    backend = aged(objects_of(create.backend), 1)
    backend.put(names.PARTS + HASH, b"young")
    backend.now_s += DAY_S - 1
    assert run(backend).left["parts"].number == 1
    backend.now_s += 1
    assert run(backend).removed["parts"].number == 1
    assert_whole(backend, source, tmp_path)


def test_a_damaged_merged_run_replaces_nothing(source, tmp_path):
    objects = unmerged(source)
    [merged] = open_small(MemoryBackend(objects)).index.runs
    part = merged.part_names[0]
    objects[part] = bytes(len(objects[part]))
    backend = aged(objects, 2)
    summary = run(backend)
    assert numbers(summary.removed) == {}
    assert "is damaged" in summary.notes[0]
    assert objects_of(backend) == objects


def test_where_a_run_cannot_be_read_no_part_goes(source):
    create = create_small()
    grow(create.backend, source, 2)
    objects = objects_of(create.backend)
    name = next(name for name in objects if name.startswith(names.INDEX))
    objects[name] = bytes(len(objects[name]))
    objects[names.PARTS + HASH] = b"nobody's"
    backend = aged(objects, 2)
    summary = run(backend)
    assert numbers(summary.removed) == {}
    assert "cannot be read" in summary.notes[0]
    assert objects_of(backend) == objects


def test_unfinished_uploads_go_after_a_day_and_those_of_others_never(source):
    create = create_small()
    backend = aged(objects_of(create.backend), 5)
    volume = f"chunks/ab/{HASH}"
    backend.uploads = {volume: 4 * DAY_S, "index/" + HASH: 4 * DAY_S + 1}
    backend.uploads |= {"movies/holiday.mp4": 0, "config": 0}
    summary = run(backend)
    assert numbers(summary.removed) == {"uploads": 2}
    assert numbers(summary.left) == {"uploads": 1}
    assert set(backend.uploads) == {"index/" + HASH, "movies/holiday.mp4"}


def test_volumes_that_no_snapshot_needs_are_left_for_the_next_backup(source):
    create = create_small()
    with create.writer(workers=0) as writer:
        writer.save(1, noise(3_000, "left by a killed backup"))
    backend = aged(objects_of(create.backend), 100)
    before = objects_of(backend)
    assert numbers(run(backend).removed) == {}
    assert objects_of(backend) == before


def test_a_place_without_config_is_left_alone(source):
    objects = unmerged(source)
    del objects["config"]
    backend = aged(objects, 2)
    with pytest.raises(SafetyStop, match="nothing was removed"):
        run(backend)
    assert objects_of(backend) == objects


def test_a_key_that_may_not_delete_is_told_so(source):
    backend = AppendOnly(unmerged(source))
    backend.now_s = 2 * DAY_S
    with pytest.raises(AccessDenied) as caught:
        run(backend)
    assert "may delete" in caught.value.hint
    assert "does no harm" in caught.value.hint


def test_a_crash_at_any_moment_leaves_it_whole_and_the_next_prune_ends_it(
    source, tmp_path
):
    objects = unmerged(source)
    recording = Recorded(aged(objects, 2))
    run(recording)
    assert len(recording.mutations()) > FAN_IN
    clean = objects_of(recording)
    for left in recording.replays():
        state = aged(objects_of(left), 2)
        assert run_check(state).damage == ()
        run(state)
        assert objects_of(state) == clean
    assert_whole(state, source, tmp_path)


def test_a_prune_at_every_step_of_a_backup_that_merges_takes_nothing_of_it(
    source, tmp_path
):
    create = create_small()
    grow(create.backend, source, FAN_IN - 1)
    backend = Pruned(objects_of(create.backend))
    backend.now_s = 2 * DAY_S  # all that was there before is old
    grow(backend, source, 1, start=FAN_IN)
    assert backend.prunes > 10
    assert_whole(backend, source, tmp_path)


def test_a_writer_that_slept_for_days_between_two_puts_loses_no_data(source, tmp_path):
    create = create_small()
    grow(create.backend, source, FAN_IN - 1)
    backend = Pruned(objects_of(create.backend), sleeps_s=3 * DAY_S)
    grow(backend, source, 1, start=FAN_IN)
    repository = open_small(backend)
    restore_all(repository, snapshots_of(repository)[-1], tmp_path / "out")
    assert read_tree(tmp_path / "out") == read_tree(source)
    # Its run lacks parts; what they said is read from the volumes, and stored again.
    back_up(open_small(backend), source, at=50)
    repository = open_small(backend)
    restore_all(repository, snapshots_of(repository)[-1], tmp_path / "again")
    assert read_tree(tmp_path / "again") == read_tree(source)


class Recorded(RecordingBackend):
    """Records what is done to a backend that knows ages."""

    def upkeep(self):
        return self._inner.upkeep()


class Pruned(AgedBackend):
    """Somebody else prunes before and after every put and deletion."""

    def __init__(self, objects, sleeps_s=0):
        super().__init__(objects)
        self.prunes = 0
        self._sleeps_s = sleeps_s
        self._is_pruning = False

    def put(self, name, data):
        self._prune()
        super().put(name, data)
        self._prune()

    def delete(self, name):
        self._prune()
        super().delete(name)
        self._prune()

    def _prune(self):
        if self._is_pruning:
            return
        self._is_pruning = True
        self.now_s += self._sleeps_s
        run(self)
        self.prunes += 1
        self._is_pruning = False
