"""How many ways there and back a command waits for, one after the other.

On a line of 30 ms every one of them is 30 ms, however fast the line is. Who is asked
at once is shown by a backend that answers nobody before all of them have asked.
"""

from threading import Condition

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.repository import look_ahead, open_repository
from chunkvault.snapshots.catalog import Catalog
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import (
    KEY,
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
from tests.support.recording import RecordingBackend

TIMEOUT_S = 30


class RoundsBackend:
    """Answers the questions of a round only when all of it were asked.

    Attributes:
        later: what was asked outside of the rounds: (verb, name), in its order.
    """

    def __init__(self, inner, *rounds):
        self.later = []
        self._inner = inner
        self._rounds = [set(one) for one in rounds]
        self._waiting = [set(one) for one in rounds]
        self._condition = Condition()

    def put(self, name, data):
        self._ask("put", name)
        self._inner.put(name, data)

    def get(self, name, offset=0, length=None):
        self._ask("get", name)
        return self._inner.get(name, offset, length)

    def list(self, prefix):
        self._ask("list", prefix)
        return self._inner.list(prefix)

    def delete(self, name):
        self._ask("delete", name)
        self._inner.delete(name)

    def close(self):
        assert not any(self._waiting), f"never asked for: {self._waiting}"

    def _ask(self, verb, name):
        question = (verb, name.partition("/")[0])
        with self._condition:
            for missing in self._waiting:
                if question in missing:
                    missing.remove(question)
                    self._condition.notify_all()
                    met = self._condition.wait_for(lambda: not missing, TIMEOUT_S)  # noqa: B023 - waited for here
                    assert met, f"{question} came alone, without {missing}"
                    return
            self.later.append((verb, name))


def in_round(*questions):
    return {tuple(question.split(" ")) for question in questions}


def kinds_of(recording):
    calls = recording.calls()
    return sorted((call.verb, call.name.partition("/")[0]) for call in calls)


COLD = in_round("get config", "list keys", "list snapshots", "list index")
READ = in_round("list keys", "list snapshots", "list index")
BROWSED = in_round("list keys", "list snapshots")
READING = in_round("get keys", "get index")
VOLUMES = in_round("get keys", "list chunks", "list trees")
KNOWN = {("get", "keys"), ("list", "")}


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", {f"f{n}": noise(9_000, n) for n in range(9)})


@pytest.fixture
def objects(source):
    repository = create_small()
    back_up(repository, source)
    return objects_of(repository.backend)


def opened(backend, *, writes, known=None):
    ahead = look_ahead(backend, known, writes=writes, connections=5)
    return open_repository(
        ahead, KEY, recollection=known, connections=5, glances=not writes
    )


def test_a_whole_restore_reads_content_after_four_round_trips(objects, tmp_path):
    backend = RoundsBackend(MemoryBackend(objects), READ, READING)
    with opened(backend, writes=False) as repository:
        snapshot = Catalog(repository).find()
        restore_all(repository, snapshot, tmp_path / "to", workers=2)
    folders = [name.partition("/")[0] for _, name in backend.later]
    content = folders.index("chunks")
    # Of the small trees of this test several frames follow each other.
    assert set(folders[:content]) == {"snapshots", "trees"}
    assert {*folders[content:]} == {"chunks"}


def test_who_looks_at_snapshots_asks_at_once_and_for_no_index(objects):
    backend = RoundsBackend(MemoryBackend(objects), BROWSED, in_round("get keys"))
    ahead = look_ahead(backend, None, writes=False, contents=False, connections=5)
    with open_repository(ahead, KEY, connections=5, glances=True) as repository:
        snapshot = Catalog(repository).find()
        nodes = TreeReader(repository.reader).walk(snapshot.snapshot.tree)
        assert len(list(nodes)) > 9
    folders = {name.partition("/")[0] for _, name in backend.later}
    assert folders == {"snapshots", "trees"}


def test_a_backup_begins_after_two_round_trips_and_ends_with_four(objects, source):
    write_tree(source, {"new": noise(9_000, 99)})
    backend = RoundsBackend(MemoryBackend(objects), COLD, VOLUMES)
    with opened(backend, writes=True) as repository:
        back_up(repository, source, at=2, workers=2)
    asked = [(verb, name.partition("/")[0]) for verb, name in backend.later]
    # The parent, its index run and trees; then volumes at once, the run, a look
    # whether the store is still the same, the snapshot.
    assert {one for one in asked if one[0] == "get"} <= {
        ("get", "snapshots"),
        ("get", "index"),
        ("get", "trees"),
        ("get", "config"),
    }
    assert asked[-2:] == [("get", "config"), ("put", "snapshots")]
    puts = [folder for verb, folder in asked if verb == "put"]
    assert puts[-2:] == ["index", "snapshots"]
    assert set(puts[:-2]) == {"chunks", "trees"}
    assert [one for one in asked if one[0] == "list"] == []


def test_what_is_remembered_leaves_one_round_trip_to_the_begin(objects, source):
    known = open_small(MemoryBackend(objects))
    list(known.index.runs)
    backend = RoundsBackend(MemoryBackend(objects), KNOWN)
    with opened(backend, writes=True, known=known.recollection) as repository:
        back_up(repository, source, at=2, workers=2)
    assert [one for one in backend.later if one[0] == "list"] == []


@pytest.mark.parametrize("writes", [False, True])
def test_looking_ahead_makes_no_more_requests(objects, source, tmp_path, writes):
    def made(looks):
        recording = RecordingBackend(MemoryBackend(objects))
        if looks:
            repository = opened(recording, writes=writes)
        else:
            repository = open_repository(
                recording, KEY, connections=5, glances=not writes
            )
        with repository:
            if writes:
                back_up(repository, source, at=2, workers=2)
            else:
                [snapshot] = snapshots_of(repository)
                restore_all(repository, snapshot, tmp_path / str(looks))
                assert len(read_tree(tmp_path / str(looks))) == 9 + 1
        return sorted(
            (call.verb, call.name.partition("/")[0]) for call in recording.calls()
        )

    assert made(looks=True) == made(looks=False)


def test_one_file_with_a_warm_cache_still_takes_three_requests(objects):
    known = open_small(MemoryBackend(objects))
    list(known.index.runs)
    recording = RecordingBackend(MemoryBackend(objects))
    with opened(recording, writes=False, known=known.recollection) as repository:
        Catalog(repository).find()
    calls = sorted(
        (call.verb, call.name.partition("/")[0]) for call in recording.calls()
    )
    assert calls == [("get", "keys"), ("get", "snapshots"), ("list", "snapshots")]


def test_a_far_restore_asks_for_each_volume_once_or_twice(tmp_path):
    files = {f"f{number}": noise(100_000, number) for number in range(40)}
    source = write_tree(tmp_path / "many", files)
    repository = create_small()
    back_up(repository, source, workers=2)
    recording = RecordingBackend(repository.backend)
    far = open_small(recording, connections=3)
    [snapshot] = snapshots_of(far)
    assert restore_all(far, snapshot, tmp_path / "to", workers=2).files_restored == 40
    volumes = len(list(repository.backend.list("chunks/")))
    read = [one for one in recording.calls("get") if one.name.startswith("chunks/")]
    assert volumes > 100
    assert len(read) <= 2 * volumes
    assert all(one.length is not None for one in read)
