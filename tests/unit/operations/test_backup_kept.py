"""Directories that are as they were are taken over whole, and nothing is missed.

Held against a backup that reads every file again and goes by single names.
"""

import os
import shutil

import pytest

from chunkvault.format.tree import MAX_LEAF_NODES
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import back_up, create_small, snapshots_of, write_tree
from tests.support.trees import Listener

FILES = {
    f"{name}/{leaf}": leaf.encode() for name in "abc" for leaf in ("1", "m/2", "z")
}


def nothing(_top):
    """Everything is as it was."""


def change_below(top):
    (top / "b/m/2").write_bytes(b"longer than before")


def change_beside_directories(top):
    (top / "b/z").write_bytes(b"longer than before")


def add_first(top):
    (top / "b/0").write_bytes(b"new")


def add_last(top):
    (top / "b/zz").write_bytes(b"new")


def remove_file(top):
    (top / "b/1").unlink()


def remove_directory(top):
    shutil.rmtree(top / "b/m")


def add_directory(top):
    write_tree(top, {"b/k/2": b"new"})


def file_becomes_directory(top):
    (top / "b/1").unlink()
    write_tree(top, {"b/1/2": b"new"})


def directory_becomes_file(top):
    shutil.rmtree(top / "b/m")
    (top / "b/m").write_bytes(b"new")


def turn_link(top):
    (top / "b/link").unlink()
    (top / "b/link").symlink_to("z")


def change_mode_of_directory(top):
    (top / "b").chmod(0o700)


CHANGES = (
    nothing,
    change_below,
    change_beside_directories,
    add_first,
    add_last,
    remove_file,
    remove_directory,
    add_directory,
    file_becomes_directory,
    directory_becomes_file,
    turn_link,
    change_mode_of_directory,
)


@pytest.fixture
def source(tmp_path):
    top = write_tree(tmp_path / "source", FILES)
    (top / "b/link").symlink_to("1")
    os.mkfifo(top / "c/fifo")
    (top / "empty").mkdir()
    return top


def counted(summary):
    files = summary.files_new + summary.files_changed + summary.files_unmodified
    return files, summary.directories, summary.others, summary.total_bytes


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_taken_over_is_what_reading_everything_gives(source, change):
    repository = create_small()
    back_up(repository, source, at=1)
    change(source)
    quick = back_up(repository, source, at=2)
    thorough = back_up(repository, source, at=3, force_rescan=True)
    trees = TreeReader(repository.reader)
    _, second, third = (
        trees.lookup(stored.snapshot.tree, os.fsencode(source))
        for stored in snapshots_of(repository)
    )
    assert second == third
    assert counted(quick) == counted(thorough)


def test_nothing_is_read_where_nothing_changed(source):
    repository = create_small()
    first = back_up(repository, source, at=1)
    again = back_up(repository, source, at=2)
    assert again.read_bytes == 0
    assert again.files_unmodified == first.files_new == len(FILES)


def test_directory_whose_tree_has_parts_is_gone_through_by_name(source):
    write_tree(source, {f"a/n{number}": b"" for number in range(MAX_LEAF_NODES + 1)})
    repository = create_small()
    back_up(repository, source, at=1)
    (source / "a/n7").write_bytes(b"longer than before")
    summary = back_up(repository, source, at=2)
    assert (summary.files_new, summary.files_changed) == (0, 1)
    assert summary.files_unmodified == len(FILES) + MAX_LEAF_NODES


def test_every_file_is_listed_all_the_same(source):
    repository = create_small()
    back_up(repository, source, at=1)
    listener = Listener()
    back_up(repository, source, at=2, reporter=listener, list_entries=True)
    listed = {
        os.path.relpath(path, os.fsencode(source)) for _, path in listener.entries
    }
    assert listed == {os.fsencode(name) for name in FILES}
