"""Backups and restores through a line that fails: whole, or stopped with a reason."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import AccessDenied, SafetyStop, StorageUnreachable
from chunkvault.format.names import VOLUME_FOLDERS
from chunkvault.repository import cached
from tests.support.builders import (
    back_up,
    create_small,
    noise,
    objects_of,
    open_small,
    read_tree,
    restore_all,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.stores.fault_rules import Fault

FILES = {f"folder{n % 3}/f{n}": noise(20_000, n) for n in range(15)}
VOLUME_BYTES = 16 << 10
CONNECTIONS = 3


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", FILES)


def create(store):
    store.fill(objects_of(create_small().backend))


def open_far(store):
    return open_small(store.open(CONNECTIONS), connections=CONNECTIONS)


def take_backup(store, source, at=1):
    with open_far(store) as repository:
        return back_up(repository, source, at=at, workers=2)


def assert_restores(store, source, tmp_path):
    """What is there is whole, seen without the proxy."""
    seen = MemoryBackend(store.objects())
    assert run_check(seen).exit_code == 0
    repository = open_small(seen)
    snapshot = snapshots_of(repository)[-1]
    restore_all(repository, snapshot, tmp_path / "direct")
    assert read_tree(tmp_path / "direct") == read_tree(source)


def volume_bytes(store):
    """What volumes occupy, by kind of their blobs."""
    folders = tuple(VOLUME_FOLDERS.values())
    objects = store.objects()
    return sum(len(objects[name]) for name in objects if name.startswith(folders))


def test_a_backup_gets_through_when_every_tenth_request_fails(store, source, tmp_path):
    create(store)
    store.proxy.add(Fault(status=500), every=10, first=10, times=None)
    take_backup(store, source)
    assert sum(request.fault is not None for request in store.proxy.requests) > 3
    assert_restores(store, source, tmp_path)


def test_a_backup_gets_through_when_replies_are_lost(store, source, tmp_path):
    create(store)
    store.proxy.add(Fault(swallow=True), method="PUT", every=4, first=2, times=None)
    take_backup(store, source)
    lost = volume_bytes(store)
    assert_restores(store, source, tmp_path)
    store.lose_everything()
    store.proxy.clear()
    create(store)
    take_backup(store, source)
    # Nothing lies there twice because its reply was lost.
    assert abs(lost - volume_bytes(store)) < VOLUME_BYTES * 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(cut_at=100),
        Fault(reset_at=5000),
        Fault(corrupt_at=300),
        Fault(status=200, body=b"<Error><Code>InternalError</Code></Error>"),
    ],
    ids=str,
)
def test_a_restore_gets_through(store, source, tmp_path, fault):
    create(store)
    take_backup(store, source)
    store.proxy.clear()
    store.proxy.add(fault, method="GET", every=5, first=8, times=None)
    with open_far(store) as repository:
        [snapshot] = snapshots_of(repository)
        summary = restore_all(repository, snapshot, tmp_path / "out", workers=2)
    assert summary.failed == 0
    assert read_tree(tmp_path / "out") == read_tree(source)
    assert any(request.fault for request in store.proxy.requests)


@pytest.mark.parametrize("moment", [4, 12])
def test_a_backup_that_was_given_up_goes_on_where_it_ended(
    store, source, tmp_path, moment
):
    create(store)
    store.proxy.add(Fault(reset_before=True), method="PUT", first=moment, times=None)
    with pytest.raises(StorageUnreachable) as caught:
        take_backup(store, source)
    assert "stored so far is kept" in caught.value.hint
    assert not any(name.startswith("snapshots/") for name in store.objects())
    kept = volume_bytes(store)
    store.proxy.clear()
    take_backup(store, source, at=2)
    sent = sum(one.sent for one in store.proxy.requests if one.method == "PUT")
    total = volume_bytes(store)
    assert_restores(store, source, tmp_path)
    # What the second run sent is what was missing, with its index and snapshot.
    assert sent - (total - kept) < 32 << 10
    content = sum(map(len, FILES.values()))
    assert total < content + (CONNECTIONS + 4) * VOLUME_BYTES


def test_a_backup_survives_a_store_that_goes_away_for_minutes(store, source, tmp_path):
    create(store)
    with open_far(store) as repository:
        rule = store.proxy.add(Fault(), method="PUT", first=5)
        take = store.proxy.take

        def leave(method, path, sent):
            fault = take(method, path, sent)
            if fault is rule.fault:
                store.proxy.go_away()
            return fault

        store.proxy.take = leave

        def look():
            if sum(store.clock.waits) > 300:
                store.proxy.take = take
                store.proxy.come_back()
                store.clock.on_wait = lambda: None

        store.clock.on_wait = look
        back_up(repository, source, workers=2)
    assert any("does not answer" in text for text in store.told)
    assert_restores(store, source, tmp_path)


def test_a_store_that_comes_back_empty_ends_the_backup(store, source):
    create(store)
    store.proxy.add(Fault(reset_before=True), method="PUT", first=6)

    def lose():
        store.clock.on_wait = lambda: None
        store.lose_everything()

    store.clock.on_wait = lose
    with pytest.raises(SafetyStop):
        take_backup(store, source)
    left = store.objects()
    # What other connections had under way may have arrived, and nothing else.
    assert len(left) < CONNECTIONS
    assert not any(name.startswith(("snapshots/", "index/")) for name in left)


class Unmounted(MemoryBackend):
    """Its disk goes away under it when the first volume comes, without a sound."""

    def put(self, name, data):
        if name.startswith("chunks/") and self.is_there("config"):
            for info in list(self.list("")):
                self.delete(info.name)
        super().put(name, data)

    def is_there(self, name):
        return any(info.name == name for info in self.list(name))


def test_a_store_that_is_emptied_without_an_outage_gets_no_snapshot(source):
    backend = Unmounted(objects_of(create_small().backend))
    with pytest.raises(SafetyStop, match="gone from the storage") as caught:
        back_up(open_small(backend), source)
    assert caught.value.exit_code == 24
    assert not list(backend.list("snapshots/"))


class Flipping(MemoryBackend):
    """What is read in parts comes with a flipped bit, each part the first time."""

    def __init__(self, objects):
        super().__init__(objects)
        self._seen = set()

    def get(self, name, offset=0, length=None):
        data = super().get(name, offset, length)
        part = (name, offset, length)
        if length is None or not data or part in self._seen:
            return data
        self._seen.add(part)
        return bytes([data[0] ^ 1]) + data[1:]


def test_what_was_changed_on_its_way_into_the_cache_is_fetched_again(source, tmp_path):
    memory = create_small().backend
    back_up(open_small(memory), source)
    backend = Flipping(objects_of(memory))
    for number in range(2):
        repository = open_small(cached(backend, bytes(tmp_path / "cache")))
        [snapshot] = snapshots_of(repository)
        summary = restore_all(repository, snapshot, tmp_path / f"out{number}")
        assert summary.failed == 0
        assert read_tree(tmp_path / f"out{number}") == read_tree(source)
        assert not repository.problems


def test_an_empty_store_is_not_a_repository(store, source):
    create(store)
    take_backup(store, source)
    store.lose_everything()
    store.proxy.clear()
    with pytest.raises(Exception, match="there is no repository") as caught:
        take_backup(store, source, at=2)
    assert caught.value.exit_code == 10
    assert store.proxy.count("PUT") == 0


def test_credentials_that_expire_end_the_backup_and_the_next_goes_on(
    store, source, tmp_path
):
    create(store)
    body = b"<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>"
    store.proxy.add(Fault(status=403, body=body), method="PUT", first=8, times=None)
    with pytest.raises(AccessDenied):
        take_backup(store, source)
    kept = volume_bytes(store)
    assert kept > 3 * VOLUME_BYTES
    store.proxy.clear()
    take_backup(store, source, at=2)
    assert_restores(store, source, tmp_path)
