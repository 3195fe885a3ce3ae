"""What is on the disk, as nodes."""

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chunkvault.format.node import (
    FIRST_TIME_NS,
    FLAG_CHANGED,
    LAST_TIME_NS,
    NodeKind,
)
from chunkvault.format.tree import decode_tree, encode_leaf
from chunkvault.localfs.capture import (
    CACHEDIR_TAG_SIGNATURE,
    OwnerNames,
    data_ranges,
    is_cachedir_tag,
    is_unchanged,
    kind_of,
    make_node,
    open_file,
    read_link,
    read_xattrs,
    read_xattrs_at,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")
BIG = 100 * 10**9


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=["disk", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on the disk, and one in memory where the machine has that."""
    if request.param == "disk":
        yield tmp_path
        return
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("no /dev/shm")
    folder = memory / f"chunkvault-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def xattrs_of(path: Path) -> tuple[tuple[bytes, bytes], ...]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_xattrs(descriptor)
    finally:
        os.close(descriptor)


def ranges_of(path: Path) -> list[tuple[int, bool]]:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        return list(data_ranges(file.fileno(), status.st_size, status.st_blocks))


# --- nodes -------------------------------------------------------------------


def test_node_of_a_file_has_its_metadata_and_no_content(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"content")
    path.chmod(0o4751)
    os.utime(path, ns=(0, -1_500_000_001))
    status = os.lstat(path)
    node = make_node(b"f", status, OwnerNames())
    assert node.name == b"f"
    assert (node.kind, node.mode, node.size) == (NodeKind.FILE, 0o4751, 7)
    assert (node.uid, node.gid) == (status.st_uid, status.st_gid)
    assert (node.mtime_ns, node.ctime_ns) == (-1_500_000_001, status.st_ctime_ns)
    assert (node.inode, node.device, node.links, node.rdev) == (
        status.st_ino,
        status.st_dev,
        1,
        0,
    )
    assert (node.target, node.xattrs, node.content) == (b"", (), b"")
    assert (node.content_list, node.subtree, node.flags) == (None, None, 0)


@pytest.mark.parametrize(
    ("mtime_ns", "kept"),
    [
        (15_032_385_535 * 10**9, 15_032_385_535 * 10**9),  # the last that ext4 has
        (9_000_000_000_000 * 10**9, 2**64 - 1),
        (-9_000_000_000_000 * 10**9, -(2**63)),
    ],
)
def test_node_has_no_time_that_a_tree_cannot_hold(
    mtime_ns: int, kept: int, tmp_path: Path
) -> None:
    fields = [*os.lstat(tmp_path), 0.0, 0.0, 0.0, 0, mtime_ns, 0, 0, 0, 0]
    node = make_node(b"f", os.stat_result(fields), OwnerNames())
    assert node.mtime_ns == kept
    assert decode_tree(encode_leaf([node])) == [node]


def test_only_files_have_a_size(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("somewhere")
    owners = OwnerNames()
    assert make_node(b"link", os.lstat(tmp_path / "link"), owners).size == 0
    assert make_node(b"d", os.lstat(tmp_path), owners).size == 0


def test_only_devices_have_a_device_number() -> None:
    node = make_node(b"null", os.lstat("/dev/null"), OwnerNames())
    assert node.kind == NodeKind.CHARACTER_DEVICE
    assert node.rdev == os.makedev(1, 3)


def test_socket_has_no_kind_and_no_node(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    status = os.lstat(path)
    assert kind_of(status.st_mode) is None
    with pytest.raises(KeyError):
        make_node(b"s", status, OwnerNames())


def test_each_type_has_its_kind() -> None:
    assert kind_of(stat.S_IFREG | 0o644) == NodeKind.FILE
    assert kind_of(stat.S_IFDIR | 0o755) == NodeKind.DIRECTORY
    assert kind_of(stat.S_IFLNK | 0o777) == NodeKind.SYMLINK
    assert kind_of(stat.S_IFIFO) == NodeKind.FIFO
    assert kind_of(stat.S_IFCHR) == NodeKind.CHARACTER_DEVICE
    assert kind_of(stat.S_IFBLK) == NodeKind.BLOCK_DEVICE


def test_owner_without_a_name_has_an_empty_one() -> None:
    owners = OwnerNames()
    assert owners.user(0) == owners.user(0) == b"root"
    assert owners.group(0) == owners.group(0) == b"root"
    assert owners.user(3_999_999_999) == owners.group(3_999_999_999) == b""


@pytest.mark.parametrize("beyond_ns", [LAST_TIME_NS + 10**18, FIRST_TIME_NS - 10**18])
def test_file_of_a_time_that_cannot_be_stored_is_unchanged(
    place: Path, beyond_ns: int
) -> None:
    path = place / "f"
    path.write_bytes(b"one")
    os.utime(path, ns=(beyond_ns, beyond_ns))  # a disk may keep another one
    node = make_node(b"f", os.lstat(path), OwnerNames())
    assert FIRST_TIME_NS <= node.mtime_ns <= LAST_TIME_NS
    assert is_unchanged(node, os.lstat(path))
    os.utime(path, ns=(0, 0))
    assert not is_unchanged(node, os.lstat(path))


def test_untouched_file_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    node = make_node(b"f", os.lstat(path), OwnerNames())
    assert is_unchanged(node, os.lstat(path))
    assert is_unchanged(node._replace(device=node.device + 1), os.lstat(path))


@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_file_is_changed_when_one_field_differs(tmp_path: Path, field: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    node = make_node(b"f", os.lstat(path), OwnerNames())
    other = node._replace(**{field: getattr(node, field) + 1})
    assert not is_unchanged(other, os.lstat(path))


def test_file_that_was_torn_is_read_again(tmp_path: Path) -> None:
    node = make_node(b"d", os.lstat(tmp_path), OwnerNames())
    assert not is_unchanged(node._replace(flags=FLAG_CHANGED), os.lstat(tmp_path))


def test_another_kind_is_changed(tmp_path: Path) -> None:
    node = make_node(b"d", os.lstat(tmp_path), OwnerNames())
    assert is_unchanged(node, os.lstat(tmp_path))
    assert not is_unchanged(node._replace(kind=NodeKind.FIFO), os.lstat(tmp_path))


# --- opening -----------------------------------------------------------------


def test_fifo_opens_without_waiting(tmp_path: Path, directory: int) -> None:
    os.mkfifo(tmp_path / "fifo")
    descriptor = open_file(directory, b"fifo")
    assert os.read(descriptor, 1) == b""
    os.close(descriptor)


def test_symbolic_link_is_not_opened(tmp_path: Path, directory: int) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="symbolic links"):
        open_file(directory, b"link")


def test_reading_leaves_the_access_time(tmp_path: Path, directory: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x")
    os.utime(path, ns=(1, 1))
    descriptor = open_file(directory, b"f")
    os.read(descriptor, 1)
    os.close(descriptor)
    assert os.lstat(path).st_atime_ns == 1


@needs_root
def test_file_of_another_owner_is_opened(directory: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f").chmod(0o644)
    tmp_path.chmod(0o755)
    descriptor = as_stranger(directory, b"f")
    assert os.read(descriptor, 1) == b"x"
    os.close(descriptor)


@needs_root
def test_file_without_permission_is_an_error(directory: int, tmp_path: Path) -> None:
    (tmp_path / "f").touch(mode=0o600)
    tmp_path.chmod(0o755)
    with pytest.raises(PermissionError):
        as_stranger(directory, b"f")


def as_stranger(directory: int, name: bytes) -> int:
    """Open as somebody who is neither root nor the owner."""
    os.seteuid(65534)
    try:
        return open_file(directory, name)
    finally:
        os.seteuid(0)


def test_link_target_is_bytes(tmp_path: Path, directory: int) -> None:
    target = b"../\xff\n" * 100
    os.symlink(target, os.fsencode(tmp_path) + b"/\xfe")
    assert read_link(directory, b"\xfe") == target


# --- extended attributes -----------------------------------------------------


def test_no_attributes_are_an_empty_tuple(tmp_path: Path, directory: int) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert xattrs_of(tmp_path) == ()
    assert read_xattrs_at(directory, b"fifo") == ()


def test_attributes_are_sorted_by_name(place: Path) -> None:
    path = place / "f"
    path.touch()
    os.setxattr(path, b"user.z\xff", b"")
    os.setxattr(path, "user.a", b"\0\xff")
    assert xattrs_of(path) == ((b"user.a", b"\0\xff"), (b"user.z\xff", b""))


@needs_root
def test_attributes_of_links_and_fifos_are_their_own(
    tmp_path: Path, directory: int
) -> None:
    (tmp_path / "f").touch()
    os.setxattr(tmp_path / "f", "trusted.t", b"file")
    (tmp_path / "link").symlink_to("f")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        os.setxattr(tmp_path / name, "trusted.t", name.encode(), follow_symlinks=False)
    assert read_xattrs_at(directory, b"link") == ((b"trusted.t", b"link"),)
    assert read_xattrs_at(directory, b"fifo") == ((b"trusted.t", b"fifo"),)


def test_acl_is_among_the_attributes(place: Path) -> None:
    folder = place / "d"
    folder.mkdir()
    run = ["setfacl", "-m", "u:1234:rwx,d:u:1234:r"]
    try:
        subprocess.run([*run, str(folder)], check=True)
    except FileNotFoundError:
        pytest.skip("no setfacl")
    names = [name for name, _ in xattrs_of(folder)]
    assert names == [b"system.posix_acl_access", b"system.posix_acl_default"]


def test_acl_of_a_fifo_is_among_the_attributes(tmp_path: Path, directory: int) -> None:
    os.mkfifo(tmp_path / "fifo")
    try:
        subprocess.run(
            ["setfacl", "-m", "u:1234:r", str(tmp_path / "fifo")], check=True
        )
    except FileNotFoundError:
        pytest.skip("no setfacl")
    names = [name for name, _ in read_xattrs_at(directory, b"fifo")]
    assert names == [b"system.posix_acl_access"]


def test_file_system_without_attributes_has_none() -> None:
    assert xattrs_of(Path("/proc/self/status")) == ()


def test_attributes_of_a_name_that_vanished_are_an_error(directory: int) -> None:
    with pytest.raises(FileNotFoundError):
        read_xattrs_at(directory, b"gone")


# --- holes -------------------------------------------------------------------


def test_file_without_holes_is_one_run(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100_000)
    assert ranges_of(path) == [(100_000, True)]


def test_empty_file_has_no_runs(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    assert ranges_of(tmp_path / "f") == []


def test_holes_at_start_middle_and_end_are_found(place: Path) -> None:
    path = place / "f"
    unit = 1 << 20
    with path.open("wb") as file:
        for position in (unit, 3 * unit):
            file.seek(position)
            file.write(b"x" * unit)
        file.truncate(5 * unit + 1)
    assert ranges_of(path) == [
        (unit, False),
        (unit, True),
        (unit, False),
        (unit, True),
        (unit + 1, False),
    ]


def test_huge_hole_is_one_run(place: Path) -> None:
    path = place / "f"
    with path.open("wb") as file:
        file.truncate(BIG)
        file.seek(BIG - 1)
        file.write(b"x")
    *holes, (length, is_data) = ranges_of(path)
    assert is_data
    assert holes == [(BIG - length, False)]
    assert length <= 2 << 20


def test_runs_reach_the_size_of_a_file_that_shrank(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 10)
    with path.open("rb") as file:
        runs = list(data_ranges(file.fileno(), 1_000_000, 8))
    assert sum(length for length, _ in runs) == 1_000_000


def test_file_system_that_cannot_tell_has_one_run_of_data() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    try:
        with pytest.raises(OSError, match="Illegal seek"):
            list(data_ranges(reading, 10, 0))
    finally:
        os.close(reading)
    with open("/proc/self/status", "rb") as file:
        runs = list(data_ranges(file.fileno(), 1000, 0))
    assert sum(length for length, _ in runs) == 1000


# --- caches ------------------------------------------------------------------


def test_cache_is_marked_by_the_signature(tmp_path: Path, directory: int) -> None:
    assert len(CACHEDIR_TAG_SIGNATURE) == 43
    assert not is_cachedir_tag(directory)
    tag = tmp_path / "CACHEDIR.TAG"
    tag.write_bytes(CACHEDIR_TAG_SIGNATURE[:-1])
    assert not is_cachedir_tag(directory)
    tag.write_bytes(CACHEDIR_TAG_SIGNATURE + b"\n# made by a test\n")
    assert is_cachedir_tag(directory)


def test_tag_must_be_a_file_of_its_own(tmp_path: Path, directory: int) -> None:
    (tmp_path / "real").write_bytes(CACHEDIR_TAG_SIGNATURE)
    tag = tmp_path / "CACHEDIR.TAG"
    tag.symlink_to("real")
    assert not is_cachedir_tag(directory)
    tag.unlink()
    os.mkfifo(tag)
    assert not is_cachedir_tag(directory)
    tag.unlink()
    tag.mkdir()
    assert not is_cachedir_tag(directory)
