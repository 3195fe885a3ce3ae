"""Faults happen where they were asked for, and nowhere else."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import ObjectNotFound, StorageUnreachable
from tests.support.faulty import CorruptingBackend, FaultyBackend

ERROR = StorageUnreachable("no reply")


@pytest.fixture
def memory():
    return MemoryBackend({"a": b"12345"})


@pytest.fixture
def faulty(memory):
    return FaultyBackend(memory)


def test_the_next_call_of_a_verb_fails_once(faulty):
    faulty.fail_next("get", ERROR)
    faulty.put("b", b"")
    with pytest.raises(StorageUnreachable):
        faulty.get("a")
    assert faulty.get("a") == b"12345"


def test_a_call_by_number_fails_once(faulty):
    faulty.fail_call(2, ERROR)
    faulty.get("a")
    with pytest.raises(StorageUnreachable):
        faulty.list("")
    assert len(list(faulty.list(""))) == 1
    assert faulty.call_count == 3


def test_all_calls_fail_until_recovery(faulty):
    faulty.fail_from(2, ERROR)
    faulty.get("a")
    for _ in range(3):
        with pytest.raises(StorageUnreachable):
            faulty.delete("a")
    faulty.recover()
    assert faulty.get("a") == b"12345"


def test_a_lost_reply_is_carried_out(faulty, memory):
    faulty.lose_next_reply("put", ERROR)
    with pytest.raises(StorageUnreachable):
        faulty.put("b", b"2")
    assert memory.get("b") == b"2"
    faulty.fail_next("delete", ERROR)
    with pytest.raises(StorageUnreachable):
        faulty.delete("b")
    assert memory.get("b") == b"2"


def test_a_corrupting_backend_changes_what_is_read(memory):
    backend = CorruptingBackend(memory, lambda name, data: data[::-1])
    assert backend.get("a") == b"54321"
    assert backend.get("a", 1, 2) == b"43"
    absent = CorruptingBackend(memory, lambda name, data: None)
    with pytest.raises(ObjectNotFound, match="a"):
        absent.get("a")
