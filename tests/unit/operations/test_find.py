import pytest

from chunkvault.operations.find import find
from tests.support.trees import new_repository, take_snapshot


@pytest.fixture
def repository():
    return new_repository()


def found(repository, snapshots, pattern):
    return [
        (match.path, [kept.snapshot.time_ns // 10**9 for kept in match.snapshots])
        for match in find(repository, snapshots, pattern)
    ]


def test_pattern_without_slash_fits_the_last_name(repository):
    files = {b"/d/a.txt": b"", b"/d/b.txt/c.text": b"", b"/d/\xff.txt": b""}
    taken = [take_snapshot(repository, files)]
    expected = [(b"/d/a.txt", [1]), (b"/d/b.txt", [1]), (b"/d/\xff.txt", [1])]
    assert found(repository, taken, b"*.txt") == expected
    assert found(repository, taken, b"?.txt") == expected
    assert found(repository, taken, b"[ab].txt") == expected[:2]
    assert found(repository, taken, b"\xff*") == expected[2:]
    assert found(repository, taken, b"A.txt") == []


def test_pattern_with_slash_fits_the_whole_path(repository):
    taken = [take_snapshot(repository, {b"/d/e/f": b"", b"/x/e/f": b""})]
    assert found(repository, taken, b"/d/*/f") == [(b"/d/e/f", [1])]
    assert found(repository, taken, b"*/e") == [(b"/d/e", [1]), (b"/x/e", [1])]
    assert found(repository, taken, b"e/f") == []


def test_path_comes_once_for_each_version_with_all_snapshots_that_have_it(
    repository,
):
    taken = [
        take_snapshot(repository, {b"/d/a": b"1"}, at=1),
        take_snapshot(repository, {b"/d/b": b"1"}, at=2),
        take_snapshot(repository, {b"/d/a": b"22", b"/d/b": b"1"}, at=3),
        take_snapshot(repository, {b"/d/a": b"1"}, at=4),
    ]
    expected = [(b"/d/a", [4, 1]), (b"/d/a", [3]), (b"/d/b", [3, 2])]
    assert found(repository, taken, b"[ab]") == expected
    assert [match.node.size for match in find(repository, taken, b"a")] == [1, 2]
    assert found(repository, taken, b"d") == [(b"/d", [4, 3, 2, 1])]


def test_directory_that_was_a_file_is_searched(repository):
    taken = [
        take_snapshot(repository, {b"/d": b"file"}, at=1),
        take_snapshot(repository, {b"/d/x": b""}, at=2),
    ]
    assert found(repository, taken, b"*") == [
        (b"/d", [2]),
        (b"/d", [1]),
        (b"/d/x", [2]),
    ]


def test_shared_directories_are_read_once(repository):
    same = {b"/same/%d/x" % number: b"" for number in range(20)}
    taken = [
        take_snapshot(repository, same | {b"/n": b"%d" % at}, at=at)
        for at in range(1, 11)
    ]
    loads = []
    load = repository.reader.load
    repository.reader.load = lambda kind, blob: loads.append(blob) or load(kind, blob)
    assert len(found(repository, taken, b"x")) == 20
    # Ten roots; "/same" and the one directory that all twenty in it are.
    assert len(loads) == 10 + 2
