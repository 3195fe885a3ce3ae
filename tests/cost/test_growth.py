"""What a new version costs: bytes stored, and bytes read to get any of them back."""

import os
import random
from itertools import pairwise

import pytest

from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.repository import DEFAULT_SETTINGS, open_repository
from chunkvault.snapshots.content import file_refs, read_file
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import (
    KEY,
    back_up,
    create_small,
    restore_all,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.recording import RecordingBackend

SIZE = 4 << 20
EDITS = 20
VERSIONS = 6
HISTORIES = [100, pytest.param(300, marks=pytest.mark.slow)]


def edited(content, source):
    """Twenty places of a file overwritten, and a few bytes inserted."""
    changed = bytearray(content)
    for _ in range(EDITS):
        place = source.randrange(len(changed) - 100)
        changed[place : place + 40] = source.randbytes(40)
    place = source.randrange(len(changed))
    return bytes(changed[:place]) + b"inserted" + bytes(changed[place:])


@pytest.fixture
def versions(tmp_path):
    """A repository with the versions of one file, and what each version stored."""
    source = random.Random(5)
    folder = tmp_path / "source"
    folder.mkdir()
    content = source.randbytes(SIZE)
    backend = MemoryBackend()
    repository = create_small(backend, settings=DEFAULT_SETTINGS)
    contents, stored = [], []
    for number in range(VERSIONS):
        (folder / "file").write_bytes(content)
        before = sum(info.size for info in backend.list(""))
        back_up(repository, folder, at=number + 1)
        stored.append(sum(info.size for info in backend.list("")) - before)
        contents.append(content)
        content = edited(content, source)
    return backend, folder, contents, stored


def test_a_version_costs_a_small_multiple_of_what_changed(versions):
    _, _, _, stored = versions
    changed = EDITS * 40 + 8
    # Deltas, references, the tree, the index run, a snapshot, and their padding.
    assert max(stored[1:]) < changed * 12
    assert max(stored[1:]) < stored[0] / 200


def test_a_word_in_one_small_file_costs_four_small_objects(tmp_path):
    words = [b"alpha", b"beta", b"gamma", b"delta"]
    files = {
        f"part{number % 7}/file{number:03}": b" ".join(
            random.Random(number).choices(words, k=200)
        )
        for number in range(200)
    }
    source = write_tree(tmp_path / "source", files)
    backend = MemoryBackend()
    repository = create_small(backend, settings=DEFAULT_SETTINGS)
    back_up(repository, source, at=1)
    before = {info.name: info.size for info in backend.list("")}
    file = source / "part3" / "file003"
    file.write_bytes(file.read_bytes().replace(b"beta", b"something", 1))
    back_up(repository, source, at=2)
    added = [info for info in backend.list("") if info.name not in before]
    # The delta takes a tenth of that; trees up to the root, rows, hints the rest.
    assert sorted(info.name.split("/")[0] for info in added) == [
        "chunks",
        "index",
        "snapshots",
        "trees",
    ]
    # The new run has the rows of the short one before, which goes.
    grown = sum(info.size for info in backend.list("")) - sum(before.values())
    assert grown < 4500


def test_any_version_restores_directly_from_at_most_twice_its_bytes(versions):
    backend, folder, contents, _ = versions
    for number, snapshot in enumerate(snapshots_of(open_repository(backend, KEY))):
        counting = CountingBackend(backend)
        repository = open_repository(counting, KEY)
        tree = TreeReader(repository.reader)
        node = tree.lookup(snapshot.snapshot.tree, os.fsencode(folder / "file"))
        assert b"".join(read_file(repository.reader, node)) == contents[number]
        assert counting.counts.get_bytes < 2 * len(contents[number])


@pytest.fixture(scope="module", params=HISTORIES)
def long_history(request, tmp_path_factory):
    """A repository with so many versions of a file that is edited and grows."""
    source = random.Random(6)
    folder = tmp_path_factory.mktemp("long") / "source"
    folder.mkdir()
    words = [source.randbytes(3).hex().encode() for _ in range(2_000)]
    content = b" ".join(source.choices(words, k=40_000))
    backend = MemoryBackend()
    repository = create_small(backend, settings=DEFAULT_SETTINGS)
    contents, stored = [], []
    for number in range(request.param):
        (folder / "file").write_bytes(content)
        before = sum(info.size for info in backend.list(""))
        back_up(repository, folder, at=number + 1)
        stored.append(sum(info.size for info in backend.list("")) - before)
        contents.append(content)
        changed = bytearray(content)
        for _ in range(5):
            place = source.randrange(len(changed) - 40)
            changed[place : place + 20] = source.randbytes(20)
        content = bytes(changed) + b" ".join(source.choices(words, k=40))
    return backend, contents, stored


def ranges_of_chunks(recording):
    """(object, from, to) of what was read of chunk volumes."""
    return [
        (event.call.name, event.call.offset, event.call.offset + event.call.length)
        for event in recording.events
        if event.phase == "start"
        and event.call.verb == "get"
        and event.call.name.startswith("chunks/")
    ]


@pytest.mark.parametrize("part", [0, 0.5, 1])
def test_after_many_versions_each_restores_from_twice_its_bytes_each_read_once(
    long_history, tmp_path, part
):
    backend, contents, stored = long_history
    which = int(part * (len(contents) - 1))
    recording = RecordingBackend(backend)
    repository = open_repository(recording, KEY)
    snapshot = snapshots_of(repository)[which]
    restore_all(repository, snapshot, tmp_path / "target")
    assert (tmp_path / "target" / "file").read_bytes() == contents[which]
    read = sorted(ranges_of_chunks(recording))
    assert all(
        left[0] != right[0] or left[2] <= right[1] for left, right in pairwise(read)
    ), "something was read twice"
    fresh = stored[0] * len(contents[which]) / len(contents[0])
    assert sum(end - start for _, start, end in read) < 2 * fresh


def test_growth_does_not_grow(long_history):
    _, _, stored = long_history
    tenth = len(stored) // 10
    assert sum(stored[-tenth:]) < 2 * sum(stored[tenth : 2 * tenth])


def test_no_delta_rests_on_a_delta(versions):
    backend, folder, _, _ = versions
    repository = open_repository(backend, KEY)
    deltas = 0
    for snapshot in snapshots_of(repository):
        tree = TreeReader(repository.reader)
        node = tree.lookup(snapshot.snapshot.tree, os.fsencode(folder / "file"))
        for ref in file_refs(repository.reader, node):
            location = repository.reader.locate(ref.blob_id)
            if location.base is not None:
                deltas += 1
                assert len(location.base) == PREFIX_BYTES
                assert repository.index.find(location.base).base is None
    assert deltas > EDITS


def test_check_reads_every_delta(versions):
    backend, _, _, _ = versions
    assert run_check(backend).exit_code == 0
