"""What conditions and marked folders do to a snapshot and to the one after it."""

import os

import pytest

from chunkvault.localfs.conditions import Conditions, by_glob
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import (
    back_up,
    contents,
    create_small,
    read_back,
    snapshots_of,
    write_tree,
)


@pytest.fixture
def repository():
    return create_small()


@pytest.fixture
def source(tmp_path):
    files = {"a/wanted": b"1", "a/other": b"2", "b/c/other": b"3", "marked/.no": b"4"}
    return write_tree(tmp_path / "source", files)


def paths_of(repository, source):
    trees = TreeReader(repository.reader)
    tree = snapshots_of(repository)[-1].snapshot.tree
    node = trees.lookup(tree, os.fsencode(source))
    return [path for path, _ in trees.walk(node.subtree)]


def wanted(source):
    roots = [os.fsencode(source)]
    include = by_glob("**/wanted", roots, is_include=True)
    return Conditions([include, by_glob("**", roots, is_include=False)])


def test_a_folder_is_taken_only_if_something_in_it_is(repository, source):
    summary = back_up(repository, source, conditions=wanted(source))
    assert paths_of(repository, source) == [b"/a", b"/a/wanted"]
    way = len(source.parts) - 1
    assert (summary.files_new, summary.directories) == (1, way + 1)


def test_a_folder_that_is_no_longer_wanted_is_gone_from_the_next_snapshot(
    repository, source
):
    back_up(repository, source, at=1)
    back_up(repository, source, at=2, conditions=wanted(source))
    assert paths_of(repository, source) == [b"/a", b"/a/wanted"]
    back_up(repository, source, at=3)
    assert len(contents(read_back(repository, snapshots_of(repository)[-1]))) == 4


def test_a_folder_that_holds_the_name_is_left_out(repository, source):
    back_up(repository, source, at=1)
    back_up(repository, source, at=2, exclude_if_present=(b".no",))
    assert b"/marked" not in paths_of(repository, source)
    assert b"/b/c/other" in paths_of(repository, source)


def test_a_path_that_was_asked_for_is_stored_though_it_holds_the_name(
    repository, source
):
    back_up(repository, source / "marked", exclude_if_present=(b".no",))
    assert b"/.no" in paths_of(repository, source / "marked")
