"""Metadata arrive exactly, and what is not permitted is counted, not raised."""

import os
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from chunkvault.format.node import Node, NodeKind
from chunkvault.localfs.apply import Target
from tests.support.target_nodes import (
    NOBODY,
    directory_node,
    file_node,
    link_node,
    restore,
    run_as,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")

ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"
USER_OBJ, USER, GROUP_OBJ, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
NO_ID = 0xFFFF_FFFF
CAPABILITY = struct.pack("<5I", 0x0200_0000, 1 << 10, 0, 0, 0)


def acl(user: int, group: int, named: int, mask: int, other: int = 0) -> bytes:
    """An ACL with rights for one more user, number 1234."""
    entries = [
        (USER_OBJ, user, NO_ID),
        (USER, named, 1234),
        (GROUP_OBJ, group, NO_ID),
        (MASK, mask, NO_ID),
        (OTHER, other, NO_ID),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def attributes(path: Path) -> dict[str, bytes]:
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
    }


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def set_acl(path: Path, *rights: str) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("no setfacl here")
    subprocess.run(["setfacl", "-m", ",".join(rights), str(path)], check=True)


# Times


@pytest.mark.parametrize(
    "mtime_ns",
    [0, -1, -86_400 * 10**9 - 1, 10**18 + 999_999_999, 9_300_000_000 * 10**9 + 5],
    ids=["1970", "just before", "a day before", "2001", "2264"],
)
def test_times_are_exact(target: Target, folder: Path, mtime_ns: int) -> None:
    restore(target, b"file", mtime_ns=mtime_ns)
    target.make_symlink(b"link", link_node(b"x", mtime_ns=mtime_ns), replace=True)
    target.make_directory(b"d", replace=True)
    target.set_metadata(b"d", directory_node(mtime_ns=mtime_ns))
    times = {path.name: path.lstat().st_mtime_ns for path in folder.iterdir()}
    assert times == dict.fromkeys(["file", "link", "d"], mtime_ns)


def test_time_that_no_machine_knows_is_counted(target: Target) -> None:
    restore(target, b"file", mtime_ns=2**100)
    assert target.denied == {"time": 1}


# Modes and owners


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o644, 0o777, 0o1777, 0o4755, 0o6711])
def test_modes_are_exact(target: Target, folder: Path, mode: int) -> None:
    restore(target, b"file", b"x", mode=mode)
    target.make_directory(b"d", replace=True)
    target.set_metadata(b"d", directory_node(mode=mode))
    target.make_fifo(b"p", file_node(kind=NodeKind.FIFO, mode=mode), replace=True)
    assert {mode_of(path) for path in folder.iterdir()} == {mode}


def test_mask_of_the_process_has_no_say(target: Target, folder: Path) -> None:
    old = os.umask(0o077)
    try:
        restore(target, b"file", mode=0o666)
    finally:
        os.umask(old)
    assert mode_of(folder / "file") == 0o666


@needs_root
def test_root_restores_owners_and_setuid_of_everything(
    target: Target, folder: Path
) -> None:
    owner = {"uid": 1234, "gid": 2345}
    restore(target, b"file", b"x", mode=0o4755, **owner)
    target.make_directory(b"d", replace=True)
    target.set_metadata(b"d", directory_node(mode=0o2770, **owner))
    target.make_symlink(b"link", link_node(b"file", **owner), replace=True)
    device = file_node(kind=NodeKind.CHARACTER_DEVICE, rdev=os.makedev(1, 3), **owner)
    assert target.make_device(b"null", device, replace=True)
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in folder.iterdir()}
    assert owners == {(1234, 2345)}
    assert mode_of(folder / "file") == 0o4755
    assert mode_of(folder / "d") == 0o2770
    assert (folder / "null").lstat().st_rdev == os.makedev(1, 3)
    assert not target.denied


@needs_root
def test_owner_of_an_existing_equal_file_is_changed(
    target: Target, folder: Path
) -> None:
    restore(target, b"file", b"x", mode=0o4755)
    node = file_node(1, mode=0o4755, uid=1234, gid=2345)
    assert target.set_metadata(b"file", node)
    assert not target.set_metadata(b"file", node)
    assert (folder / "file").stat().st_uid == 1234
    assert mode_of(folder / "file") == 0o4755


@needs_root
def test_name_of_the_owner_wins_over_the_number(folder: Path) -> None:
    named = {"user": b"nobody", "uid": 1234, "group": b"of no machine", "gid": 2345}
    with Target(os.fsencode(folder)) as target:
        restore(target, b"by name", **named)
    with Target(os.fsencode(folder), numeric_owner=True) as target:
        restore(target, b"by number", **named)
    owners = {path.name: tuple(path.stat())[4:6] for path in folder.iterdir()}
    assert owners == {"by name": (NOBODY, 2345), "by number": (1234, 2345)}


@needs_root
@pytest.mark.parametrize("number", [-1, 2**32 - 1, 2**32, 2**70])
def test_number_that_is_no_owner_becomes_nobody(
    target: Target, folder: Path, number: int
) -> None:
    restore(target, b"file", mode=0o4755, uid=number, gid=number)
    status = (folder / "file").stat()
    assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY)


@needs_root
def test_group_that_a_directory_hands_down_is_corrected(
    target: Target, folder: Path
) -> None:
    os.chown(folder, 0, 2345)
    folder.chmod(0o2755)
    restore(target, b"file")
    target.make_directory(b"d", replace=True)
    target.set_metadata(b"d", directory_node())
    assert {path.stat().st_gid for path in folder.iterdir()} == {0}
    assert mode_of(folder / "d") == 0o755


# Without rights


@needs_root
def test_user_restores_what_is_permitted_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    run_as(NOBODY, tmp_path, restore_foreign_things)
    status = (tmp_path / "file").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (NOBODY, 0o755)
    assert (status.st_mtime_ns, (tmp_path / "file").read_bytes()) == (5, b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "own"]


def restore_foreign_things() -> None:
    with Target(b".") as target:
        restore(target, b"own", b"x", mode=0o2755)
        assert not target.denied
        security = (b"security.capability", CAPABILITY)
        foreign = {"uid": 0, "gid": 0, "mode": 0o6755, "mtime_ns": 5}
        restore(target, b"file", b"x", xattrs=(security,), **foreign)
        device = file_node(kind=NodeKind.BLOCK_DEVICE, rdev=1)
        assert not target.make_device(b"device", device, replace=True)
        expected = {"owner": 1, "mode": 1, "xattr": 1, "device": 1}
        assert target.denied == expected, target.denied


@needs_root
def test_user_restores_twice_into_what_may_not_be_written(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    for _ in range(2):
        run_as(NOBODY, tmp_path, restore_read_only_tree)
    assert mode_of(tmp_path / "d") == 0o100
    assert mode_of(tmp_path / "d/e") == 0o000
    assert mode_of(tmp_path / "d/file") == 0o400
    assert attributes(tmp_path / "d/file") == {"user.a": b"2"}
    run_as(NOBODY, tmp_path, remove_read_only_tree)
    assert not list(tmp_path.iterdir())


def restore_read_only_tree() -> None:
    with Target(b".") as target:
        for path in (b"d", b"d/e"):
            target.make_directory(path, replace=False)
        first = restore(
            target, b"d/file", b"x", mode=0o400, xattrs=((b"user.a", b"1"),)
        )
        target.set_metadata(b"d/file", first._replace(xattrs=((b"user.a", b"2"),)))
        restore(target, b"d/e/file", b"x")
        target.set_metadata(b"d/e", directory_node(mode=0o000))
        target.set_metadata(b"d", directory_node(mode=0o100))
        assert not target.denied, target.denied


def remove_read_only_tree() -> None:
    with Target(b".") as target:
        assert target.remove(b"d") == 4


@needs_root
def test_user_may_not_restore_into_what_belongs_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_bytes(b"x")
    run_as(NOBODY, tmp_path, restore_where_it_is_forbidden)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert mode_of(tmp_path / "file") == 0o644


def restore_where_it_is_forbidden() -> None:
    for attempt in (lambda target: restore(target, b"new"), remove_file):
        with Target(b".") as target, pytest.raises(PermissionError):
            attempt(target)


def remove_file(target: Target) -> None:
    target.remove(b"file")


# Extended attributes


def test_attributes_come_back_exactly_and_extra_ones_go(
    target: Target, folder: Path
) -> None:
    wanted = ((b"user.a", b""), (b"user.b", bytes(range(256))))
    restore(target, b"file", b"x", xattrs=wanted)
    os.setxattr(folder / "file", "user.extra", b"x")
    os.setxattr(folder / "file", "user.a", b"changed")
    for _ in range(2):
        target.set_metadata(b"file", file_node(1, xattrs=wanted))
    assert attributes(folder / "file") == {"user.a": b"", "user.b": bytes(range(256))}
    assert target.set_metadata(b"file", file_node(1))
    assert attributes(folder / "file") == {}


def test_attributes_of_directories_come_back(target: Target, folder: Path) -> None:
    target.make_directory(b"d", replace=True)
    os.setxattr(folder / "d", "user.extra", b"x")
    target.set_metadata(b"d", directory_node(xattrs=((b"user.a", b"1"),)))
    assert attributes(folder / "d") == {"user.a": b"1"}


@needs_root
def test_attributes_of_links_and_pipes_come_back(target: Target, folder: Path) -> None:
    trusted = ((b"trusted.a", b"1"),)
    target.make_symlink(b"link", link_node(b"/etc", xattrs=trusted), replace=True)
    fifo = file_node(kind=NodeKind.FIFO, xattrs=trusted)
    target.make_fifo(b"fifo", fifo, replace=True)
    for name in ("link", "fifo"):
        assert attributes(folder / name) == {"trusted.a": b"1"}


@needs_root
def test_capabilities_outlive_the_change_of_owner(target: Target, folder: Path) -> None:
    capability = ((b"security.capability", CAPABILITY),)
    restore(target, b"file", b"x", uid=1234, mode=0o755, xattrs=capability)
    assert attributes(folder / "file") == {"security.capability": CAPABILITY}


@pytest.mark.parametrize(
    "name",
    [b"nonsense", b"user.", b"user.a\0b", b"x" * 300, b"system.nonsense", ACCESS],
)
def test_attribute_that_cannot_be_is_counted(target: Target, name: bytes) -> None:
    restore(target, b"file", b"x", xattrs=((name, b"nonsense"),))
    assert target.denied == {"xattr": 1}


def test_attribute_too_large_for_the_file_system_is_counted(
    target: Target, folder: Path
) -> None:
    restore(target, b"file", b"x", xattrs=((b"user.large", bytes(100_000)),))
    assert target.denied == {"xattr": 1}
    assert (folder / "file").read_bytes() == b"x"


# ACLs


def test_acls_come_back_exactly(target: Target, folder: Path) -> None:
    original, copy = folder / "original", folder / "copy"
    original.mkdir()
    (original / "file").touch()
    set_acl(original, "u:1234:rwx", "g:2345:r-x", "m::rwx", "d:u:1234:r-x", "d:m::r-x")
    set_acl(original / "file", "u:1234:rw-", "g::r--", "m::rw-")
    target.make_directory(b"copy", replace=True)
    restore(target, b"copy/file", **copied(original / "file"))
    target.set_metadata(b"copy", directory_node(**copied(original)))
    assert shown_acls(copy) == shown_acls(original)
    assert not target.set_metadata(b"copy", directory_node(**copied(original)))


def copied(path: Path) -> dict[str, object]:
    found = sorted((os.fsencode(n), v) for n, v in attributes(path).items())
    return {"mode": mode_of(path), "xattrs": tuple(found)}


def shown_acls(folder: Path) -> str:
    command = ["getfacl", "--numeric", "--recursive", "--omit-header", "."]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_mask_does_not_become_the_right_of_the_group(
    target: Target, folder: Path
) -> None:
    rights = acl(user=6, group=0, named=6, mask=6)
    restore(target, b"file", mode=0o660, xattrs=((ACCESS, rights),))
    assert attributes(folder / "file") == {ACCESS.decode(): rights}
    assert mode_of(folder / "file") == 0o660


def test_file_does_not_inherit_what_its_node_has_not(
    target: Target, folder: Path
) -> None:
    (folder / "d").mkdir()
    set_acl(folder / "d", "d:u:1234:rwx")
    restore(target, b"d/file", mode=0o664)
    target.make_directory(b"d/e", replace=True)
    target.set_metadata(b"d/e", directory_node(mode=0o775))
    target.make_fifo(b"d/p", file_node(kind=NodeKind.FIFO, mode=0o664), replace=True)
    for path, mode in [("file", 0o664), ("e", 0o775), ("p", 0o664)]:
        assert attributes(folder / "d" / path) == {}
        assert mode_of(folder / "d" / path) == mode


def test_directory_that_got_a_default_acl_hands_nothing_down_either(
    target: Target, folder: Path
) -> None:
    target.make_directory(b"d", replace=True)
    restore(target, b"d/one")
    default = acl(user=7, group=5, named=7, mask=7)
    target.set_metadata(b"d", directory_node(xattrs=((DEFAULT, default),)))
    restore(target, b"d/two")
    assert attributes(folder / "d/two") == {}


@needs_root
def test_directory_of_others_hands_nothing_down(target: Target, folder: Path) -> None:
    (folder / "d").mkdir()
    os.chown(folder / "d", 1234, 1234)
    restore(target, b"d/one")
    set_acl(folder / "d", "d:u:1234:rwx")
    restore(target, b"d/two", mode=0o640)
    assert attributes(folder / "d/two") == {}


# Equal or not


@pytest.mark.parametrize(
    "change",
    [{}, {"mode": 0o600}, {"mtime_ns": 1}, {"xattrs": ((b"user.a", b"2"),)}],
    ids=str,
)
def test_only_what_differs_is_touched(
    target: Target, folder: Path, change: dict[str, object]
) -> None:
    node = restore(target, b"file", b"x", xattrs=((b"user.a", b"1"),))
    before = (folder / "file").stat().st_ctime_ns
    wanted = node._replace(**change)
    assert target.set_metadata(b"file", wanted) == bool(change)
    assert not target.set_metadata(b"file", wanted)
    if not change:
        assert (folder / "file").stat().st_ctime_ns == before


@pytest.mark.parametrize("kind", [NodeKind.DIRECTORY, NodeKind.SYMLINK, NodeKind.FIFO])
def test_metadata_are_for_the_kind_they_were_of(target: Target, kind: int) -> None:
    restore(target, b"file")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        target.set_metadata(b"file", file_node(kind=kind))


def test_nodes_of_no_known_kind_are_nowhere(target: Target) -> None:
    unknown: Node = file_node(kind=99)
    restore(target, b"file")
    with pytest.raises(FileExistsError):
        target.set_metadata(b"file", unknown)
