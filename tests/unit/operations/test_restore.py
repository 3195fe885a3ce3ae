"""Restoring from snapshots in memory to real directories."""

import errno
import os
import signal
import stat
import sys

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import PathNotInSnapshot, TargetFull, UsageError
from chunkvault.format.content import ChunkRef, encode_refs
from chunkvault.format.node import NodeKind
from chunkvault.localfs.apply import Target
from chunkvault.localfs.file_maker import FileMaker
from chunkvault.operations.restore import RestoreOptions, batches, restore, writing
from chunkvault.repository import open_repository
from tests.support.recording import RecordingBackend
from tests.support.trees import (
    KEY,
    SECOND,
    Listener,
    make_node,
    new_repository,
    reopen,
    take_snapshot,
)


@pytest.fixture
def backend():
    return MemoryBackend()


@pytest.fixture
def repository(backend):
    return new_repository(backend)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "target"


@pytest.fixture
def reporter():
    return Listener()


@pytest.fixture
def run(repository, target, reporter):
    def run(stored, *, from_repository=repository, **options):
        chosen = RestoreOptions(
            **{"snapshot": stored, "target": os.fsencode(target), "workers": 0}
            | options
        )
        return restore(from_repository, chosen, reporter)

    return run


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def random_bytes(length, seed=1):
    # Incompressible and without repetitions; the same in every run.
    return b"".join(
        (seed * 2**64 + number * 0x9E3779B97F4A7C15).to_bytes(24, "little")
        for number in range(length // 24 + 1)
    )[:length]


def file_of_chunks(repository, *chunks, **fields):
    """A node whose content is cut where the test wants it; None: a hole."""
    with repository.writer(workers=0) as writer:
        refs = [
            ChunkRef(chunk, None)
            if isinstance(chunk, int)
            else ChunkRef(len(chunk), writer.save(1, chunk))
            for chunk in chunks
        ]
    size = sum(ref.length for ref in refs)
    return make_node(size=size, content=encode_refs(refs), **fields)


# --- what goes where ---------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_content_of_the_one_folder_arrives(repository, run, target, workers):
    files = {b"/data/a": b"1", b"/data/d/b": b"22", b"/data/empty": b""}
    summary = run(take_snapshot(repository, files), workers=workers)
    assert contents(target) == {"a": b"1", "d/b": b"22", "empty": b""}
    assert (summary.files_restored, summary.directories) == (3, 2)
    assert (summary.restored_bytes, summary.failed) == (3, 0)


def test_folder_brings_its_own_metadata(repository, run, target):
    folder = make_node(kind=NodeKind.DIRECTORY, mode=0o750, mtime_ns=5 * SECOND)
    run(take_snapshot(repository, {b"/data": folder, b"/data/a": b"1"}))
    status = target.stat()
    assert stat.S_IMODE(status.st_mode) == 0o750
    assert status.st_mtime_ns == 5 * SECOND


def test_several_paths_arrive_under_their_base_names(repository, run, target):
    files = {b"/x/a/f": b"1", b"/y/b/f": b"2"}
    run(take_snapshot(repository, files, paths=(b"/x/a", b"/y/b")))
    assert contents(target) == {"a/f": b"1", "b/f": b"2"}


def test_equal_base_names_arrive_under_whole_paths(repository, run, target):
    way = make_node(kind=NodeKind.DIRECTORY, mode=0o711)
    files = {b"/x": way, b"/x/a/f": b"1", b"/y/a/f": b"2"}
    run(take_snapshot(repository, files, paths=(b"/x/a", b"/y/a")))
    assert contents(target) == {"x/a/f": b"1", "y/a/f": b"2"}
    assert stat.S_IMODE((target / "x").stat().st_mode) == 0o711


def test_chosen_path_arrives_under_its_base_name(repository, run, target):
    stored = take_snapshot(repository, {b"/data/d/f": b"1", b"/data/e": b"2"})
    summary = run(stored, paths=(b"/data/d/f",))
    assert contents(target) == {"f": b"1"}
    assert summary.files_restored == 1


def test_absent_path_is_named_before_anything_is_written(repository, run, target):
    stored = take_snapshot(repository, {b"/data/a": b"1"})
    with pytest.raises(PathNotInSnapshot, match="/data/b"):
        run(stored, paths=(b"/data/a", b"/data/b"))
    assert not target.exists()


def test_unknown_policy_is_refused(repository, run):
    with pytest.raises(UsageError):
        run(take_snapshot(repository, {}, paths=(b"/",)), overwrite="sometimes")


# --- special files -----------------------------------------------------------


def test_links_and_pipes_arrive_and_are_left_alone_the_second_time(
    repository, run, target, reporter
):
    files = {
        b"/data/link": make_node(kind=NodeKind.SYMLINK, target=b"no/where"),
        b"/data/pipe": make_node(kind=NodeKind.FIFO, mode=0o600),
    }
    stored = take_snapshot(repository, files)
    assert run(stored).others == 2
    assert os.readlink(target / "link") == "no/where"
    assert stat.S_ISFIFO((target / "pipe").stat().st_mode)
    before = (target / "link").lstat().st_ino
    assert run(stored).others == 2
    assert (target / "link").lstat().st_ino == before
    assert reporter.problems == []


def test_several_names_of_a_file_become_one_file_again(repository, run, target):
    same = {"inode": 7, "device": 1, "links": 3}
    node = file_of_chunks(repository, b"shared", **same)
    files = {b"/data/a": node, b"/data/b": b"else", b"/data/c": node}
    summary = run(take_snapshot(repository, files))
    assert (target / "a").stat().st_ino == (target / "c").stat().st_ino
    assert (target / "a").stat().st_nlink == 2
    assert (summary.files_restored, summary.hard_links) == (3, 1)
    assert summary.restored_bytes == len(b"shared") + len(b"else")


def test_second_restore_keeps_hard_links(repository, run, target, reporter):
    node = file_of_chunks(repository, b"shared", inode=7, device=1, links=2)
    stored = take_snapshot(repository, {b"/data/a": node, b"/data/b": node})
    run(stored)
    before = (target / "a").stat().st_ino
    (target / "b").unlink()
    (target / "b").write_bytes(b"shared")
    run(stored)
    assert (target / "a").stat().st_ino == (target / "b").stat().st_ino == before
    assert reporter.problems == []


def test_file_that_is_no_longer_linked_is_separated(repository, run, target):
    target.mkdir()
    (target / "a").write_bytes(b"1")
    os.link(target / "a", target.parent / "outside")
    run(take_snapshot(repository, {b"/data/a": b"1"}))
    assert (target / "a").stat().st_nlink == 1
    assert (target.parent / "outside").read_bytes() == b"1"


# --- content -----------------------------------------------------------------


def test_holes_stay_holes(repository, run, target):
    hole = 64 << 20
    node = file_of_chunks(repository, b"begin", hole, b"end", hole)
    summary = run(take_snapshot(repository, {b"/data/sparse": node}))
    status = (target / "sparse").stat()
    assert status.st_size == 2 * hole + 8
    assert status.st_blocks * 512 < 1 << 20
    with (target / "sparse").open("rb") as file:
        assert file.read(6) == b"begin\0"
        file.seek(hole + 4)
        assert file.read(5) == b"\0end\0"
    assert summary.restored_bytes == 8


def test_file_of_nothing_but_a_hole_is_restored(repository, run, target):
    node = file_of_chunks(repository, 1 << 30)
    run(take_snapshot(repository, {b"/data/sparse": node}))
    assert (target / "sparse").stat().st_size == 1 << 30


@pytest.mark.parametrize("workers", [0, 2])
def test_large_files_and_repeated_chunks_are_put_together(
    repository, run, target, workers
):
    large = random_bytes(3 << 20)
    files = {
        b"/data/large": large,
        b"/data/twice": large + large,
        b"/data/tail": large[1 << 20 :],
    }
    run(take_snapshot(repository, files), workers=workers)
    assert contents(target) == {
        path.removeprefix(b"/data/").decode(): data for path, data in files.items()
    }


@pytest.mark.parametrize("waits_from", [0, 1000])
def test_files_arrive_in_one_thread_and_in_several(
    repository, run, target, monkeypatch, waits_from
):
    # Threads are used from the second batch on where making files waits so long.
    monkeypatch.setattr(writing, "_WAITS_FROM", waits_from)
    monkeypatch.setattr(batches, "_BATCH_PIECES", 4)
    files = {b"/data/%d" % number: random_bytes(3000, number) for number in range(60)}
    summary = run(take_snapshot(repository, files), workers=2)
    assert contents(target) == {
        path.removeprefix(b"/data/").decode(): data for path, data in files.items()
    }
    assert (summary.files_restored, summary.failed) == (60, 0)


@pytest.mark.parametrize("waits_from", [0, 1000])
def test_full_target_ends_the_restore_whoever_makes_the_files(
    repository, run, target, monkeypatch, waits_from
):
    monkeypatch.setattr(writing, "_WAITS_FROM", waits_from)
    monkeypatch.setattr(batches, "_BATCH_PIECES", 4)
    files = {b"/data/%d" % number: random_bytes(3000, number) for number in range(60)}
    stored = take_snapshot(repository, files)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(TargetFull):
        run(stored, workers=2)
    assert contents(target) == {}


# --- a second process ---------------------------------------------------------


@pytest.fixture
def makers(monkeypatch):
    """Every restore of this test has a second process; here are those started."""
    started = []
    start = Target.start_maker

    def noted(target):
        started.append(start(target))
        return started[-1]

    monkeypatch.setattr(writing, "_MANY_FILES", 0)
    monkeypatch.setattr(batches, "_BATCH_PIECES", 4)
    monkeypatch.setattr(Target, "start_maker", noted)
    monkeypatch.setattr(writing, "processor_count", lambda: 2)
    return started


def many_files():
    files = {b"/data/%d" % n: random_bytes(3000, n) for n in range(60)}
    return files | {
        b"/data/empty": b"",
        b"/data/large": random_bytes(700_000),
        b"/data/below/it": b"small",
        b"/data/again": files[b"/data/1"],
    }


def expected(files):
    return {path.removeprefix(b"/data/").decode(): data for path, data in files.items()}


def is_clean(folder):
    return not list(folder.rglob(".chunkvault-*"))


def test_a_second_process_restores_the_same(repository, run, target, makers):
    files = many_files()
    summary = run(take_snapshot(repository, files), workers=2)
    assert len(makers) == 1
    assert contents(target) == expected(files)
    assert (summary.files_restored, summary.failed) == (len(files), 0)
    assert summary.restored_bytes == sum(map(len, files.values()))
    assert is_clean(target)


@pytest.mark.parametrize("slots", range(4))
def test_a_second_process_that_is_killed_costs_nothing(
    repository, run, target, makers, monkeypatch, slots
):
    send = FileMaker.send
    sent = []

    def send_and_kill(maker):
        if len(sent) == slots:
            os.kill(maker._process.pid, signal.SIGKILL)
        sent.append(1)
        send(maker)

    monkeypatch.setattr(FileMaker, "send", send_and_kill)
    files = many_files()
    summary = run(take_snapshot(repository, files), workers=2)
    assert contents(target) == expected(files)
    assert (summary.files_restored, summary.failed) == (len(files), 0)
    assert is_clean(target)


def test_names_of_one_file_are_so_with_a_second_process(
    repository, run, target, makers
):
    node = file_of_chunks(repository, b"data", inode=7, device=1, links=2)
    files = many_files() | {b"/data/one": node, b"/data/other": node}
    run(take_snapshot(repository, files), workers=2)
    one, other = (target / "one").stat(), (target / "other").stat()
    assert one.st_ino == other.st_ino
    assert (target / "one").read_bytes() == b"data"


def test_full_target_ends_the_restore_with_a_second_process(
    repository, run, target, makers, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(TargetFull):
        run(take_snapshot(repository, many_files()), workers=2)
    assert is_clean(target)
    assert makers[0]._process.returncode is not None


@pytest.mark.parametrize("options", [{"overwrite": "never"}, {"workers": 1}])
def test_no_second_process_where_it_is_of_no_use(
    repository, run, target, makers, options
):
    files = many_files()
    run(take_snapshot(repository, files), **({"workers": 2} | options))
    assert not makers
    assert contents(target) == expected(files)


def test_it_goes_without_where_no_process_can_be_started(
    repository, run, target, makers, monkeypatch
):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    files = many_files()
    summary = run(take_snapshot(repository, files), workers=2)
    assert not makers
    assert contents(target) == expected(files)
    assert summary.failed == 0


# --- how much is read --------------------------------------------------------


def chunk_reads(recording):
    return [
        (event.call.name, event.call.offset)
        for event in recording.events
        if event.phase == "start" and event.call.name.startswith("chunks/")
    ]


def test_one_small_file_costs_one_read_of_data(repository, backend, run, target):
    files = {b"/data/%d" % number: random_bytes(2_000_000, number) for number in (1, 2)}
    stored = take_snapshot(repository, files | {b"/data/small": b"small"})
    recording = RecordingBackend(backend)
    reading = reopen_on(recording)
    run(stored, from_repository=reading, paths=(b"/data/small",))
    assert contents(target) == {"small": b"small"}
    assert len(chunk_reads(recording)) == 1


def test_every_frame_is_read_once(repository, backend, run, target):
    data = random_bytes(3 << 20)
    early = take_snapshot(repository, {b"/data/a": data}, at=1)
    files = {b"/data/a": data + b"more", b"/data/b": b"b" + data, b"/data/c": data}
    stored = take_snapshot(repository, files, at=2, parent=early.snapshot_id)
    recording = RecordingBackend(backend)
    reading = reopen_on(recording)
    summary = run(stored, from_repository=reading, workers=2)
    reads = chunk_reads(recording)
    assert len(reads) == len(set(reads))
    assert summary.read_bytes == sum(
        event.call.length
        for event in recording.events
        if event.phase == "start" and event.call.name.startswith("chunks/")
    )
    assert contents(target) == {
        path.removeprefix(b"/data/").decode(): data for path, data in files.items()
    }


def reopen_on(backend):
    return open_repository(backend, KEY)


# --- what is there already ---------------------------------------------------


def test_equal_file_is_left_alone_but_gets_its_metadata(
    repository, backend, run, target
):
    target.mkdir()
    (target / "a").write_bytes(b"same")
    (target / "a").chmod(0o600)
    before = (target / "a").stat().st_ino
    stored = take_snapshot(repository, {b"/data/a": b"same"})
    recording = RecordingBackend(backend)
    summary = run(stored, from_repository=reopen_on(recording))
    status = (target / "a").stat()
    assert (status.st_ino, stat.S_IMODE(status.st_mode)) == (before, 0o644)
    assert (summary.files_unchanged, summary.files_restored) == (1, 0)
    assert chunk_reads(recording) == []


def test_file_that_differs_in_one_chunk_costs_that_chunk_only(
    repository, backend, run, target, reporter
):
    first, second, third = (random_bytes(100_000, seed) for seed in (1, 2, 3))
    head = file_of_chunks(repository, first)
    file_of_chunks(repository, second)
    node = file_of_chunks(repository, first, second, third)
    assert node.content[:40] == head.content
    stored = take_snapshot(repository, {b"/data/a": node})
    target.mkdir()
    (target / "a").write_bytes(first + b"x" * 100_000 + third + b"longer")
    recording = RecordingBackend(backend)
    summary = run(stored, from_repository=reopen_on(recording))
    assert (target / "a").read_bytes() == first + second + third
    assert len(chunk_reads(recording)) == 1
    assert summary.read_bytes < 150_000
    assert reporter.problems == []


@pytest.mark.parametrize(
    ("overwrite", "disk_time", "is_replaced"),
    [
        ("always", 9, True),
        ("always", 1, True),
        ("if-newer", 1, True),
        ("if-newer", 5, False),
        ("if-newer", 9, False),
        ("never", 1, False),
    ],
)
def test_policy_decides_about_existing_files(
    repository, run, target, overwrite, disk_time, is_replaced
):
    node = file_of_chunks(repository, b"stored", mtime_ns=5 * SECOND)
    link = make_node(kind=NodeKind.SYMLINK, target=b"stored", mtime_ns=5 * SECOND)
    target.mkdir()
    (target / "a").write_bytes(b"on the disk")
    (target / "l").symlink_to("disk")
    for name in ("a", "l"):
        times = (0, disk_time * SECOND)
        os.utime(target / name, ns=times, follow_symlinks=False)
    files = {b"/data/a": node, b"/data/b": b"new", b"/data/l": link}
    summary = run(take_snapshot(repository, files), overwrite=overwrite)
    assert (target / "a").read_bytes() == (b"stored" if is_replaced else b"on the disk")
    assert os.readlink(target / "l") == ("stored" if is_replaced else "disk")
    assert (target / "b").read_bytes() == b"new"
    assert summary.files_kept == (not is_replaced)


def test_symbolic_link_in_the_place_of_a_file_is_replaced_not_followed(
    repository, run, target
):
    target.mkdir()
    victim = target.parent / "victim"
    victim.write_bytes(b"untouched")
    (target / "a").symlink_to(victim)
    (target / "d").symlink_to(target.parent)
    files = {b"/data/a": b"1", b"/data/d/victim": b"2"}
    run(take_snapshot(repository, files))
    assert victim.read_bytes() == b"untouched"
    assert not (target / "d").is_symlink()
    assert contents(target) == {"a": b"1", "d/victim": b"2"}


def test_directory_in_the_place_of_a_file_stays_unless_deletion_was_asked_for(
    repository, run, target, reporter
):
    (target / "a").mkdir(parents=True)
    (target / "a" / "precious").write_bytes(b"1")
    stored = take_snapshot(repository, {b"/data/a": b"file", b"/data/b": b"2"})
    summary = run(stored)
    assert contents(target) == {"a/precious": b"1", "b": b"2"}
    [problem] = reporter.problems
    assert problem.path == os.fsencode(target / "a")
    assert summary.failed == 1
    assert run(stored, delete=True).failed == 0
    assert contents(target) == {"a": b"file", "b": b"2"}


# --- deletion and dry runs ---------------------------------------------------


def test_deletion_removes_strangers_from_restored_directories_only(
    repository, run, target
):
    for name in ("a/old", "a/kept", "beside"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(b"old")
    files = {b"/x/a/kept": b"1", b"/x/a/d/f": b"2", b"/y/b/f": b"3"}
    stored = take_snapshot(repository, files, paths=(b"/x/a", b"/y/b"))
    summary = run(stored, delete=True)
    assert contents(target) == {
        "a/d/f": b"2",
        "a/kept": b"1",
        "b/f": b"3",
        "beside": b"old",
    }
    assert summary.deleted == 1


def test_dry_run_tells_and_changes_nothing(repository, run, target, reporter):
    (target / "gone").mkdir(parents=True)
    (target / "gone" / "old").write_bytes(b"1")
    (target / "changed").write_bytes(b"1")
    (target / "same").write_bytes(b"1")
    files = {
        b"/data/changed": b"2",
        b"/data/d/new": b"2",
        b"/data/link": make_node(kind=NodeKind.SYMLINK, target=b"x"),
        b"/data/same": b"1",
    }
    before = contents(target)
    stored = take_snapshot(repository, files)
    summary = run(stored, delete=True, dry_run=True)
    assert contents(target) == before
    assert sorted(os.listdir(target)) == ["changed", "gone", "same"]
    base = os.fsencode(target)
    assert sorted(reporter.entries) == [
        ("changed", base + b"/changed"),
        ("deleted", base + b"/gone"),
        ("new", base + b"/d"),
        ("new", base + b"/d/new"),
        ("new", base + b"/link"),
    ]
    assert (summary.files_restored, summary.files_unchanged) == (2, 1)
    assert (summary.deleted, summary.restored_bytes) == (2, 2)


def test_dry_run_does_not_make_the_target(repository, run, target):
    stored = take_snapshot(repository, {b"/data/d/f": b"1"})
    assert run(stored, dry_run=True, delete=True).files_restored == 1
    assert not target.exists()


# --- damage and failure ------------------------------------------------------


@pytest.fixture
def damaged(backend, repository):
    """A snapshot of two files with a volume of their own each, one of them lost."""
    whole = file_of_chunks(repository, random_bytes(50_000, 1))
    before = {info.name for info in backend.list("chunks/")}
    broken = file_of_chunks(repository, random_bytes(50_000, 2))
    [lost] = {info.name for info in backend.list("chunks/")} - before
    data = bytearray(backend.get(lost))
    data[200] ^= 1
    backend.delete(lost)
    backend.put(lost, data)
    files = {b"/data/broken": broken, b"/data/whole": whole, b"/data/z": b"z"}
    return take_snapshot(repository, files), lost


def test_damage_costs_the_files_that_need_it_and_no_others(
    damaged, run, target, reporter
):
    stored, lost = damaged
    target.mkdir()
    (target / "broken").write_bytes(b"the old one")
    summary = run(stored, workers=2)
    assert contents(target) == {
        "broken": b"the old one",
        "whole": random_bytes(50_000, 1),
        "z": b"z",
    }
    [problem] = reporter.problems
    assert problem.path == os.fsencode(target / "broken")
    assert problem.object_name == lost
    assert (summary.failed, summary.damaged, summary.files_restored) == (1, 1, 2)


def test_nothing_is_deleted_when_something_failed(damaged, run, target, reporter):
    target.mkdir()
    (target / "stranger").write_bytes(b"1")
    summary = run(damaged[0], delete=True)
    assert (target / "stranger").exists()
    assert summary.deleted == 0
    assert [problem.path for problem in reporter.problems if not problem.path] == [b""]


def test_links_to_a_lost_file_are_lost_too(backend, repository, run, target, reporter):
    node = file_of_chunks(repository, b"x" * 100, inode=7, device=1, links=2)
    for info in backend.list("chunks/"):
        backend.delete(info.name)
    target.mkdir()
    (target / "a").write_bytes(b"old")
    stored = take_snapshot(repository, {b"/data/a": node, b"/data/b": node})
    summary = run(stored)
    assert contents(target) == {"a": b"old"}
    assert summary.failed == 2
    assert [problem.path[-2:] for problem in reporter.problems] == [b"/a", b"/b"]


def test_file_of_which_some_pieces_are_lost_leaves_nothing_behind(
    backend, repository, run, target, reporter
):
    first, second = random_bytes(50_000, 1), random_bytes(50_000, 2)
    file_of_chunks(repository, first)
    kept = {info.name for info in backend.list("chunks/")}
    node = file_of_chunks(repository, first, second, first)
    for info in list(backend.list("chunks/")):
        if info.name not in kept:
            backend.delete(info.name)
    summary = run(take_snapshot(repository, {b"/data/a": node}))
    assert os.listdir(target) == []
    assert (summary.failed, len(reporter.problems)) == (1, 1)


def test_damaged_directory_costs_what_is_below_it(
    backend, repository, run, target, reporter
):
    take_snapshot(repository, {b"/data/d/f": b"1"})
    trees = {info.name: backend.get(info.name) for info in backend.list("trees/")}
    stored = take_snapshot(repository, {b"/data/d/f": b"1", b"/data/a": b"2"}, at=2)
    for name in trees:
        backend.delete(name)
    summary = run(stored, from_repository=reopen(repository))
    assert contents(target) == {"a": b"2"}
    [problem] = reporter.problems
    assert problem.path == os.fsencode(target / "d")
    assert (summary.failed, summary.damaged) == (1, 1)


def test_name_that_the_file_system_refuses_costs_that_file_only(
    repository, run, target, reporter
):
    stored = take_snapshot(repository, {b"/data/a": b"1", b"/data/" + b"x" * 300: b"2"})
    summary = run(stored)
    assert contents(target) == {"a": b"1"}
    assert summary.failed == 1
    assert "too long" in reporter.problems[0].message


def test_too_little_space_is_told_before_anything_is_written(
    repository, run, target, monkeypatch
):
    class Full:
        f_bfree, f_frsize = 1, 512

    monkeypatch.setattr(os, "statvfs", lambda _path: Full)
    stored = take_snapshot(repository, {b"/data/a": b"x" * 513})
    with pytest.raises(TargetFull, match="513 bytes"):
        run(stored)
    assert contents(target) == {}


def test_interrupted_restore_leaves_no_temporary_files(
    backend, repository, run, target, monkeypatch
):
    data = random_bytes(6 << 20)
    stored = take_snapshot(repository, {b"/data/a": data})
    real, calls = os.pwrite, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(stored, workers=2)
    assert os.listdir(target) == []
