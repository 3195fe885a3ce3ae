import pytest

from chunkvault.errors import DamageError, PathNotInSnapshot
from chunkvault.snapshots.placement import choose_targets, place, place_at_origin
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.trees import new_repository, take_snapshot

FILES = {b"/srv/a/x": b"1", b"/srv/b/x": b"2", b"/srv/b/y": b"3", b"/top": b"4"}


@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        ([b"/srv/a", b"/srv/b"], [b"a", b"b"]),
        ([b"/srv/a/x", b"/srv/b/y"], [b"x", b"y"]),
        ([b"/srv/a/x", b"/srv/b/x"], [b"srv/a/x", b"srv/b/x"]),
        ([b"/srv/a/x", b"/srv/b/x", b"/srv/b/y"], [b"srv/a/x", b"srv/b/x", b"y"]),
        ([b"/a/x", b"/b/x", b"/c/a"], [b"a/x", b"b/x", b"c/a"]),
        ([b"/a", b"/b/a"], [b"a", b"b/a"]),
        ([b"/srv", b"/srv/a"], [b"srv", b"a"]),
        ([b"/"], [b""]),
    ],
)
def test_paths_get_their_base_names_unless_these_touch(sources, targets):
    assert choose_targets(sources) == dict(zip(sources, targets, strict=True))


def test_path_that_another_brings_to_the_same_place_comes_once():
    assert choose_targets([b"/", b"/srv/a"]) == {b"/": b""}
    assert choose_targets([b"/a/b", b"/a/b/b", b"/c/b"]) == {
        b"/a/b": b"a/b",
        b"/c/b": b"c/b",
    }


@pytest.fixture
def repository():
    return new_repository()


def fail(path, error):
    raise AssertionError((path, error))


def targets(repository, paths, chosen=(), how=place):
    stored = take_snapshot(repository, FILES, paths=paths)
    placed = how(TreeReader(repository.reader), stored.snapshot, chosen, fail)
    return [(placement.target, placement.tree is not None) for placement in placed]


def test_snapshot_of_one_folder_gives_its_content(repository):
    assert targets(repository, (b"/srv",)) == [(b"", True)]


def test_snapshot_of_one_file_gives_that_file(repository):
    assert targets(repository, (b"/srv/a/x",)) == [(b"x", False)]


def test_snapshot_of_several_paths_gives_each_under_its_base_name(repository):
    found = targets(repository, (b"/srv/a", b"/srv/b", b"/srv/b/y"))
    assert found == [(b"a", True), (b"b", True)]


def test_ways_to_whole_paths_come_first_and_without_their_content(repository):
    assert targets(repository, (b"/srv/a/x", b"/srv/b/x")) == [
        (b"srv", False),
        (b"srv/a", False),
        (b"srv/b", False),
        (b"srv/a/x", False),
        (b"srv/b/x", False),
    ]


@pytest.mark.parametrize("path", [b"/srv", b"/srv/", b"//srv"])
def test_chosen_folder_keeps_its_base_name(repository, path):
    assert targets(repository, (b"/srv/a",), [path]) == [(b"srv", True)]


def test_root_can_be_chosen(repository):
    assert targets(repository, (b"/srv/a",), [b"/"]) == [(b"", True)]


def test_origin_is_the_whole_path(repository):
    found = targets(repository, (b"/srv/a", b"/top"), how=place_at_origin)
    assert found == [(b"srv/a", True), (b"top", False)]


def test_path_that_is_not_there_is_named(repository):
    with pytest.raises(PathNotInSnapshot, match="/srv/nothing"):
        targets(repository, (b"/srv",), [b"/srv/nothing"])


def test_damage_on_the_way_hides_one_path_only(repository):
    stored = take_snapshot(repository, FILES, paths=(b"/srv/a/x", b"/top"))
    trees = TreeReader(repository.reader)
    srv = trees.lookup(stored.snapshot.tree, b"/srv")
    trees.load = lambda blob_id, load=trees.load: (
        load(blob_id) if blob_id != srv.subtree else broken()
    )
    damage = []
    placed = place(trees, stored.snapshot, (), lambda *found: damage.append(found))
    assert [placement.target for placement in placed] == [b"top"]
    assert [path for path, _ in damage] == [b"/srv/a/x"]


def broken():
    raise DamageError("a tree is broken")
