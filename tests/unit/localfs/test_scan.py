"""Walking a source tree: every name, no symbolic link, no limit of depth."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chunkvault.localfs.scan import MAX_OPEN_DESCRIPTORS, SourceDirectory

DEPTH = 5_000
LONG = b"d" * 255


def make_deep(root: Path, name: bytes, depth: int) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    for level in range(depth):
        os.mkdir(name, dir_fd=descriptor)
        child = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(os.open(b"z-%d" % level, os.O_CREAT | os.O_WRONLY, dir_fd=child))
        os.close(descriptor)
        descriptor = child
    os.close(descriptor)


def remove_deep(root: Path, name: bytes) -> None:
    """Shorten a chain by its first link, again and again: no long paths."""
    first = os.path.join(os.fsencode(root), name)
    spare = os.path.join(os.fsencode(root), b"spare")
    while os.path.exists(first):
        os.rename(first, spare)
        for entry in os.listdir(spare):
            if entry != name:
                os.unlink(os.path.join(spare, entry))
        if os.path.exists(os.path.join(spare, name)):
            os.rename(os.path.join(spare, name), first)
        os.rmdir(spare)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    make_deep(tmp_path, b"d", DEPTH)
    yield tmp_path
    remove_deep(tmp_path, b"d")


def open_root(path: Path) -> SourceDirectory:
    return SourceDirectory.open_root(os.fsencode(path))


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_names_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    names = [b"a", b"B", b"\xff\xfe", "é".encode(), b"new\nline", b"x" * 255, b"-rf"]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "w"):
            pass
    with open_root(tmp_path) as root:
        assert root.names() == sorted(names)
        assert all(root.status(name).st_size == 0 for name in names)


def test_names_can_be_listed_again(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with open_root(tmp_path) as root:
        assert root.names() == root.names() == [b"a"]


def test_status_is_the_one_of_the_link_itself(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with open_root(tmp_path) as root:
        assert root.status(b"link").st_size == len("nowhere")


def test_root_may_not_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="link"):
        open_root(tmp_path / "link")


def test_fifo_in_place_of_a_directory_is_refused_without_waiting(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "fifo")
    with open_root(tmp_path) as root, pytest.raises(NotADirectoryError):
        root.open_child(b"fifo")


def test_child_swapped_for_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (tmp_path / "root" / "child").mkdir(parents=True)
    with open_root(tmp_path / "root") as root:
        assert root.names() == [b"child"]
        (tmp_path / "root" / "child").rmdir()
        (tmp_path / "root" / "child").symlink_to(secret)
        with pytest.raises(NotADirectoryError):
            root.open_child(b"child")


def test_root_swapped_for_another_directory_is_read_where_it_was(
    tmp_path: Path,
) -> None:
    (tmp_path / "root" / "old").mkdir(parents=True)
    with open_root(tmp_path / "root") as root:
        (tmp_path / "root").rename(tmp_path / "moved")
        (tmp_path / "root" / "new").mkdir(parents=True)
        assert root.names() == [b"old"]


@pytest.mark.parametrize(
    ("root", "names", "path"),
    [
        (b"/", [], b"/"),
        (b"/", [b"proc", b"self"], b"/proc"),
        (b"/proc", [], b"/proc"),
        (b"/proc", [b"sys", b"fs"], b"/proc/sys"),
    ],
)
def test_path_is_absolute(root: bytes, names: list[bytes], path: bytes) -> None:
    with ExitStack() as stack:
        directory = stack.enter_context(SourceDirectory.open_root(root))
        for name in names[:1]:
            directory = stack.enter_context(directory.open_child(name))
        assert directory.path == path


def test_closed_directory_reads_nothing_else(tmp_path: Path) -> None:
    root = open_root(tmp_path)
    root.close()
    root.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        root.names()
    with pytest.raises(OSError, match="Bad file descriptor"):
        root.open_child(b"x")


def descend(root: SourceDirectory, name: bytes) -> SourceDirectory:
    directory = root
    while name in directory.names():
        directory = directory.open_child(name)
    return directory


def climb(directory: SourceDirectory, levels: int) -> SourceDirectory:
    for _ in range(levels):
        assert directory.parent is not None
        directory.close()
        directory = directory.parent
    return directory


def test_depth_has_no_limit_and_few_descriptors_are_open(deep: Path) -> None:
    before = open_descriptors()
    with open_root(deep) as root:
        directory = descend(root, b"d")
        assert open_descriptors() - before <= MAX_OPEN_DESCRIPTORS
        assert directory.path == os.fsencode(deep) + b"/d" * DEPTH
        for level in reversed(range(DEPTH)):
            assert directory.names()[-1] == b"z-%d" % level
            directory = climb(directory, 1)
        assert directory is root
        assert root.names() == [b"d"]
    assert open_descriptors() == before


def test_chain_may_go_down_again_after_it_came_up(deep: Path) -> None:
    before = open_descriptors()
    with open_root(deep) as root:
        directory = descend(root, b"d")
        directory = descend(climb(directory, DEPTH - 1000), b"d")
        assert open_descriptors() - before <= MAX_OPEN_DESCRIPTORS
        assert climb(directory, DEPTH) is root
        assert root.status(b"d").st_ino
    assert open_descriptors() == before


def test_path_may_be_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    make_deep(tmp_path, LONG, 40)
    with open_root(tmp_path) as root:
        directory = descend(root, LONG)
        assert len(directory.path) > 4096 * 2
        assert directory.names() == [b"z-39"]
        assert directory.status(b"z-39").st_size == 0
        climb(directory, 40)
    remove_deep(tmp_path, LONG)


def test_directory_moved_while_far_below_it_is_an_error(tmp_path: Path) -> None:
    depth = MAX_OPEN_DESCRIPTORS + 10
    make_deep(tmp_path, b"d", depth)
    (tmp_path / "elsewhere").mkdir()
    before = open_descriptors()
    directory = descend(open_root(tmp_path), b"d")
    # The third from the top loses its parent, which is closed by now.
    (tmp_path / "d/d/d").rename(tmp_path / "elsewhere/d")
    directory = climb(directory, depth - 3)
    with pytest.raises(OSError, match="moved while it was read") as caught:
        directory.close()
    assert caught.value.errno == errno.ESTALE
    assert caught.value.filename == os.fsencode(tmp_path / "d/d")
    assert directory.parent is not None
    with pytest.raises(OSError, match="Bad file descriptor"):
        directory.parent.names()
    assert open_descriptors() == before
    remove_deep(tmp_path, b"d")
    remove_deep(tmp_path / "elsewhere", b"d")


def test_error_in_the_block_closes_the_chain(tmp_path: Path) -> None:
    (tmp_path / "child").mkdir()
    before = open_descriptors()
    with (
        pytest.raises(KeyError),
        open_root(tmp_path) as root,
        root.open_child(b"child"),
    ):
        raise KeyError
    assert open_descriptors() == before
