import pytest

from chunkvault.errors import PathNotInSnapshot
from chunkvault.operations.listing import list_entries
from tests.support.trees import new_repository, take_snapshot

FILES = {b"/data/b": b"", b"/data/a/x": b"1", b"/data/a/y/z": b"", b"/data\n/q": b""}


@pytest.fixture(scope="module")
def repository():
    return new_repository()


@pytest.fixture(scope="module")
def stored(repository):
    return take_snapshot(repository, FILES, paths=(b"/data", b"/data\n"))


def paths(*arguments, **options):
    return [path for path, _ in list_entries(*arguments, **options)]


def test_directory_lists_its_entries_in_order(repository, stored):
    assert paths(repository, stored, b"/data") == [b"/data/a", b"/data/b"]
    assert paths(repository, stored, b"/data//a/") == [b"/data/a/x", b"/data/a/y"]
    assert paths(repository, stored, b"/") == [b"/data", b"/data\n"]


def test_recursive_goes_down_directory_before_content(repository, stored):
    assert paths(repository, stored, b"/data", recursive=True) == [
        b"/data/a",
        b"/data/a/x",
        b"/data/a/y",
        b"/data/a/y/z",
        b"/data/b",
    ]


def test_file_lists_itself(repository, stored):
    [(path, node)] = list_entries(repository, stored, b"/data/a/x")
    assert (path, node.name, node.size) == (b"/data/a/x", b"x", 1)


def test_no_path_lists_what_was_backed_up(repository, stored):
    assert paths(repository, stored) == [b"/data/a", b"/data/b", b"/data\n/q"]


def test_path_inside_another_is_not_listed_twice(repository):
    stored = take_snapshot(
        repository, {b"/data/a/x": b"1"}, paths=(b"/data", b"/data/a")
    )
    found = paths(repository, stored, recursive=True)
    assert found == [b"/data/a", b"/data/a/x"]


def test_missing_path_is_refused_at_once(repository, stored):
    with pytest.raises(PathNotInSnapshot, match="/data/nothing"):
        list_entries(repository, stored, b"/data/nothing")
