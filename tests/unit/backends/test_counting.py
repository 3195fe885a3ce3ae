"""Every call is counted, and bytes where they moved."""

import pytest

from chunkvault.backends.counting import CountingBackend, Counts
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import ObjectExists, ObjectNotFound


def test_calls_and_bytes_are_counted():
    backend = CountingBackend(MemoryBackend())
    backend.put("a", b"12345")
    backend.get("a", 1, 2)
    backend.get("a")
    list(backend.list(""))
    backend.delete("a")
    assert backend.counts == Counts(
        puts=1, gets=2, lists=1, deletes=1, put_bytes=5, get_bytes=7
    )


def test_calls_that_fail_are_counted_without_bytes():
    backend = CountingBackend(MemoryBackend({"a": b"1"}))
    with pytest.raises(ObjectExists):
        backend.put("a", b"12345")
    with pytest.raises(ObjectNotFound):
        backend.get("b")
    assert backend.counts == Counts(puts=1, gets=1)


def test_bytes_of_a_view_are_bytes():
    backend = CountingBackend(MemoryBackend())
    backend.put("a", memoryview(bytes(8)).cast("I"))
    assert backend.counts.put_bytes == 8
