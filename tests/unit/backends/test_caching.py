"""A cache saves calls, and is never a reason to fail or to be wrong."""

import errno
import os
import stat

import pytest

from chunkvault.backends import cache_folder
from chunkvault.backends.base import forget_kept
from chunkvault.backends.caching import CachingBackend
from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import ObjectExists, ObjectNotFound


def content_of(name):
    return f"{name} ".encode() * 10


class Setup:
    """A cache over a counted backend; objects are intact if they name themselves."""

    def __init__(self, folder):
        self.folder = folder
        self.memory = MemoryBackend()
        self.counted = CountingBackend(self.memory)
        self.checks = 0

    def open(
        self, *, max_object_bytes=1000, max_total_bytes=100_000, max_whole_bytes=None
    ):
        return CachingBackend(
            self.counted,
            os.fsencode(self.folder),
            cacheable=lambda name: name.startswith("index/"),
            is_intact=self.is_intact,
            max_object_bytes=max_object_bytes,
            max_total_bytes=max_total_bytes,
            max_whole_bytes=max_whole_bytes,
        )

    def is_intact(self, name, data):
        self.checks += 1
        return bytes(data) == content_of(name)

    def file(self, name):
        return self.folder / name.replace("/", ",")

    def gets(self):
        before, self.counted.counts.gets = self.counted.counts.gets, 0
        return before


@pytest.fixture
def setup(tmp_path):
    return Setup(tmp_path / "parents" / "cache")


@pytest.fixture
def filled(setup):
    """The same, with an object in the backend and none in the cache."""
    setup.memory.put("index/a", content_of("index/a"))
    return setup


def test_an_object_is_fetched_once_and_served_to_later_processes(filled):
    for expected_gets in (1, 0):
        backend = filled.open()
        assert backend.get("index/a") == content_of("index/a")
        assert backend.get("index/a", 3, 4) == content_of("index/a")[3:7]
        assert filled.gets() == expected_gets
        backend.close()


def test_a_range_fetches_the_whole_object_once(filled):
    backend = filled.open()
    assert backend.get("index/a", 3, 4) == content_of("index/a")[3:7]
    assert backend.get("index/a", 5) == content_of("index/a")[5:]
    assert filled.gets() == 1


def test_an_object_that_was_put_is_served_from_the_cache(setup):
    backend = setup.open()
    backend.put("index/a", content_of("index/a"))
    assert backend.get("index/a") == content_of("index/a")
    assert setup.gets() == 0


def test_a_put_that_is_refused_keeps_nothing(setup):
    setup.memory.put("index/a", b"other")
    backend = setup.open()
    with pytest.raises(ObjectExists):
        backend.put("index/a", content_of("index/a"))
    assert not setup.file("index/a").exists()


def test_objects_that_are_not_cacheable_pass_through(setup):
    backend = setup.open()
    backend.put("volumes/a", content_of("volumes/a"))
    assert backend.get("volumes/a", 1, 2) == content_of("volumes/a")[1:3]
    assert backend.get("volumes/a") == content_of("volumes/a")
    assert setup.gets() == 2
    assert [path.name for path in setup.folder.iterdir()] == ["CACHEDIR.TAG"]


def test_a_large_object_is_not_kept_and_then_read_in_ranges(filled):
    backend = filled.open(max_object_bytes=10)
    data = content_of("index/a")
    assert backend.get("index/a", 30, 4) == data[30:34]
    assert filled.gets() == 2
    assert backend.get("index/a", 40, 4) == data[40:44]
    assert backend.get("index/a") == data
    assert filled.gets() == 2
    assert not filled.file("index/a").exists()


def test_a_listing_tells_which_objects_are_too_large(filled):
    backend = filled.open(max_object_bytes=10)
    assert [info.name for info in backend.list("")] == ["index/a"]
    assert backend.get("index/a", 30, 4) == content_of("index/a")[30:34]
    assert filled.gets() == 1


def test_damage_in_the_cache_is_fetched_again(filled):
    filled.open().get("index/a")
    filled.gets()
    filled.file("index/a").write_bytes(b"damaged")
    backend = filled.open()
    assert backend.get("index/a", 3, 4) == content_of("index/a")[3:7]
    assert filled.gets() == 1
    assert filled.file("index/a").read_bytes() == content_of("index/a")


def test_a_range_that_was_changed_on_its_way_can_be_fetched_again(setup):
    setup.memory.put("index/a", b"changed on its way")
    setup.open(max_whole_bytes=10).get("index/a", 3, 4)
    setup.memory.delete("index/a")
    setup.memory.put("index/a", content_of("index/a"))
    backend = setup.open(max_whole_bytes=10)
    assert backend.get("index/a", 3, 4) == b"nged"  # nobody has looked at it
    forget_kept(backend, "index/a", 3, 4)
    for _ in range(2):
        assert backend.get("index/a", 3, 4) == content_of("index/a")[3:7]
    assert setup.gets() == 2


def test_a_kept_object_is_checked_once_in_a_process(filled):
    filled.open().get("index/a")
    filled.checks = 0
    backend = filled.open()
    for _ in range(3):
        backend.get("index/a", 2, 3)
    assert filled.checks == 1


def test_damage_in_the_backend_is_passed_on_and_not_kept(setup):
    setup.memory.put("index/a", b"damaged")
    backend = setup.open()
    assert backend.get("index/a") == b"damaged"
    assert backend.get("index/a", 1, 2) == b"am"
    assert not setup.file("index/a").exists()
    assert setup.gets() == 2


def test_delete_removes_it_from_the_cache(filled):
    backend = filled.open()
    backend.get("index/a")
    backend.delete("index/a")
    assert not filled.file("index/a").exists()
    with pytest.raises(ObjectNotFound):
        backend.get("index/a")


def test_a_file_that_vanished_from_the_cache_is_fetched_again(filled):
    backend = filled.open()
    backend.get("index/a")
    filled.file("index/a").unlink()
    assert backend.get("index/a", 1, 3) == content_of("index/a")[1:4]
    assert filled.gets() == 2


def test_files_are_private_and_the_folder_is_tagged(filled):
    filled.open().get("index/a")
    assert stat.S_IMODE(filled.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(filled.file("index/a").stat().st_mode) == 0o600
    tag = (filled.folder / "CACHEDIR.TAG").read_bytes()
    assert tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_folder_open_to_others_is_closed_to_them(filled):
    filled.folder.mkdir(parents=True)
    filled.folder.chmod(0o777)
    filled.open()
    assert stat.S_IMODE(filled.folder.stat().st_mode) == 0o700


def test_the_objects_used_longest_ago_make_room(setup):
    names = [f"index/{number}" for number in range(10)]
    size = len(content_of(names[0]))
    backend = setup.open(max_total_bytes=size * 10)
    for age, name in enumerate(names):
        backend.put(name, content_of(name))
        os.utime(setup.file(name), ns=(age, age))
    backend.close()

    backend = setup.open(max_total_bytes=size * 10)
    backend.get(names[0])  # used now: the next oldest goes
    backend.put("index/x", content_of("index/x"))
    kept = {name for name in [*names, "index/x"] if setup.file(name).exists()}
    assert kept == {names[0], *names[3:], "index/x"}
    assert backend.get(names[1], 0, 3) == content_of(names[1])[:3]


def test_an_object_larger_than_the_cache_is_not_kept(filled):
    backend = filled.open(max_total_bytes=10)
    assert backend.get("index/a") == content_of("index/a")
    assert not filled.file("index/a").exists()
    assert backend.disabled_reason is None


def assert_works_without_cache(setup):
    backend = setup.open()
    assert backend.disabled_reason is not None
    assert os.fspath(setup.folder) in backend.disabled_reason
    backend.put("index/b", content_of("index/b"))
    assert backend.get("index/b", 1, 2) == content_of("index/b")[1:3]
    backend.delete("index/b")
    backend.close()


def test_a_symbolic_link_is_not_used_as_cache(setup, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "parents").mkdir()
    setup.folder.symlink_to(tmp_path / "target")
    assert_works_without_cache(setup)
    assert list((tmp_path / "target").iterdir()) == []


def test_a_file_in_the_way_disables_the_cache(setup):
    setup.folder.parent.write_bytes(b"")
    assert_works_without_cache(setup)


def test_a_folder_of_somebody_else_is_not_used_as_cache(setup):
    if os.geteuid() != 0:
        pytest.skip("needs root to give a folder away")
    setup.folder.mkdir(parents=True)
    os.chown(setup.folder, 12345, 12345)
    assert_works_without_cache(setup)
    assert list(setup.folder.iterdir()) == []


def test_a_full_local_disk_disables_the_cache_and_nothing_else(filled, monkeypatch):
    backend = filled.open()

    def write(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_folder.os, "write", write)
    assert backend.get("index/a") == content_of("index/a")
    assert backend.disabled_reason == f"{filled.folder}: no space left on device"
    assert backend.get("index/a", 1, 2) == content_of("index/a")[1:3]
    assert [path.name for path in filled.folder.iterdir()] == ["CACHEDIR.TAG"]
    backend.close()


def test_a_read_error_of_the_local_disk_disables_the_cache(filled, monkeypatch):
    backend = filled.open()
    backend.get("index/a")

    def pread(descriptor, size, offset):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(cache_folder.os, "pread", pread)
    assert backend.get("index/a") == content_of("index/a")
    assert backend.disabled_reason == f"{filled.folder}: input/output error"


def test_a_leftover_of_a_killed_process_does_no_harm(filled):
    filled.open().close()
    leftover = filled.folder / ".tmp-0123456789abcdef"
    leftover.write_bytes(b"x" * 99_990)
    os.utime(leftover, ns=(0, 0))
    backend = filled.open()
    backend.get("index/a")
    assert not leftover.exists()
    assert filled.file("index/a").exists()
