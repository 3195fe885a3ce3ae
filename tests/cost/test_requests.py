"""What operations cost, in requests and bytes: counted, so that no clock is asked.

The bounds are stated where they are asserted, with what they are made of.
"""

import os

import pytest

from chunkvault.backends.counting import CountingBackend
from chunkvault.format import names
from chunkvault.format.volume import HEADER_BYTES
from chunkvault.snapshots.catalog import Catalog
from tests.support.builders import (
    back_up,
    create_small,
    noise,
    open_small,
    read_tree,
    restore_all,
    snapshots_of,
    write_tree,
)
from tests.support.recording import RecordingBackend

FILES = {
    **{f"{n % 5}/{n:02}": noise(1_000 + 100 * n, n) for n in range(60)},
    "text/readme": b"some text\n" * 30,
}
OPENING = 3
"""The config, the list of key slots, one key slot."""


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", FILES)


@pytest.fixture
def repository(source):
    created = create_small()
    back_up(created, source)
    volumes = list(created.backend.list("chunks/"))
    assert len(volumes) >= 8
    return created


def recorded(repository):
    recording = RecordingBackend(repository.backend)
    recording.events.clear()
    return recording, open_small(recording)


def ranges(recording, folder):
    """(object, from, to) of everything that was read below a folder."""
    sizes = {info.name: info.size for info in recording.list(folder)}
    return [
        (
            call.name,
            call.offset,
            sizes[call.name] if call.length is None else call.offset + call.length,
        )
        for call in recording.calls("get")
        if call.name.startswith(folder)
    ]


def assert_nothing_twice(found):
    for name in {name for name, _, _ in found}:
        last = HEADER_BYTES
        for _, start, end in sorted(one for one in found if one[0] == name):
            assert start >= last, f"{name}: bytes from {start} are read again"
            last = end


def test_opening_takes_three_requests(repository):
    recording, _ = recorded(repository)
    assert len(recording.calls()) == OPENING


def test_one_small_file_takes_few_requests(repository, source, tmp_path):
    recording, again = recorded(repository)
    snapshot = Catalog(again).find()
    path = os.fsencode(source / "text/readme")
    summary = restore_all(again, snapshot, tmp_path / "to", paths=(path,))
    assert summary.files_restored == 1
    by_verb = [call.verb for call in recording.calls()]
    # The list of snapshots and the newest; the list of index runs and the one run;
    # at most a frame of trees for each name on the way; the frame of the file.
    way = path.count(b"/")
    assert by_verb.count("list") == 3
    assert len(by_verb) <= OPENING + 2 + 2 + way + 1
    assert len(ranges(recording, "chunks/")) == 1
    assert recording.calls("put", "delete") == ()


@pytest.mark.parametrize("workers", [0, 2])
def test_whole_restore_reads_no_byte_of_content_twice(repository, tmp_path, workers):
    recording, again = recorded(repository)
    [snapshot] = snapshots_of(again)
    summary = restore_all(again, snapshot, tmp_path / "to", workers=workers)
    found = ranges(recording, "chunks/")
    assert_nothing_twice(found)
    assert summary.read_bytes == sum(end - start for _, start, end in found)
    volumes = {name for name, _, _ in found}
    assert len(volumes) >= 8
    assert len(found) <= 2 * len(volumes), "neighbouring frames come in one read"


def test_whole_restore_reads_each_tree_once(repository, tmp_path):
    recording, again = recorded(repository)
    [snapshot] = snapshots_of(again)
    restore_all(again, snapshot, tmp_path / "to")
    assert_nothing_twice(ranges(recording, "trees/"))


def test_restore_of_what_is_there_already_reads_no_content(
    repository, source, tmp_path
):
    [snapshot] = snapshots_of(repository)
    restore_all(repository, snapshot, tmp_path / "to")
    recording, again = recorded(repository)
    summary = restore_all(again, snapshot, tmp_path / "to")
    assert summary.files_unchanged == len(FILES)
    assert ranges(recording, "chunks/") == []


def test_restore_over_an_older_version_reads_only_what_differs(
    repository, source, tmp_path
):
    restore_all(repository, snapshots_of(repository)[0], tmp_path / "to")
    write_tree(source, {"text/readme": b"changed"})
    back_up(repository, source, at=2)
    recording, again = recorded(repository)
    newest = snapshots_of(again)[-1]
    restore_all(again, newest, tmp_path / "to")
    assert len(ranges(recording, "chunks/")) == 1
    assert read_tree(tmp_path / "to") == read_tree(source)


def folders_above(path):
    return [folder.stat().st_mtime_ns for folder in path.parents]


class Opened:
    """Counts the files below a directory that this process opens to read."""

    def __init__(self, monkeypatch):
        self.names = []
        real = os.open

        def opening(path, flags, *more, **named):
            if not flags & os.O_DIRECTORY:
                self.names.append(path)
            return real(path, flags, *more, **named)

        monkeypatch.setattr(os, "open", opening)


def test_backup_with_nothing_changed_opens_no_file_and_puts_one_object(
    repository, source, monkeypatch
):
    # Others make files in the folders above, of which the times are stored.
    before: list[int] = []
    for at in range(2, 12):
        recording, again = recorded(repository)
        opened = Opened(monkeypatch)
        summary = back_up(again, source, at=at)
        if folders_above(source) == before:
            break
        before = folders_above(source)
    assert summary.files_unmodified == len(FILES)
    assert opened.names == []
    assert [call.name[:10] for call in recording.calls("put")] == [names.SNAPSHOTS]
    # To find the parent: a listing, and the snapshot. To know what is there: three
    # listings, and the index run. To compare: trees, several in a frame.
    trees = len(ranges(recording, "trees/"))
    assert trees <= 2 + os.fsencode(source).count(b"/") + 6
    assert len(recording.calls("get", "list")) <= OPENING + 2 + 5 + trees


def test_backup_with_one_changed_file_opens_only_that(repository, source, monkeypatch):
    write_tree(source, {"2/02": b"changed"})
    opened = Opened(monkeypatch)
    summary = back_up(open_small(repository.backend), source, at=2)
    assert (summary.files_changed, summary.files_new) == (1, 0)
    assert opened.names == [b"02"]


def test_every_further_backup_costs_the_same(repository, source):
    """Requests do not grow with the number of snapshots."""
    costs = []
    for at in range(2, 12):
        counting = CountingBackend(repository.backend)
        back_up(open_small(counting), source, at=at)
        costs.append((counting.counts.gets, counting.counts.lists))
    assert len(set(costs[1:])) == 1


def test_one_changed_byte_stores_its_chunk_its_trees_and_little_else(tmp_path):
    source = write_tree(tmp_path / "s", {"large": noise(400_000), "other": b"o"})
    repository = create_small()
    back_up(repository, source)
    with open(source / "large", "r+b") as file:
        file.seek(200_000)
        file.write(b"\0\1\2\3")
    counting = CountingBackend(repository.backend)
    summary = back_up(open_small(counting), source, at=2)
    assert summary.read_bytes == 400_000
    # Chunks around the change, of at most 4 KiB; a leaf and a root of the list of
    # chunks; the trees from the root down; an index run and a snapshot.
    assert counting.counts.put_bytes <= 3 * 4_096 + 20_000
    assert summary.stored_bytes <= counting.counts.put_bytes
    assert counting.counts.puts <= 4


def test_moved_and_copied_files_store_no_content(repository, source):
    (source / "5").mkdir()
    (source / "0/00").rename(source / "5/moved")
    write_tree(source, {"5/copy": FILES["1/01"]})
    recording, again = recorded(repository)
    back_up(again, source, at=2)
    assert [c for c in recording.calls("put") if c.name.startswith("chunks/")] == []


def test_listing_snapshots_takes_a_list_and_a_get_for_each(repository, source):
    for at in range(2, 7):
        back_up(repository, source, at=at)
    recording, again = recorded(repository)
    assert len(Catalog(again).all()) == 6
    calls = [(call.verb, call.name[:10]) for call in recording.calls()[OPENING:]]
    assert calls == [("list", names.SNAPSHOTS)] + 6 * [("get", names.SNAPSHOTS)]


def test_the_newest_snapshot_takes_one_list_and_one_get(repository, source):
    for at in range(2, 7):
        back_up(repository, source, at=at)
    recording, again = recorded(repository)
    Catalog(again).find()
    assert len(recording.calls()) == OPENING + 2


def test_two_snapshots_by_name_take_one_list(repository, source):
    from chunkvault.cli.snapshot_query import find_named_snapshots

    back_up(repository, source, at=2)
    recording, again = recorded(repository)
    older, newer = find_named_snapshots(again, "latest~1", "latest")
    assert older.snapshot.time_ns < newer.snapshot.time_ns
    verbs = [call.verb for call in recording.calls()[OPENING:]]
    assert verbs == ["list", "get", "get"]


def test_flat_directory_of_20000_files_stores_little_for_one_change(tmp_path):
    from chunkvault.repository import DEFAULT_SETTINGS

    source = tmp_path / "flat"
    source.mkdir()
    for number in range(20_000):
        (source / f"file-{number:06}").touch()
    (source / "file-000123").write_bytes(b"before")
    repository = create_small(settings=DEFAULT_SETTINGS)
    back_up(repository, source)
    (source / "file-000123").write_bytes(b"after!!")
    counting = CountingBackend(repository.backend)
    summary = back_up(open_small(counting), source, at=2)
    assert summary.files_unmodified == 19_999
    assert counting.counts.put_bytes < 64 << 10
