"""On a store where reading is a download, deltas are made without any."""

import os
import random

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.repository import cached, open_repository, remote
from tests.support.builders import (
    KEY,
    back_up,
    contents,
    create_small,
    open_small,
    read_back,
    run_check,
    snapshots_of,
)
from tests.support.recording import RecordingBackend

SIZE = 200_000


@pytest.fixture
def backend():
    backend = MemoryBackend()
    create_small(backend).close()
    return backend


def edit(file, source):
    content = bytearray(file.read_bytes())
    for _ in range(5):
        content[source.randrange(len(content))] ^= 1
    file.write_bytes(content)


def take(backend, source, at, cache, recollection=None):
    """A backup as on a remote store; what it read of chunks, what it stored."""
    recording = RecordingBackend(backend)
    before = sum(info.size for info in backend.list("chunks/"))
    store = cached(recording, os.fsencode(cache)) if cache else recording
    store, bases = remote(store, cache and os.fsencode(cache))
    with open_repository(
        store, KEY, bases=bases, recollection=recollection, connections=3
    ) as repository:
        assert repository.connections == 3
        back_up(repository, source, at=at)
        assert not repository.index.missing_volumes
    read = [
        event
        for event in recording.events
        if event.call.verb == "get" and event.call.name.startswith("chunks/")
    ]
    stored = sum(info.size for info in backend.list("chunks/")) - before
    return len(read), stored


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "file").write_bytes(random.Random(1).randbytes(SIZE))
    return folder


def test_bases_come_from_what_this_machine_has_stored(backend, source, tmp_path):
    edits = random.Random(2)
    read, stored = take(backend, source, 1, tmp_path / "cache")
    assert (read, stored > SIZE) == (0, True)
    for at in range(2, 6):
        edit(source / "file", edits)
        read, stored = take(backend, source, at, tmp_path / "cache")
        assert read == 0
        assert stored < SIZE / 50
    assert run_check(backend).exit_code == 0


def test_nothing_is_fetched_either_where_the_names_are_remembered(
    backend, source, tmp_path
):
    take(backend, source, 1, None)
    known = open_small(backend)
    list(known.index.runs)
    edit(source / "file", random.Random(3))
    read, _ = take(backend, source, 2, None, known.recollection)
    assert read == 0


@pytest.mark.parametrize("cache", ["other", None])
def test_what_is_not_at_hand_is_stored_whole_and_nothing_is_fetched(
    backend, source, tmp_path, cache
):
    take(backend, source, 1, tmp_path / "cache")
    edit(source / "file", random.Random(3))
    expected = (source / "file").read_bytes()
    read, stored = take(backend, source, 2, cache and tmp_path / cache)
    assert read == 0
    assert stored < SIZE / 4  # the chunks with an edit, and no others
    repository = open_small(backend)
    newest = snapshots_of(repository)[-1]
    assert list(contents(read_back(repository, newest)).values()) == [expected]
    assert run_check(backend).exit_code == 0
