"""What stores tell those who clean up, by their own clocks, through all wrappers."""

import fcntl
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chunkvault.backends.caching import CachingBackend
from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.limiting import LimitingBackend
from chunkvault.backends.local import LocalBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.pace import Pace
from chunkvault.backends.retrying import RetryingBackend
from chunkvault.backends.s3 import open_location
from chunkvault.backends.upkeep import LeftoverKind, server_time, upkeep_of
from chunkvault.errors import AccessDenied, StorageUnreachable
from tests.support.aged import AgedBackend
from tests.support.fake_clock import FakeClock
from tests.support.stores.fault_proxy import fault_proxy
from tests.support.stores.fault_rules import Fault

MIB = 1 << 20
HOUR_S = 3600
NAME = "chunks/ab/" + "ab" * 32
OLD, YOUNG = ".tmp-0123456789abcdef", ".tmp-1123456789abcdef"


@pytest.fixture
def place(request):
    return request.node.name.replace("[", "-").replace("]", "")


def moved_clock(hours):
    """Answers of a server whose clock is so far ahead of ours."""
    moment = datetime.now(UTC) + timedelta(hours=hours)
    return Fault(date=format_datetime(moment, usegmt=True))


class S3:
    def __init__(self, radosgw, place):
        self.server, self.prefix, self.port = radosgw, place, radosgw.port

    def open(self, port):
        return open_location(
            f"s3:http://127.0.0.1:{port}/private/{self.prefix}",
            StorageOptions(environment=self.server.environment),
        )

    def begin(self, name):
        key = {"Bucket": "private", "Key": f"{self.prefix}{name}"}
        upload = self.server.client.create_multipart_upload(**key)["UploadId"]
        self.server.client.upload_part(
            **key, UploadId=upload, PartNumber=1, Body=bytes(5 * MIB)
        )
        self.server.client.upload_part(
            **key, UploadId=upload, PartNumber=2, Body=b"end"
        )


class B2:
    def __init__(self, b2, place):
        self.server, self.prefix, self.port = b2, place, b2.port

    def open(self, port):
        environment = self.server.master_key()
        environment["B2_ENVIRONMENT"] = f"http://127.0.0.1:{port}"
        return self.server.open(self.prefix, environment=environment)

    def begin(self, name):
        parts = (bytes(5 * MIB), b"end")
        self.server.begin_large("contract", f"{self.prefix}{name}", parts)


@pytest.fixture(params=["radosgw", "b2"])
def store(request, place):
    server = request.getfixturevalue(request.param)
    if request.param == "b2":
        server.bucket("contract")
    return (S3 if request.param == "radosgw" else B2)(server, place)


@pytest.fixture
def proxy(store):
    with fault_proxy(store.port) as proxy:
        yield proxy


@pytest.fixture
def backend(store, proxy):
    backend = store.open(proxy.port)
    yield backend
    backend.close()


def test_unfinished_uploads_are_found_with_their_bytes(store, backend):
    store.begin(f"/{NAME}")
    store.begin("-of-others/elsewhere")
    [found] = backend.upkeep().leftovers()
    assert found[:4] == (LeftoverKind.UPLOAD, NAME, 5 * MIB + 3, False)
    assert [*backend.list("")] == []


def test_they_are_abandoned_after_a_day_by_the_clock_of_the_store(
    store, backend, proxy
):
    store.begin(f"/{NAME}")
    for hours, is_abandoned in ((23, False), (25, True), (-25, False)):
        proxy.clear()
        proxy.add(moved_clock(hours), times=None)
        [found] = backend.upkeep().leftovers()
        assert found.is_abandoned == is_abandoned, hours


def test_a_store_that_does_not_tell_the_time_has_nothing_abandoned(
    store, backend, proxy
):
    store.begin(f"/{NAME}")
    backend.put(NAME, b"content")
    proxy.add(Fault(date="some day"), times=None)
    upkeep = backend.upkeep()
    assert [one.is_abandoned for one in upkeep.leftovers()] == [False]
    assert [one.age_s for one in upkeep.aged("chunks/")] == [None]


def test_an_upload_is_removed_and_one_that_is_gone_is_fine(store, backend):
    store.begin(f"/{NAME}")
    upkeep = backend.upkeep()
    [found] = upkeep.leftovers()
    assert upkeep.remove(found)
    assert [*upkeep.leftovers()] == []
    upkeep.remove(found)


def test_ages_of_objects_are_those_of_the_store(store, backend, proxy):
    backend.put(NAME, b"content")
    backend.put("index/other", b"")
    proxy.add(moved_clock(5), times=None)
    [found] = backend.upkeep().aged("chunks/")
    assert found[:2] == (NAME, 7)
    assert abs(found.age_s - 5 * HOUR_S) < HOUR_S


def test_many_are_found_page_by_page(b2, place):
    backend = b2.open(place)
    for number in range(101):  # a page has a hundred
        b2.begin_large("contract", f"{place}/f{number}", ())
    assert len({one.name for one in backend.upkeep().leftovers()}) == 101
    backend.close()


def test_a_server_without_uploads_in_parts_has_none_left(radosgw, place):
    with fault_proxy(radosgw.port) as proxy:
        backend = S3(radosgw, place).open(proxy.port)
        proxy.add(Fault(status=501), path="uploads")
        assert [*backend.upkeep().leftovers()] == []
        backend.close()


def test_a_key_that_may_not_delete_on_b2_is_told(b2, place):
    b2.bucket("contract")
    may = ("listBuckets", "listFiles", "readFiles", "writeFiles")
    backend = b2.open(place, environment=b2.key(may))
    backend.put(NAME, b"content")
    with pytest.raises(AccessDenied, match="could not delete"):
        backend.delete(NAME)
    backend.close()


def test_files_on_a_server_are_abandoned_after_a_day_by_its_clock(sshd, tmp_path):
    backend = sshd.open(tmp_path / "repository")
    backend.put(NAME, b"content")
    folder = tmp_path / "repository/chunks/ab"
    now_s = (folder / NAME.rpartition("/")[2]).stat().st_mtime
    for name, age_s in ((OLD, 25 * HOUR_S), (YOUNG, 23 * HOUR_S), (".tmp-x", 10**6)):
        (folder / name).write_bytes(b"part")
        os.utime(folder / name, (now_s - age_s, now_s - age_s))
    os.utime(folder / NAME.rpartition("/")[2], (now_s - HOUR_S, now_s - HOUR_S))
    upkeep = backend.upkeep()
    found = {one.name: one for one in upkeep.leftovers()}
    assert {name: one.is_abandoned for name, one in found.items()} == {
        f"chunks/ab/{OLD}": True,
        f"chunks/ab/{YOUNG}": False,
    }
    assert upkeep.remove(found[f"chunks/ab/{OLD}"])
    assert sorted(os.listdir(folder))[:2] == [YOUNG, ".tmp-x"]
    [aged] = upkeep.aged("chunks/")
    assert aged[:2] == (NAME, 7)
    assert abs(aged.age_s - HOUR_S) < HOUR_S / 2
    backend.close()


def test_a_file_in_a_folder_is_abandoned_when_nobody_holds_its_lock(tmp_path):
    backend = LocalBackend(tmp_path)
    free, held, empty = (tmp_path / f".tmp-{number:016}" for number in range(3))
    for path in (free, held):
        path.write_bytes(b"part")
    empty.touch()
    with held.open("r+b") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        found = {one.name: one for one in backend.upkeep().leftovers()}
        assert [found[path.name].is_abandoned for path in (free, held, empty)] == [
            True,
            False,
            False,  # its writer may not have come to lock it yet
        ]
        assert backend.upkeep().remove(found[free.name])
        assert not backend.upkeep().remove(found[held.name])
    assert held.exists()
    assert not free.exists()


def test_a_copy_in_a_folder_is_as_old_as_the_copy(tmp_path):
    backend = LocalBackend(tmp_path)
    backend.put(NAME, b"content")
    os.utime(tmp_path / NAME, (0, 0))
    [found] = backend.upkeep().aged("")
    assert found[:2] == (NAME, 7)
    assert abs(found.age_s) < HOUR_S
    assert [*tmp_path.glob(".tmp-*")] == []


@pytest.mark.parametrize(
    "wrap",
    [
        CountingBackend,
        lambda inner: LimitingBackend(inner, 1, Pace(), Pace()),
        lambda inner: RetryingBackend(inner, "store", FakeClock(), print),
        lambda inner: CachingBackend(
            inner,
            b"/dev/null/nowhere",
            cacheable=lambda _: False,
            is_intact=lambda *_: False,
            max_object_bytes=1,
            max_total_bytes=1,
        ),
    ],
)
def test_every_wrapper_hands_it_on(wrap):
    inner = AgedBackend({NAME: b"content"})
    inner.uploads[NAME] = 0
    inner.now_s = 24 * HOUR_S
    upkeep = upkeep_of(wrap(inner))
    [found] = upkeep.leftovers()
    assert found.is_abandoned
    assert [one.age_s for one in upkeep.aged("")] == [24 * HOUR_S]
    assert upkeep.remove(found)
    assert inner.uploads == {}
    assert upkeep_of(wrap(MemoryBackend())) is None


def test_what_does_not_answer_is_asked_again():
    inner, clock = Shaky({NAME: b"content"}), FakeClock()
    inner.uploads[NAME] = 0
    upkeep = upkeep_of(RetryingBackend(inner, "store", clock, print))
    [found] = upkeep.leftovers()
    assert [one.name for one in upkeep.aged("")] == [NAME]
    assert upkeep.remove(found)
    assert len(clock.waits) == 3


class Shaky(AgedBackend):
    """Each question fails in the middle, the first time."""

    def __init__(self, objects):
        super().__init__(objects)
        self._asked = set()

    def leftovers(self):
        yield from super().leftovers()
        self._fail_once("leftovers")

    def remove(self, leftover):
        self._fail_once("remove")
        return super().remove(leftover)

    def aged(self, prefix):
        yield from super().aged(prefix)
        self._fail_once("aged")

    def _fail_once(self, what):
        if what not in self._asked:
            self._asked.add(what)
            raise StorageUnreachable("no answer")


def test_a_copy_on_a_web_server_is_not_cleaned(web, tmp_path):
    with pytest.raises(AccessDenied, match="only read from"):
        upkeep_of(web.open(tmp_path))


@pytest.mark.parametrize("said", ["", "soon", "99 99 99"])
def test_a_date_that_is_none_is_no_time(said):
    assert server_time({"Date": said}) is None


def test_a_date_is_read_whatever_its_name_is_written_like():
    moment = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    assert server_time({"date": format_datetime(moment, usegmt=True)}) == moment
