import pytest

from chunkvault.errors import PathNotInSnapshot
from chunkvault.format.node import NodeKind
from chunkvault.operations.diff import diff
from tests.support.trees import make_node, new_repository, reopen, take_snapshot

DEPTH = 2_000


@pytest.fixture
def repository():
    return new_repository()


def changes(repository, old, new, path=None):
    before = take_snapshot(repository, old, at=1)
    after = take_snapshot(repository, new, at=2)
    found = diff(reopen(repository), before, after, path)
    return [(difference.path, difference.change) for difference in found]


def test_equal_snapshots_differ_in_nothing(repository):
    files = {b"/data/a": b"1", b"/data/d/b": b"2"}
    assert changes(repository, files, files) == []


def test_each_kind_of_change_is_told_in_the_order_of_a_walk(repository):
    old = {
        b"/d/gone": b"",
        b"/d/kept": b"",
        b"/d/text": b"1",
        b"/d/touched": make_node(),
    }
    new = {
        b"/d/came": b"",
        b"/d/kept": b"",
        b"/d/text": b"2",
        b"/d/touched": make_node(mtime_ns=5),
    }
    assert changes(repository, old, new) == [
        (b"/d/came", "added"),
        (b"/d/gone", "removed"),
        (b"/d/text", "changed"),
        (b"/d/touched", "metadata"),
    ]


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"mode": 0o600}, "metadata"),
        ({"uid": 5}, "metadata"),
        ({"group": b"staff"}, "metadata"),
        ({"mtime_ns": -1}, "metadata"),
        ({"xattrs": ((b"user.a", b"b"),)}, "metadata"),
        ({"target": b"elsewhere"}, "changed"),
        ({"kind": NodeKind.FIFO, "target": b""}, "changed"),
        ({"inode": 5, "ctime_ns": 6, "links": 2}, None),
    ],
)
def test_what_differs_decides_about_the_change(repository, fields, change):
    link = make_node(kind=NodeKind.SYMLINK, target=b"here")
    found = changes(repository, {b"/a": link}, {b"/a": link._replace(**fields)})
    assert found == ([(b"/a", change)] if change else [])


def test_directory_counts_as_metadata_only(repository):
    folder = make_node(kind=NodeKind.DIRECTORY, mode=0o755)
    old = {b"/d": folder, b"/d/x": b"1"}
    new = {b"/d": folder._replace(mtime_ns=7), b"/d/x": b"2"}
    expected = [(b"/d", "metadata"), (b"/d/x", "changed")]
    assert changes(repository, old, new) == expected


def test_directory_that_went_names_all_in_it(repository):
    old = {b"/d/e/f": b"", b"/d/g": b""}
    assert changes(repository, old, {}) == [
        (b"/d", "removed"),
        (b"/d/e", "removed"),
        (b"/d/e/f", "removed"),
        (b"/d/g", "removed"),
    ]


def test_file_that_became_a_directory_is_changed_and_its_content_added(repository):
    found = changes(repository, {b"/a": b"1"}, {b"/a/b": b"1"})
    assert found == [(b"/a", "changed"), (b"/a/b", "added")]
    found = changes(repository, {b"/a/b": b"1"}, {b"/a": b"1"})
    assert found == [(b"/a", "changed"), (b"/a/b", "removed")]


def test_path_restricts_to_itself_and_what_is_below(repository):
    old = {b"/a/b/c": b"1", b"/a/x": b"1"}
    new = {b"/a/b/c": b"2", b"/a/x": b"2"}
    assert changes(repository, old, new, b"/a/b") == [(b"/a/b/c", "changed")]
    assert changes(repository, old, new, b"/a/x/") == [(b"/a/x", "changed")]
    assert changes(repository, old, {}, b"/a/x") == [(b"/a/x", "removed")]


def test_path_that_neither_has_is_refused_at_once(repository):
    stored = take_snapshot(repository, {b"/a": b""})
    with pytest.raises(PathNotInSnapshot, match="/b"):
        diff(repository, stored, stored, b"/b")


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        ((b"/top/way/data",), [b"/top/way/data"]),
        ((b"/top/way",), [b"/top/way", b"/top/way/data"]),
        ((b"/top/way", b"/top/way/data"), [b"/top/way", b"/top/way/data"]),
        ((b"/",), [b"/top", b"/top/way", b"/top/way/data"]),
    ],
)
def test_folders_above_what_was_backed_up_are_not_named(repository, paths, named):
    def snapshot(time):
        folder = make_node(kind=NodeKind.DIRECTORY, mtime_ns=time)
        nodes = {b"/top": folder, b"/top/way": folder, b"/top/way/data": folder}
        return take_snapshot(repository, nodes, at=time, paths=paths)

    found = diff(reopen(repository), snapshot(1), snapshot(2))
    assert [difference.path for difference in found] == named


def test_equal_subtrees_are_not_read(repository):
    same = {b"/same/%d/x" % number: b"" for number in range(50)}
    before = take_snapshot(repository, same | {b"/other": b"1"}, at=1)
    after = take_snapshot(repository, same | {b"/other": b"2"}, at=2)
    loads = []
    load = repository.reader.load
    repository.reader.load = lambda kind, blob: loads.append(blob) or load(kind, blob)
    assert [found.path for found in diff(repository, before, after)] == [b"/other"]
    assert len(loads) == 2


def test_depth_does_not_matter(repository):
    folder = b"/d" * DEPTH
    found = changes(repository, {folder + b"/f": b"1"}, {folder + b"/f": b"2"})
    assert found == [(folder + b"/f", "changed")]
