import pytest

from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.format.node import NodeKind
from chunkvault.snapshots.history import versions
from tests.support.large_directory import spoil_tree
from tests.support.trees import make_node, new_repository, reopen, take_snapshot

PATH = b"/data/folder/file"


def take_all(repository, *contents):
    return [
        take_snapshot(repository, {} if what is None else {PATH: what}, at=at)
        for at, what in enumerate(contents, 1)
    ]


def times(version):
    return [kept.snapshot.time_ns // 10**9 for kept in version.snapshots]


def test_equal_neighbours_are_one_version_newest_first():
    repository = new_repository()
    taken = take_all(repository, b"one", b"one", b"two", b"two", b"one")
    found = list(versions(repository, taken, PATH, pytest.fail))
    assert [times(version) for version in found] == [[5], [4, 3], [2, 1]]
    assert [version.node.size for version in found] == [3, 3, 3]
    assert found[0].node.content == found[2].node.content != found[1].node.content


def test_deletion_is_a_version_without_a_node():
    repository = new_repository()
    taken = take_all(repository, None, b"one", None, None, b"two", None)
    found = list(versions(repository, taken, PATH, pytest.fail))
    assert [(version.node is None, times(version)) for version in found] == [
        (True, [6]),
        (False, [5]),
        (True, [4, 3]),
        (False, [2]),
    ]


def test_path_that_was_never_there_has_no_versions():
    repository = new_repository()
    taken = take_all(repository, b"one", None)
    assert list(versions(repository, taken, b"/data/other", pytest.fail)) == []
    assert list(versions(repository, taken, PATH + b"/below", pytest.fail)) == []


def test_metadata_makes_a_version_but_inode_and_ctime_do_not():
    repository = new_repository()
    node = make_node(mode=0o644)
    again = node._replace(inode=7, device=3, ctime_ns=9, links=2)
    opened = again._replace(mode=0o600)
    taken = take_all(repository, node, again, opened)
    found = list(versions(repository, taken, PATH, pytest.fail))
    assert [times(version) for version in found] == [[3], [2, 1]]


def test_another_type_is_another_version():
    repository = new_repository()
    link = make_node(kind=NodeKind.SYMLINK, target=b"a")
    taken = take_all(repository, b"", link, link._replace(target=b"b"))
    assert [
        times(version) for version in versions(repository, taken, PATH, pytest.fail)
    ] == [
        [3],
        [2],
        [1],
    ]


def test_folder_changes_when_something_in_it_does():
    repository = new_repository()
    taken = take_all(repository, b"one", b"two", b"two")
    for folder in (b"/data/folder", b"/data/folder/", b"/data", b"/"):
        found = list(versions(repository, taken, folder, pytest.fail))
        assert [times(version) for version in found] == [[3, 2], [1]], folder


def test_snapshots_of_other_paths_do_not_count():
    repository = new_repository()
    first, last = take_all(repository, b"one", b"one")
    other = take_snapshot(repository, {b"/etc/x": b""}, at=1, paths=(b"/etc",))
    found = list(versions(repository, [first, other, last], PATH, pytest.fail))
    assert [times(version) for version in found] == [[2, 1]]


def test_unchanged_folders_are_not_read_again():
    backend = CountingBackend(MemoryBackend())
    repository = new_repository(backend)
    taken = [
        take_snapshot(repository, {PATH: b"same", b"/data/noise": b"%d" % at}, at=at)
        for at in range(1, 41)
    ]
    repository = reopen(repository)
    tree_loads = []
    load = repository.reader.load
    repository.reader.load = lambda kind, blob: (
        tree_loads.append(blob) or load(kind, blob)
    )
    [version] = versions(repository, taken, PATH, pytest.fail)
    assert len(version.snapshots) == 40
    # "/" and "/data" differ in each snapshot, "/data/folder" is read once.
    assert len(tree_loads) == 2 * 40 + 1


def test_a_damaged_snapshot_is_passed_over_and_told():
    repository = new_repository()
    taken = take_all(repository, b"one", b"one", b"two", b"one")
    name = spoil_tree(repository, taken[2].snapshot.tree)
    errors = []
    found = list(versions(reopen(repository), taken, PATH, errors.append))
    assert [times(version) for version in found] == [[4, 2, 1]]
    assert [error.object_name for error in errors] == [name]
