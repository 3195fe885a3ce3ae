"""So many requests at once, so many bytes in a second."""

import threading

import pytest

from chunkvault.backends.limiting import LimitingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.backends.pace import Pace
from tests.support.fake_clock import FakeClock

KIB = 1024


def limited(inner, connections=5, upload=None, download=None):
    return LimitingBackend(inner, connections, upload or Pace(), download or Pace())


def test_bytes_pass_at_the_rate():
    clock = FakeClock()
    pace = Pace(100 * KIB, clock)
    began = clock.now
    for _ in range(100):
        pace.take(50 * KIB)
    assert clock.now - began == pytest.approx(50, abs=0.5)


def test_time_without_use_is_not_saved_up():
    clock = FakeClock()
    pace = Pace(100 * KIB, clock)
    clock.now += 3600
    began = clock.now
    pace.take(1000 * KIB)
    assert clock.now - began == pytest.approx(10, abs=0.5)


def test_threads_share_the_rate():
    clock = FakeClock()
    pace = Pace(100 * KIB, clock)

    def send():
        for _ in range(50):
            pace.take(10 * KIB)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # However they take turns, the last byte may not pass before this.
    assert pace._free_at_s - 1000 >= 4 * 500 / 100 - 0.5


def test_without_a_rate_nothing_waits():
    clock = FakeClock()
    pace = Pace(None, clock)
    pace.take(1 << 40)
    assert clock.waits == []
    assert not pace.is_limited


def test_a_backend_without_slices_pays_for_whole_objects():
    clock = FakeClock(fraction=0)
    store = limited(
        MemoryBackend(), upload=Pace(KIB, clock), download=Pace(2 * KIB, clock)
    )
    store.put("a", bytes(10 * KIB))
    assert clock.now == pytest.approx(1010, abs=0.5)
    assert len(store.get("a", 0, 4 * KIB)) == 4 * KIB
    assert clock.now == pytest.approx(1012, abs=0.6)


def test_a_backend_that_paces_itself_does_not_pay_twice():
    class Paced(MemoryBackend):
        is_paced = True

    clock = FakeClock()
    store = limited(Paced(), upload=Pace(1, clock), download=Pace(1, clock))
    store.put("a", bytes(KIB))
    assert store.get("a") == bytes(KIB)
    assert clock.waits == []


def test_no_more_calls_than_connections_are_under_way():
    class Crowded(MemoryBackend):
        def __init__(self):
            super().__init__()
            self.inside = self.most = 0
            self.full = threading.Barrier(3)
            self.lock = threading.Lock()

        def put(self, name, data):
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            self.full.wait(timeout=30)  # three at a time get here, or nobody goes on
            with self.lock:
                self.inside -= 1

    crowded = Crowded()
    store = limited(crowded, connections=3)
    threads = [
        threading.Thread(target=store.put, args=(f"n{number}", b""))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert crowded.most == 3


def test_who_reads_a_listing_may_call_other_verbs_on_the_only_connection():
    store = limited(MemoryBackend({"a": b"1", "b": b"2"}), connections=1)
    assert [store.get(info.name) for info in store.list("")] == [b"1", b"2"]


def test_a_connection_is_free_again_after_a_failure():
    store = limited(MemoryBackend(), connections=1)
    for _ in range(3):
        with pytest.raises(Exception, match="no object"):
            store.get("absent")
