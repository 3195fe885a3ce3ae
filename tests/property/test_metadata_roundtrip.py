"""What was backed up and restored is compared by a program that is not ours."""

import os
import shutil
import stat
import subprocess

import pytest

from chunkvault.localfs.patterns import Selection
from chunkvault.operations.backup import BackupOptions, backup
from chunkvault.operations.restore import RestoreOptions, restore
from chunkvault.operations.verify import VerifyOptions, verify
from chunkvault.report import SilentReporter
from chunkvault.snapshots.catalog import Catalog
from tests.support.trees import SECOND, new_repository

pytestmark = pytest.mark.skipif(
    shutil.which("rsync") is None, reason="needs the program rsync"
)

# An access ACL as the kernel keeps it: owner rwx, user 1234 r-x, group r-x,
# mask r-x, others nothing.
ACL = bytes.fromhex(
    "02000000"
    "01000700ffffffff"
    "02000500d2040000"
    "04000500ffffffff"
    "10000500ffffffff"
    "20000000ffffffff"
)
IS_ROOT = os.geteuid() == 0


def make_modes(folder):
    for mode in (0, 0o400, 0o644, 0o1777, 0o2755, 0o4711, 0o6555, 0o7777):
        path = folder / f"mode-{mode:o}"
        path.write_bytes(b"%o" % mode)
        path.chmod(mode)
        (folder / f"folder-{mode:o}").mkdir()
        (folder / f"folder-{mode:o}").chmod(mode)


def make_times(folder):
    for time_ns in (-SECOND - 1, 0, 1, 999_999_999, 2**31 * SECOND + 5, 2**33 * SECOND):
        path = folder / f"time-{time_ns}"
        path.touch()
        os.utime(path, ns=(0, time_ns))
        link = folder / f"link-{time_ns}"
        link.symlink_to("x")
        os.utime(link, ns=(0, time_ns), follow_symlinks=False)


def make_names(folder):
    base = os.fsencode(folder)
    for name in (b"\xff\xfe", b"new\nline", b" ", b"-rf", b"\x1b[31m", b"x" * 255):
        os.mkdir(base + b"/" + name)
        with open(base + b"/" + name + b"/" + name, "wb") as file:
            file.write(name)
    deep = base
    for _ in range(40):
        deep += b"/" + b"d" * 60
        os.mkdir(deep)


def make_links(folder):
    (folder / "one").write_bytes(b"linked")
    (folder / "sub").mkdir()
    os.link(folder / "one", folder / "two")
    os.link(folder / "one", folder / "sub" / "three")
    (folder / "to-nowhere").symlink_to(b"\xff" * 100)
    (folder / "to-root").symlink_to("/")
    os.link(folder / "to-root", folder / "to-root-again", follow_symlinks=False)
    os.mkfifo(folder / "pipe", 0o620)


def make_content(folder):
    (folder / "empty").touch()
    (folder / "empty-folder").mkdir()
    (folder / "large").write_bytes(os.urandom(3 << 20))
    with (folder / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(192 << 20)
    with (folder / "hole").open("wb") as file:
        file.truncate(100_001)


def make_attributes(folder):
    for name in ("file", "folder"):
        path = folder / name
        path.touch() if name == "file" else path.mkdir()
        try:
            os.setxattr(path, b"user.empty", b"")
            os.setxattr(path, b"user.binary", bytes(range(256)))
            os.setxattr(path, b"system.posix_acl_access", ACL)
        except OSError:
            pytest.skip("the file system has no extended attributes")
    os.setxattr(folder / "folder", b"system.posix_acl_default", ACL)
    (folder / "folder" / "inherits").touch()
    (folder / "folder" / "does-not").touch()
    os.removexattr(folder / "folder" / "does-not", b"system.posix_acl_access")


def make_owners(folder):
    for uid, gid in ((1234, 0), (0, 4321), (2**31, 2**31 + 1)):
        path = folder / f"owner-{uid}-{gid}"
        path.touch()
        os.chown(path, uid, gid)
        path.chmod(0o6755)
        link = folder / f"link-{uid}"
        link.symlink_to("x")
        os.lchown(link, uid, gid)


def make_devices(folder):
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(folder / "disk", stat.S_IFBLK | 0o660, os.makedev(259, 1_000_000))


def round_trip(source, target):
    repository = new_repository()
    options = BackupOptions(
        paths=(os.fsencode(source),),
        time_ns=SECOND,
        host="host",
        user="user",
        selection=Selection.of([]),
    )
    reporter = SilentReporter()
    backup(repository, options, reporter)
    [stored] = Catalog(repository).all()
    place = os.fsencode(target)
    for _ in range(2):  # the second time onto what is there
        restore(repository, RestoreOptions(snapshot=stored, target=place), reporter)
    summary = verify(
        repository, VerifyOptions(snapshot=stored, against=place), reporter
    )
    assert reporter.problems == []
    assert summary.differences == 0


def differences(source, target):
    rsync = ["rsync", "-aHAXnc", "--delete", "--itemize-changes"]  # -n: only look
    found = subprocess.run(
        [*rsync, f"{source}/", f"{target}/"], capture_output=True, check=True
    )
    return found.stdout.decode(errors="backslashreplace")


@pytest.mark.parametrize(
    "make",
    [make_modes, make_times, make_names, make_links, make_content, make_attributes],
)
def test_outside_program_finds_no_difference(tmp_path, make):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    make(source)
    round_trip(source, target)
    assert differences(source, target) == ""


@pytest.mark.skipif(not IS_ROOT, reason="only root may make these")
@pytest.mark.parametrize("make", [make_owners, make_devices])
def test_outside_program_finds_no_difference_in_what_root_may_do(tmp_path, make):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    try:
        make(source)
    except PermissionError:
        pytest.skip("not permitted here")
    round_trip(source, target)
    assert differences(source, target) == ""


def test_holes_take_no_space_after_the_restore(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    make_content(source)
    round_trip(source, target)
    assert (target / "sparse").stat().st_blocks * 512 < 1 << 20
