"""What a directory adds to the contract: durability, full disks, foreign files."""

import errno
import os
import resource
import signal
import stat
import subprocess

import pytest

from chunkvault.backends import local
from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.local import LocalBackend
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectExists,
    ObjectNotFound,
    StorageFull,
    StorageUnreachable,
)


@pytest.fixture
def backend(tmp_path):
    return LocalBackend(bytes(tmp_path / "repository"))


@pytest.fixture
def calls(monkeypatch):
    """What `put` asks of the operating system, in order; files by base name."""
    log = []
    real_fsync, real_link, real_unlink = os.fsync, os.link, os.unlink

    def fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        log.append(("fsync", os.path.basename(path) if is_directory else "file"))
        real_fsync(descriptor)

    def link(source, target):
        log.append(("link", os.fsdecode(os.path.basename(target))))
        real_link(source, target)

    def unlink(path):
        log.append(("unlink", "file"))
        real_unlink(path)

    monkeypatch.setattr(local.os, "fsync", fsync)
    monkeypatch.setattr(local.os, "link", link)
    monkeypatch.setattr(local.os, "unlink", unlink)
    return log


def fail_with(monkeypatch, function, *numbers):
    """Make calls of a function fail, one number after the other; 0 passes."""
    real = getattr(os, function)
    left = list(numbers)

    def failing(*args, **kwargs):
        number = left.pop(0) if left else 0
        if number:
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    monkeypatch.setattr(local.os, function, failing)
    return left


def files_below(path):
    return sorted(
        os.path.join(parent, name)
        for parent, _, names in os.walk(path)
        for name in names
    )


def test_path_is_bytes_whatever_was_given(tmp_path):
    assert LocalBackend(str(tmp_path)).path == bytes(tmp_path)
    assert LocalBackend(bytes(tmp_path) + b"/").path == bytes(tmp_path)
    assert LocalBackend("/").path == b"/"


def test_nothing_is_created_before_the_first_put(backend):
    assert list(backend.list("")) == []
    backend.delete("absent")
    with pytest.raises(ObjectNotFound):
        backend.get("absent")
    assert not os.path.exists(backend.path)


def test_objects_and_directories_are_private(tmp_path):
    backend = LocalBackend(bytes(tmp_path / "made" / "repository"))
    backend.put("volumes/aa/object", b"content")
    for path in ("made", "made/repository", "made/repository/volumes/aa"):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o700
    path = tmp_path / "made/repository/volumes/aa/object"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1


def test_put_syncs_the_file_then_links_then_syncs_the_directory(backend, calls):
    backend.put("volumes/aa", b"")
    calls.clear()
    backend.put("volumes/object", b"content")
    assert calls == [
        ("fsync", "file"),
        ("link", "object"),
        ("unlink", "file"),
        ("fsync", "volumes"),
    ]


def test_put_syncs_the_parents_of_new_directories(tmp_path, calls):
    backend = LocalBackend(bytes(tmp_path / "top" / "repository"))
    backend.put("volumes/aa/object", b"content")
    assert [name for call, name in calls if call == "fsync"] == [
        tmp_path.name,
        "top",
        "repository",
        "volumes",
        "file",
        "aa",
    ]


def test_put_syncs_the_entry_of_a_directory_that_somebody_else_made(backend, calls):
    os.makedirs(os.path.join(backend.path, b"volumes"))
    backend.put("volumes/object", b"content")
    assert calls[0] == ("fsync", "repository")


def test_put_of_a_taken_name_returns_after_the_directory_is_durable(backend, calls):
    backend.put("volumes/object", b"content")
    calls.clear()
    with pytest.raises(ObjectExists):
        backend.put("volumes/object", b"content")
    assert calls == [("fsync", "volumes")]


def test_delete_is_durable(backend, calls):
    backend.put("volumes/object", b"content")
    calls.clear()
    backend.delete("volumes/object")
    assert calls == [("unlink", "file"), ("fsync", "volumes")]


def test_put_rewrites_the_object_once_when_fsync_fails(backend, monkeypatch):
    backend.put("first", b"")
    left = fail_with(monkeypatch, "fsync", errno.EIO)
    backend.put("object", b"content")
    assert left == []
    assert backend.get("object") == b"content"
    assert len(files_below(backend.path)) == 2


def test_put_fails_when_fsync_fails_twice_and_leaves_nothing(backend, monkeypatch):
    backend.put("first", b"")
    fail_with(monkeypatch, "fsync", errno.EIO, errno.EIO)
    with pytest.raises(StorageUnreachable, match=r"object: input/output error"):
        backend.put("object", b"content")
    assert files_below(backend.path) == [os.path.join(backend.path, b"first")]


def test_put_fails_when_closing_the_file_fails(backend, monkeypatch):
    backend.put("first", b"")
    real_close = os.close
    with monkeypatch.context() as patch:
        left = [errno.ENOSPC]

        def close(descriptor):
            real_close(descriptor)
            if left:
                raise OSError(left.pop(), "no space left on device")

        patch.setattr(local.os, "close", close)
        with pytest.raises(StorageFull, match="object"):
            backend.put("object", b"content")
    assert files_below(backend.path) == [os.path.join(backend.path, b"first")]


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EINVAL, errno.ENOENT])
def test_put_tolerates_directories_that_cannot_be_synced(backend, monkeypatch, number):
    backend.put("first", b"")
    fail_with(monkeypatch, "fsync", 0, number)
    backend.put("object", b"content")
    assert backend.get("object") == b"content"


def test_put_fails_when_the_directory_cannot_be_made_durable(backend, monkeypatch):
    backend.put("first", b"")
    fail_with(monkeypatch, "fsync", 0, errno.EIO)
    with pytest.raises(StorageUnreachable, match="object"):
        backend.put("object", b"content")


def test_put_goes_on_after_short_writes(backend, monkeypatch):
    real_write = os.write
    monkeypatch.setattr(
        local.os, "write", lambda descriptor, data: real_write(descriptor, data[:3])
    )
    backend.put("object", b"0123456789")
    assert backend.get("object") == b"0123456789"


def test_put_notices_a_file_that_came_out_short(backend, monkeypatch):
    monkeypatch.setattr(local.os, "write", lambda descriptor, data: len(data))
    with pytest.raises(StorageUnreachable, match="object"):
        backend.put("object", b"content")
    assert files_below(backend.path) == []


def test_get_goes_on_after_short_reads(backend, monkeypatch):
    backend.put("object", b"0123456789")
    real_pread = os.pread
    monkeypatch.setattr(
        local.os, "pread", lambda fd, size, offset: real_pread(fd, min(size, 3), offset)
    )
    assert backend.get("object") == b"0123456789"
    assert backend.get("object", 1, 8) == b"12345678"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_put_is_create_only_without_hard_links_too(backend, monkeypatch, number):
    fail_with(monkeypatch, "link", number, number)
    backend.put("object", b"first")
    with pytest.raises(ObjectExists):
        backend.put("object", b"second")
    assert backend.get("object") == b"first"
    assert files_below(backend.path) == [os.path.join(backend.path, b"object")]


def test_put_without_hard_links_never_replaces_what_came_meanwhile(
    backend, monkeypatch
):
    def link(source, target):
        with open(target, "wb") as file:
            file.write(b"other")
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(local.os, "link", link)
    with pytest.raises(ObjectExists):
        backend.put("object", b"mine")
    assert backend.get("object") == b"other"
    assert files_below(backend.path) == [os.path.join(backend.path, b"object")]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EACCES, AccessDenied),
        (errno.EPERM, AccessDenied),
        (errno.EROFS, AccessDenied),
        (errno.EIO, StorageUnreachable),
        (errno.ESTALE, StorageUnreachable),
        (errno.ENOTCONN, StorageUnreachable),
        (errno.ETIMEDOUT, StorageUnreachable),
        (errno.EMFILE, BackendError),
    ],
)
def test_errors_of_writing_have_a_kind_and_name_the_object(
    backend, monkeypatch, number, kind
):
    fail_with(monkeypatch, "write", number)
    with pytest.raises(BackendError) as caught:
        backend.put("volumes/object", b"content")
    assert type(caught.value) is kind
    assert "volumes/object" in str(caught.value)
    assert os.strerror(number).lower() in str(caught.value)
    assert files_below(backend.path) == []
    backend.put("volumes/object", b"content")


def test_a_folder_that_went_away_is_unreachable_and_not_made_again(backend, tmp_path):
    backend.put("volumes/object", b"content")
    (tmp_path / "repository").rename(tmp_path / "unmounted")
    for name in ("volumes/other", "snapshots/other", "other"):
        with pytest.raises(StorageUnreachable, match=name):
            backend.put(name, b"content")
    assert not (tmp_path / "repository").exists()


def test_a_file_in_the_way_is_an_error_of_every_verb(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "repository"):
        backend = LocalBackend(bytes(path))
        for call in (
            lambda b=backend: b.put("volumes/object", b"content"),
            lambda b=backend: b.put("object", b"content"),
            lambda b=backend: b.get("object"),
            lambda b=backend: b.delete("object"),
        ):
            with pytest.raises(BackendError, match="object: not a directory"):
                call()
    with pytest.raises(BackendError, match="file: not a directory"):
        list(LocalBackend(bytes(tmp_path / "file")).list(""))


def test_a_listing_that_cannot_read_a_directory_raises(backend, monkeypatch):
    backend.put("volumes/aa/object", b"content")
    fail_with(monkeypatch, "scandir", 0, 0, errno.EACCES)
    with pytest.raises(AccessDenied):
        list(backend.list(""))


def test_list_reads_only_directories_that_can_match(backend, monkeypatch):
    for name in ("volumes/aa/1", "volumes/ab/2", "volumes/bb/3", "index/4"):
        backend.put(name, b"")
    opened = []
    real_scandir = os.scandir

    def scandir(path):
        opened.append(os.path.relpath(path, backend.path))
        return real_scandir(path)

    monkeypatch.setattr(local.os, "scandir", scandir)
    assert len(list(backend.list("volumes/a"))) == 2
    assert sorted(opened) == [b".", b"volumes", b"volumes/aa", b"volumes/ab"]


def test_foreign_files_are_not_listed_and_not_touched(backend, tmp_path):
    backend.put("volumes/aa/object", b"content")
    volumes = tmp_path / "repository" / "volumes"
    for name in (".tmp-0123456789abcdef", ".nfs001", "READ ME", "lost+found", "ü"):
        (volumes / name).write_bytes(b"foreign")
    (volumes / ".hidden").mkdir()
    (volumes / ".hidden" / "object").write_bytes(b"foreign")
    os.mkfifo(volumes / "fifo")
    (volumes / "link").symlink_to("READ ME")
    (volumes / "dangling").symlink_to("nowhere")
    with open(os.fsencode(volumes) + b"/latin-\xe4", "wb"):
        pass
    assert list(backend.list("")) == [ObjectInfo("volumes/aa/object", 7)]
    backend.put("volumes/other", b"")
    assert len(list(volumes.iterdir())) == 10 + len(["aa", "other"])


def test_only_regular_files_are_read(backend, tmp_path):
    backend.put("volumes/object", b"content")
    os.mkfifo(tmp_path / "repository" / "fifo")
    (tmp_path / "repository" / "link").symlink_to("volumes/object")
    for name in ("fifo", "volumes"):
        with pytest.raises(ObjectNotFound, match=name):
            backend.get(name)
    with pytest.raises(BackendError, match="link"):
        backend.get("link")


def test_part_of_the_repository_may_lie_on_another_disk(backend, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "volumes").symlink_to(tmp_path / "other")
    backend.put("volumes/object", b"content")
    assert list(backend.list("volumes/")) == [ObjectInfo("volumes/object", 7)]
    assert (tmp_path / "other" / "object").read_bytes() == b"content"


def test_a_full_disk_keeps_what_was_stored_and_nothing_else(small_disk):
    backend = LocalBackend(bytes(small_disk / "repository"))
    backend.put("volumes/first", b"x" * 100_000)
    with pytest.raises(StorageFull, match="volumes/second"):
        backend.put("volumes/second", b"x" * 200_000)
    assert list(backend.list("")) == [ObjectInfo("volumes/first", 100_000)]
    assert len(files_below(bytes(small_disk))) == 1
    backend.put("volumes/third", b"x" * 100_000)
    backend.delete("volumes/first")
    backend.put("volumes/second", b"x" * 100_000)


def test_a_read_only_disk_denies_access(small_disk):
    backend = LocalBackend(bytes(small_disk / "repository"))
    backend.put("volumes/first", b"content")
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    with pytest.raises(AccessDenied, match="volumes/second: read-only file system"):
        backend.put("volumes/second", b"content")
    with pytest.raises(AccessDenied, match="volumes/first"):
        backend.delete("volumes/first")
    assert backend.get("volumes/first") == b"content"


def test_a_limit_of_file_size_is_a_full_storage(backend):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageFull, match="object: file too large"):
            backend.put("object", b"x" * 20_000)
        assert files_below(backend.path) == []
        backend.put("object", b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
