import pytest

from chunkvault.snapshots.paths import lies_in, may_hold, outermost, split_path


def test_path_is_split_into_its_names():
    assert split_path(b"/usr//share/") == [b"usr", b"share"]
    assert split_path(b"/") == []


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        (b"/usr/share", b"/usr", True),
        (b"/usr", b"/usr/", True),
        (b"/usr", b"/", True),
        (b"/usrlocal", b"/usr", False),
        (b"/usr", b"/usr/share", False),
    ],
)
def test_path_lies_in_a_folder_by_whole_names(path, folder, expected):
    assert lies_in(path, folder) is expected


def test_outermost_paths_leave_out_what_lies_below_others():
    paths = [b"/b/c/", b"/b", b"/bc", b"/a/x", b"/b/c/d", b"/a//x"]
    assert outermost(paths) == [b"/a/x", b"/b", b"/bc"]
    assert outermost([b"/", b"/a"]) == [b"/"]


def test_snapshot_may_hold_what_is_below_its_paths_and_on_the_way_to_them():
    kept = (b"/usr/share", b"/home")
    assert may_hold(kept, b"/usr/share/doc")
    assert may_hold(kept, b"/usr")
    assert may_hold(kept, b"/")
    assert not may_hold(kept, b"/usr/lib")
