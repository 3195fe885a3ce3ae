"""What failed for a moment is tried again; what is an answer is not."""

import threading

import pytest

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.clock import Interruption, SystemClock
from chunkvault.backends.memory import MemoryBackend
from chunkvault.backends.patience import BUDGET_S, FIRST_BUDGET_S
from chunkvault.backends.retrying import RetryingBackend
from chunkvault.errors import (
    AccessDenied,
    Interrupted,
    ObjectExists,
    ObjectNotFound,
    SafetyStop,
    StorageFull,
    StorageUnreachable,
)
from tests.support.fake_clock import FakeClock
from tests.support.faulty import FaultyBackend

AWAY = StorageUnreachable("connection refused")


class Store:
    """A retrying backend around one that fails as it is told."""

    def __init__(self, clock=None, **objects):
        self.memory = MemoryBackend(objects)
        self.faults = FaultyBackend(self.memory)
        self.clock = clock or FakeClock()
        self.told = []
        self.backend = RetryingBackend(
            self.faults, "s3:host/bucket", self.clock, self.told.append
        )

    def go_away_for(self, seconds):
        """Nothing works until so much time was waited for."""
        back = self.clock.now + seconds
        self.faults.fail_from(1, AWAY)

        def look():
            if self.clock.now >= back:
                self.faults.recover()

        self.clock.on_wait = look


@pytest.mark.parametrize("times", [1, 3, 7])
def test_every_verb_gets_through_after_failures(times):
    store = Store(a=b"1")
    store.backend.get("a")
    for verb in ("put", "get", "list", "delete"):
        for _ in range(times):
            store.faults.fail_next(verb, AWAY)
    assert [info.name for info in store.backend.list("")] == ["a"]
    store.backend.put("b", b"2")
    assert store.backend.get("b") == b"2"
    store.backend.delete("a")
    assert {info.name for info in store.backend.list("")} == {"b"}


@pytest.mark.parametrize("error", [AccessDenied("no"), StorageFull("full")])
def test_what_will_not_change_is_not_tried_again(error):
    store = Store()
    store.faults.fail_next("put", error)
    with pytest.raises(type(error)):
        store.backend.put("a", b"1")
    assert store.clock.waits == []
    assert store.faults.call_count == 1


def test_an_object_that_is_missing_is_an_answer():
    store = Store()
    with pytest.raises(ObjectNotFound):
        store.backend.get("a")
    assert store.clock.waits == []


def test_pauses_are_drawn_from_a_bound_that_doubles_up_to_two_minutes():
    store = Store(a=b"1")
    store.backend.get("a")
    store.go_away_for(600)
    store.backend.get("a")
    assert store.clock.waits[:8] == [1, 2, 4, 8, 16, 32, 64, 120]
    drawn = Store(clock=FakeClock(fraction=0.25), a=b"1")
    drawn.faults.fail_next("get", AWAY)
    drawn.faults.fail_next("get", AWAY)
    drawn.backend.get("a")
    assert drawn.clock.waits == [0.25, 0.5]


def test_retry_after_comes_on_top_of_the_pause_and_is_bounded():
    store = Store(a=b"1")
    store.backend.get("a")
    for seconds in (7, 10_000, -5):
        error = StorageUnreachable("slow down", retry_after_s=seconds)
        store.faults.fail_next("put", error)
    store.backend.put("b", b"")
    assert store.clock.waits == [7 + 1, 300 + 2, 4]


def test_a_store_that_worked_is_waited_for_a_quarter_of_an_hour():
    store = Store(a=b"1")
    store.backend.get("a")
    began = store.clock.now
    store.faults.fail_from(1, AWAY)
    with pytest.raises(StorageUnreachable) as caught:
        store.backend.put("volumes/b", b"2")
    assert store.clock.now - began == BUDGET_S
    assert "store volumes/b at s3:host/bucket" in str(caught.value)
    assert "15 min" in str(caught.value)
    assert "connection refused" in str(caught.value)
    assert "stored so far is kept" in caught.value.hint
    assert caught.value.exit_code == 23


def test_a_store_that_never_worked_is_given_up_after_a_minute():
    store = Store()
    began = store.clock.now
    store.faults.fail_from(1, AWAY)
    with pytest.raises(StorageUnreachable):
        store.backend.get("config")
    assert store.clock.now - began == FIRST_BUDGET_S


def test_a_request_that_takes_longer_than_the_budget_is_made_twice():
    store = Store(a=b"1")

    class Slow(MemoryBackend):
        calls = 0

        def get(self, name, offset=0, length=None):
            self.calls += 1
            store.clock.now += 10 * BUDGET_S
            raise AWAY

    slow = Slow()
    backend = RetryingBackend(slow, "x:", store.clock, store.told.append)
    with pytest.raises(StorageUnreachable):
        backend.get("a")
    assert slow.calls == 2


def test_progress_of_anybody_gives_everybody_more_time():
    store = Store(a=b"1", b=b"2")
    store.backend.get("a")
    began = store.clock.now
    for _ in range(25):
        store.faults.fail_next("delete", AWAY)
    store.clock.on_wait = lambda: store.backend.get("a")  # as another thread would
    store.backend.delete("b")
    assert store.clock.now - began > 2 * BUDGET_S


def test_people_are_told_once_that_a_store_is_away_and_once_that_it_is_back():
    store = Store(a=b"1")
    store.backend.get("a")
    store.faults.fail_next("get", AWAY)
    store.backend.get("a")
    assert store.told == []  # a second is no news
    store.go_away_for(300)
    store.backend.get("a")
    away, back = store.told
    assert "s3:host/bucket does not answer, trying again for up to 15 min" in away
    assert "connection refused" in away
    assert back == "s3:host/bucket answers again"


def test_a_put_whose_reply_was_lost_is_done():
    store = Store()
    store.faults.lose_next_reply("put", AWAY)
    store.backend.put("a", memoryview(b"content"))
    assert store.memory.get("a") == b"content"
    assert store.faults.call_count == 3  # put, put again, read back


def test_a_put_whose_reply_was_lost_is_read_back_in_spite_of_failures():
    store = Store()
    store.faults.lose_next_reply("put", AWAY)
    store.faults.fail_next("get", AWAY)
    store.faults.fail_next("put", AWAY)
    store.backend.put("a", b"content")
    assert store.memory.get("a") == b"content"


def test_a_put_that_failed_beside_somebody_elses_object_says_so():
    store = Store(a=b"theirs")
    store.faults.fail_next("put", AWAY)
    with pytest.raises(ObjectExists):
        store.backend.put("a", b"mine")
    assert store.memory.get("a") == b"theirs"


def test_a_name_that_is_taken_at_once_is_not_read_back():
    store = Store(a=b"same")
    with pytest.raises(ObjectExists):
        store.backend.put("a", b"same")
    assert store.faults.call_count == 1


class Pages:
    """Lists a page of three with each request; every second request fails."""

    def __init__(self, names, *, is_ordered=False):
        self.names = sorted(names)
        self.requests = 0
        if is_ordered:
            self.list_after = self._list_after

    def list(self, prefix):
        return self._list_after(prefix, "")

    def _list_after(self, prefix, after):
        names = [name for name in self.names if name > after]
        for start in range(0, len(names), 3):
            self.requests += 1
            if self.requests % 2 == 0:
                raise AWAY
            yield from (ObjectInfo(name, 0) for name in names[start : start + 3])


def test_a_listing_goes_on_without_repeating_names():
    pages = Pages(f"n{number:02}" for number in range(5))
    clock = FakeClock()
    pages.requests = 1
    backend = RetryingBackend(pages, "x:", clock, lambda text: None)
    listed = []
    for info in backend.list(""):
        listed.append(info.name)
        pages.requests = 0  # the page after this one gets through
    assert listed == pages.names
    assert len(clock.waits) == 1


def test_an_ordered_listing_goes_on_where_it_broke_however_long_it_is():
    pages = Pages((f"n{number:03}" for number in range(300)), is_ordered=True)
    backend = RetryingBackend(pages, "x:", FakeClock(), lambda text: None)
    assert [info.name for info in backend.list("")] == pages.names
    assert pages.requests == 199


def test_a_listing_that_always_breaks_at_the_same_place_is_given_up():
    pages = Pages(f"n{number:02}" for number in range(9))
    clock = FakeClock()
    backend = RetryingBackend(pages, "x:", clock, lambda text: None)
    listing = backend.list("")
    with pytest.raises(StorageUnreachable, match="list objects"):
        for _ in listing:
            pages.requests = 1
    assert clock.now < 1000 + 2 * BUDGET_S


def test_a_store_that_comes_back_empty_is_not_filled():
    store = Store(config=b"1")
    store.backend.get("config")
    store.faults.fail_next("put", AWAY)

    def lose_everything():
        store.memory.delete("config")

    store.clock.on_wait = lose_everything
    with pytest.raises(SafetyStop, match="without what was there before") as caught:
        store.backend.put("volumes/a", b"2")
    assert list(store.memory.list("")) == []
    assert caught.value.exit_code == 24


def test_what_arrives_in_an_empty_store_does_not_stand_for_what_was_there():
    store = Store(config=b"1")
    store.backend.put("volumes/before", b"2")
    store.backend.get("config")
    store.memory.delete("config")
    store.memory.delete("volumes/before")
    store.backend.put("volumes/under-way", b"3")
    store.faults.fail_next("put", AWAY)
    with pytest.raises(SafetyStop):
        store.backend.put("volumes/a", b"4")


def test_while_nothing_was_read_what_was_put_is_looked_for():
    store = Store()
    store.backend.put("keys/a", b"1")
    store.memory.delete("keys/a")
    store.faults.fail_next("put", AWAY)
    with pytest.raises(SafetyStop):
        store.backend.put("config", b"2")


@pytest.mark.parametrize("every", [2, 3, 4, 5, 9])
def test_requests_that_fail_in_step_with_the_attempts_do_not_fail_for_ever(every):
    for first in range(every):
        store = Store(config=b"1", keys=b"2")
        store.backend.get("config")
        store.backend.get("keys")
        for number in range(3 + first, 200, every):
            store.faults.fail_call(number, AWAY, is_done=True)
        for number in range(5):
            store.backend.put(f"volumes/{number}", b"3")
            assert store.backend.get(f"volumes/{number}") == b"3"
        assert max(store.clock.waits, default=0) <= 8  # the fourth attempt at most


def test_a_store_that_is_empty_after_a_long_silence_is_not_filled():
    store = Store(config=b"1")
    store.backend.get("config")
    store.clock.now += 3600
    store.memory.delete("config")
    with pytest.raises(SafetyStop):
        store.backend.put("volumes/a", b"2")
    assert list(store.memory.list("")) == []


def test_one_look_follows_an_outage_and_none_an_answer():
    store = Store(config=b"1")
    store.backend.get("config")
    store.backend.put("a", b"")
    store.backend.put("b", b"")
    assert store.faults.call_count == 3
    store.faults.fail_next("put", AWAY)
    store.backend.put("c", b"")
    store.backend.put("d", b"")
    assert store.faults.call_count == 7  # failed, look, c, d


def test_what_this_process_deleted_is_not_missed():
    store = Store(a=b"1", b=b"2")
    store.backend.get("a")
    store.backend.get("b")
    store.backend.delete("a")
    store.clock.now += 3600
    assert store.backend.get("b") == b"2"
    store.backend.delete("b")
    store.clock.now += 3600
    store.backend.put("c", b"3")


def test_what_somebody_else_deleted_is_not_missed_while_something_is_left():
    store = Store(a=b"1", b=b"2")
    store.backend.get("a")
    store.backend.get("b")
    store.memory.delete("a")
    store.clock.now += 3600
    assert store.backend.get("b") == b"2"


def test_an_interruption_ends_a_wait_at_once():
    interruption = Interruption()
    store = Store(clock=SystemClock(interruption))
    store.faults.fail_from(1, StorageUnreachable("later", retry_after_s=300))
    raised = []

    def read():
        try:
            store.backend.get("a")
        except Interrupted as error:
            raised.append(error.exit_code)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    interruption.request(15)
    for thread in threads:
        thread.join(timeout=60)
    assert raised == [143] * 3


def test_no_wait_begins_after_an_interruption():
    interruption = Interruption()
    interruption.request(2)
    clock = SystemClock(interruption)
    with pytest.raises(Interrupted) as caught:
        clock.wait(1000)
    assert caught.value.exit_code == 130
    with pytest.raises(Interrupted):
        clock.wait(1000)
    assert 0 <= clock.fraction() < 1
