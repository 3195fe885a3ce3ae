"""What is restored arrives in the target, and takes its place all at once."""

import os
import resource
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chunkvault.errors import ChunkvaultError, TargetFull
from chunkvault.format.node import NodeKind
from chunkvault.localfs.apply import TEMPORARY_PREFIX, Target
from tests.support.target_nodes import directory_node, file_node, link_node, restore

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")

ODD_NAMES = [b"new\nline", b"\xff\xfe", b"\x1b[31m", b" ", b"...", b"-rf", b"x" * 255]


def snapshot_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """Everything that a change would change."""
    return {
        str(path): (
            status.st_mode,
            status.st_ino,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        for path in [folder, *folder.rglob("*")]
        for status in [path.lstat()]
    }


def is_tidy(folder: Path) -> bool:
    prefix = os.fsdecode(TEMPORARY_PREFIX)
    return not any(path.name.startswith(prefix) for path in folder.rglob("*"))


# The target itself


def test_target_and_the_directories_above_it_are_made(tmp_path: Path) -> None:
    Target(os.fsencode(tmp_path / "a/b/c")).close()
    assert (tmp_path / "a/b/c").is_dir()


def test_target_that_is_a_link_is_resolved_once(tmp_path: Path) -> None:
    for name in ("real", "victim"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("real")
    with Target(os.fsencode(tmp_path / "link")) as target:
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("victim")
        restore(target, b"file")
    assert (tmp_path / "real/file").exists()
    assert not list((tmp_path / "victim").iterdir())


@pytest.mark.parametrize("name", ["file", "file/below", "dangling"])
def test_target_that_is_no_directory_is_an_error_naming_it(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(ChunkvaultError, match=name):
        Target(os.fsencode(tmp_path / name))


def test_closing_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Target(os.fsencode(tmp_path / "t")) as target:
        for number in range(100):
            target.make_directory(b"%d" % number, replace=True)
            restore(target, b"%d/file" % number)
        target.create_file(b"unfinished", 1)
    assert len(os.listdir("/proc/self/fd")) == before
    assert is_tidy(tmp_path)


# Files


def test_file_has_its_content_mode_and_time(target: Target, folder: Path) -> None:
    restore(target, b"file", b"content", mode=0o640, mtime_ns=123_456_789_012_345_678)
    status = (folder / "file").stat()
    assert (folder / "file").read_bytes() == b"content"
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert status.st_mtime_ns == 123_456_789_012_345_678


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_comes_back(target: Target, folder: Path, name: bytes) -> None:
    target.make_directory(name, replace=True)
    restore(target, name + b"/" + name, b"x")
    target.make_symlink(name + b"/link", link_node(name), replace=True)
    assert os.listdir(os.fsencode(folder)) == [name]
    assert sorted(target.names(name)) == sorted([name, b"link"])
    assert target.read_link(name + b"/link") == name


def test_file_is_not_seen_before_it_is_committed(target: Target, folder: Path) -> None:
    (folder / "file").write_bytes(b"old")
    with target.create_file(b"file", 3) as file:
        file.write_at(0, b"new")
        assert (folder / "file").read_bytes() == b"old"
    assert (folder / "file").read_bytes() == b"old"
    assert is_tidy(folder)


def test_ranges_that_are_not_written_stay_holes(target: Target, folder: Path) -> None:
    size = 1 << 30
    with target.create_file(b"sparse", size) as file:
        file.write_at(1 << 20, b"in the middle")
        file.commit(file_node(size))
    status = (folder / "sparse").stat()
    assert status.st_size == size
    assert status.st_blocks * 512 <= 64 << 10


def test_size_beyond_the_file_system_is_refused(target: Target, folder: Path) -> None:
    with pytest.raises(OSError, match="too large"):
        target.create_file(b"f", 2**64)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with (
            pytest.raises(OSError, match="too large"),
            target.create_file(b"f", 1) as file,
        ):
            file.commit(file_node(2 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(folder.iterdir())


def test_pieces_may_be_written_by_several_threads(target: Target, folder: Path) -> None:
    pieces = [bytes([number]) * 1000 for number in range(100)]
    with target.create_file(b"file", 100_000) as file:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(file.write_at, range(0, 100_000, 1000), pieces))
        file.commit(file_node(100_000))
    assert (folder / "file").read_bytes() == b"".join(pieces)


def test_suspended_file_goes_on(target: Target, folder: Path) -> None:
    file = target.create_file(b"file", 8)
    for offset, piece in [(4, b"more"), (0, b"some")]:
        file.suspend()
        file.write_at(offset, piece)
    file.suspend()
    file.commit(file_node(8))
    assert (folder / "file").read_bytes() == b"somemore"


def test_suspended_file_that_was_replaced_is_not_written(
    target: Target, folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    file = target.create_file(b"file", 8)
    file.suspend()
    [unfinished] = folder.iterdir()
    unfinished.unlink()
    os.link(victim, unfinished)
    with pytest.raises(ChunkvaultError, match="replaced"):
        file.write_at(0, b"x")
    file.abort()
    assert victim.read_bytes() == b"victim"


def test_aborting_a_suspended_file_leaves_nothing(target: Target, folder: Path) -> None:
    file = target.create_file(b"file", 8)
    file.suspend()
    file.abort()
    assert not list(folder.iterdir())


def test_file_takes_the_place_of_a_directory_with_content(
    target: Target, folder: Path
) -> None:
    (folder / "x/y/z").mkdir(parents=True)
    (folder / "x/y/file").touch()
    target.status(b"x/y/file")  # its directory is known by now
    restore(target, b"x", b"content")
    assert (folder / "x").read_bytes() == b"content"


@pytest.mark.parametrize("there", ["file", "directory", "link", "fifo"])
def test_nothing_is_replaced_unless_asked(
    target: Target, folder: Path, there: str
) -> None:
    make_there(folder / "x", there)
    before = (folder / "x").lstat()
    with pytest.raises(FileExistsError), target.create_file(b"x", 0) as file:
        file.commit(file_node(), replace=False)
    with pytest.raises(FileExistsError):
        target.make_symlink(b"x", link_node(b"y"), replace=False)
    with pytest.raises(FileExistsError):
        target.make_fifo(b"x", file_node(kind=NodeKind.FIFO), replace=False)
    if there != "directory":
        with pytest.raises(FileExistsError):
            target.make_directory(b"x", replace=False)
    assert (folder / "x").lstat() == before
    assert is_tidy(folder)


@pytest.mark.parametrize("there", ["file", "directory", "link", "fifo"])
@pytest.mark.parametrize("wanted", ["file", "directory", "link", "fifo", "hardlink"])
def test_anything_is_replaced_when_asked(
    target: Target, folder: Path, there: str, wanted: str
) -> None:
    make_there(folder / "x", there)
    restore(target, b"first", b"content", links=2)
    make: dict[str, Callable[[], object]] = {
        "file": lambda: restore(target, b"x"),
        "directory": lambda: target.make_directory(b"x", replace=True),
        "link": lambda: target.make_symlink(b"x", link_node(b"y"), replace=True),
        "fifo": lambda: target.make_fifo(
            b"x", file_node(kind=NodeKind.FIFO), replace=True
        ),
        "hardlink": lambda: target.make_hardlink(b"x", b"first", replace=True),
    }
    for _ in range(2):  # the second time it is there
        make[wanted]()
    types = {"directory": stat.S_IFDIR, "link": stat.S_IFLNK, "fifo": stat.S_IFIFO}
    mode = (folder / "x").lstat().st_mode
    assert stat.S_IFMT(mode) == types.get(wanted, stat.S_IFREG)
    assert is_tidy(folder)


def make_there(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_bytes(b"there")
    elif kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        os.mkfifo(path)


# Directories


def test_directory_is_ours_alone_until_its_metadata_are_set(
    target: Target, folder: Path
) -> None:
    assert target.make_directory(b"d", replace=False)
    assert stat.S_IMODE((folder / "d").stat().st_mode) == 0o700
    assert target.set_metadata(b"d", directory_node(mode=0o755))
    assert stat.S_IMODE((folder / "d").stat().st_mode) == 0o755


def test_existing_directory_keeps_its_content(target: Target, folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d/file").touch()
    assert not target.make_directory(b"d", replace=True)
    assert not target.make_directory(b"", replace=True)
    assert target.names(b"d") == [b"file"]


def test_directory_that_may_not_be_written_gets_its_content_first(
    target: Target, folder: Path
) -> None:
    target.make_directory(b"d", replace=True)
    restore(target, b"d/file", b"x")
    target.set_metadata(b"d", directory_node(mode=0o500, mtime_ns=5))
    status = (folder / "d").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o500, 5)


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the machine has that: a disk is slow to remove thousands."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(prefix="chunkvault-test-", dir=memory) as folder:
        yield Path(folder)


def test_depth_and_length_have_no_limit(quick_folder: Path) -> None:
    depth = 5000
    path = b"/".join([b"deep"] * depth)
    with Target(os.fsencode(quick_folder)) as target:
        for level in range(1, depth + 1):
            target.make_directory(path[: level * 5 - 1], replace=False)
        restore(target, path + b"/file", b"x")
        status = target.status(path + b"/file")
        assert status is not None
        assert status.st_size == 1
        for level in range(depth, 0, -10):
            target.set_metadata(path[: level * 5 - 1], directory_node(mtime_ns=7))
        assert target.remove(b"deep") == depth + 1
        assert target.names(b"") == []


# Looking and removing


def test_status_is_of_the_link_itself(target: Target, folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    status = target.status(b"link")
    assert status is not None
    assert stat.S_ISLNK(status.st_mode)


def test_nothing_is_below_what_is_no_directory(target: Target, folder: Path) -> None:
    (folder / "link").symlink_to("/etc")
    (folder / "file").touch()
    for path in (b"link/passwd", b"file/x", b"missing/x", b"missing"):
        assert target.status(path) is None
        assert target.names(path) == []
        assert target.remove(path) == 0


def test_only_regular_files_are_opened(target: Target, folder: Path) -> None:
    (folder / "file").write_bytes(b"x")
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("file")
    os.close(target.open_existing(b"file"))
    for name in (b"fifo", b"link", b"", b"missing"):
        with pytest.raises((OSError, ChunkvaultError)):
            target.open_existing(name)


def test_removal_counts_entries_and_follows_no_link(
    target: Target, folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()
    (folder / "d/e").mkdir(parents=True)
    (folder / "d/e/link").symlink_to(victim)
    (folder / "d/file").touch()
    (folder / "link").symlink_to(victim)
    before = snapshot_of(victim)
    assert target.remove(b"link") == 1
    assert target.remove(b"d") == 4
    assert target.remove(b"d") == 0
    assert snapshot_of(victim) == before


@needs_root
def test_what_is_mounted_in_the_target_is_not_removed(
    target: Target, folder: Path
) -> None:
    (folder / "d/mounted").mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "none", str(folder / "d/mounted")]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount")
    try:
        (folder / "d/mounted/file").touch()
        with pytest.raises(OSError, match="mounted"):
            target.remove(b"d")
        assert (folder / "d/mounted/file").exists()
    finally:
        target.close()
        subprocess.run(["umount", str(folder / "d/mounted")], check=True)


# Dry run, no space


def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "target"
    (folder / "d").mkdir(parents=True)
    (folder / "d/file").write_bytes(b"x")
    before = snapshot_of(tmp_path)
    with Target(os.fsencode(folder), dry_run=True) as target:
        assert not target.make_directory(b"d", replace=True)
        assert target.make_directory(b"d/file", replace=True)
        assert target.make_directory(b"new", replace=True)
        with pytest.raises(FileExistsError):
            target.make_directory(b"d/file", replace=False)
        restore(target, b"new/file", b"content")
        target.make_symlink(b"link", link_node(b"x"), replace=True)
        target.make_fifo(b"fifo", file_node(kind=NodeKind.FIFO), replace=True)
        target.make_hardlink(b"second", b"d/file", replace=True)
        target.set_metadata(b"d/file", file_node(1, mode=0))
        assert target.make_device(
            b"dev", file_node(kind=NodeKind.BLOCK_DEVICE), replace=True
        )
        assert target.remove(b"d") == 2
        assert target.remove(b"missing") == 0
        assert target.names(b"d") == [b"file"]
    assert snapshot_of(tmp_path) == before


def test_dry_run_takes_a_missing_target_for_an_empty_one(tmp_path: Path) -> None:
    with Target(os.fsencode(tmp_path / "missing"), dry_run=True) as target:
        assert target.status(b"") is None
        assert target.status(b"a/b") is None
        assert target.names(b"") == []
        assert target.make_directory(b"", replace=True)
        assert target.remove(b"a") == 0
        restore(target, b"a/b", b"content")
    assert not list(tmp_path.iterdir())


@needs_root
def test_full_disk_is_told_and_leaves_no_unfinished_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount")
    try:
        with Target(os.fsencode(disk)) as target:
            restore(target, b"small", b"x")
            with pytest.raises(TargetFull, match="large"):
                restore(target, b"large", bytes(1 << 20))
            assert target.names(b"") == [b"small"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
