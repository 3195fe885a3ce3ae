import os

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import PathNotInSnapshot
from chunkvault.format.node import NodeKind
from chunkvault.operations.restore import RestoreOptions, restore
from chunkvault.operations.verify import VerifyOptions, verify
from chunkvault.report import SilentReporter
from tests.support.trees import (
    SECOND,
    Listener,
    make_node,
    new_repository,
    reopen,
    take_snapshot,
)


@pytest.fixture
def repository():
    return new_repository(MemoryBackend())


@pytest.fixture
def stored(repository):
    files = {
        b"/data/a": b"content",
        b"/data/d/f": b"1",
        b"/data/link": make_node(kind=NodeKind.SYMLINK, target=b"a"),
        b"/data/sparse": b"\0" * 100_000,
    }
    return take_snapshot(repository, files)


@pytest.fixture
def target(repository, stored, tmp_path):
    target = tmp_path / "target"
    options = RestoreOptions(snapshot=stored, target=os.fsencode(target), workers=0)
    restore(repository, options, SilentReporter())
    return target


@pytest.fixture
def reporter():
    return Listener()


@pytest.fixture
def run(repository, stored, target, reporter):
    def run(**options):
        against = {"snapshot": stored, "against": os.fsencode(target), "workers": 0}
        return verify(repository, VerifyOptions(**(against | options)), reporter)

    return run


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_restored_does_not_differ(run, reporter, workers):
    summary = run(workers=workers)
    assert (summary.files, summary.directories, summary.others) == (3, 2, 1)
    assert (summary.differences, summary.failed) == (0, 0)
    assert summary.compared_bytes == 100_008
    assert reporter.entries == []


def same_size(path):
    before = path.stat()
    path.write_bytes(b"CONTENT")
    os.utime(path, ns=(0, before.st_mtime_ns))


def relink(path):
    path.unlink()
    path.symlink_to("b")


def to_directory(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "change", "difference"),
    [
        ("a", same_size, "content"),
        ("a", lambda path: path.write_bytes(b"longer content"), "content"),
        ("a", lambda path: path.unlink(), "missing"),
        ("a", to_directory, "type"),
        ("a", lambda path: path.chmod(0o600), "metadata"),
        ("a", lambda path: os.chown(path, 7, 7), "metadata"),
        ("a", lambda path: os.utime(path, ns=(0, SECOND)), "metadata"),
        ("link", relink, "content"),
        ("sparse", lambda path: os.truncate(path, 0), "content"),
        ("d", lambda path: path.chmod(0o700), "metadata"),
    ],
)
def test_difference_is_named(run, target, reporter, name, change, difference):
    change(target / name)
    times = (0, 0)
    os.utime(target, ns=times)
    summary = run()
    assert reporter.entries == [(difference, os.fsencode(target / name))]
    assert summary.differences == 1


def test_missing_directory_counts_once(run, target, reporter):
    (target / "d" / "f").unlink()
    (target / "d").rmdir()
    os.utime(target, ns=(0, 0))
    assert run().missing == 1
    assert reporter.entries == [("missing", os.fsencode(target / "d"))]


def test_holes_and_written_zeros_are_the_same(run, target):
    os.truncate(target / "sparse", 0)
    os.truncate(target / "sparse", 100_000)
    os.utime(target / "sparse", ns=(0, 0))
    assert run().differences == 0


def test_names_of_one_file_that_were_parted_are_told(repository, tmp_path, reporter):
    node = make_node(inode=5, device=1, links=2)
    stored = take_snapshot(repository, {b"/data/a": node, b"/data/b": node})
    target = tmp_path / "linked"
    options = RestoreOptions(snapshot=stored, target=os.fsencode(target), workers=0)
    restore(repository, options, reporter)
    against = VerifyOptions(snapshot=stored, against=os.fsencode(target), workers=0)
    assert verify(repository, against, reporter).differences == 0
    (target / "b").unlink()
    (target / "b").touch()
    os.utime(target / "b", ns=(0, 0))
    os.utime(target, ns=(0, 0))
    assert verify(repository, against, reporter).metadata_differs == 1
    assert reporter.entries == [("metadata", os.fsencode(target / "b"))]


def test_original_place_is_compared_when_no_directory_is_given(
    repository, tmp_path, reporter
):
    place = os.fsencode(tmp_path / "here")
    stored = take_snapshot(repository, {place + b"/a": b"1"}, paths=(place,))
    options = VerifyOptions(snapshot=stored, workers=0)
    assert verify(repository, options, reporter).missing == 1
    (tmp_path / "here").mkdir(mode=0o755)
    (tmp_path / "here" / "a").write_bytes(b"2")
    assert verify(repository, options, reporter).content_differs == 1
    assert ("content", place + b"/a") in reporter.entries


def test_chosen_path_is_compared_where_a_restore_puts_it(run, target, reporter):
    (target / "f").write_bytes(b"1")
    os.utime(target / "f", ns=(0, 0))
    assert run(paths=(b"/data/d/f",)).differences == 0
    with pytest.raises(PathNotInSnapshot):
        run(paths=(b"/data/nothing",))


def test_damaged_trees_are_problems(repository, stored, target, reporter):
    for info in list(repository.backend.list("trees/")):
        repository.backend.delete(info.name)
    options = VerifyOptions(snapshot=stored, against=os.fsencode(target), workers=0)
    summary = verify(reopen(repository), options, reporter)
    assert (summary.failed, summary.damaged) == (1, 1)
    assert reporter.problems[0].object_name


def test_chunks_are_not_read(repository, stored, target, run):
    for info in list(repository.backend.list("chunks/")):
        repository.backend.delete(info.name)
    assert run().differences == 0
