"""The recorder must not miss a crash state: tests of crashes rest on it."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import ObjectExists, StorageUnreachable
from tests.support.faulty import FaultyBackend
from tests.support.recording import Call, RecordingBackend


def states(recording, **options):
    return [set(state.objects) for state in recording.crash_states(**options)]


def start_put(recording, name):
    """Begin a put as another thread would; its end comes later."""
    return recording._start("put", name, content=b"")


def test_calls_are_logged_with_their_arguments():
    recording = RecordingBackend(MemoryBackend())
    recording.put("a", b"123")
    recording.get("a", 1, 2)
    list(recording.list("a"))
    recording.delete("a")
    assert recording.calls() == (
        Call(0, "put", "a", size=3),
        Call(1, "get", "a", offset=1, length=2),
        Call(2, "list", "a"),
        Call(3, "delete", "a"),
    )
    assert recording.calls("get", "list") == recording.calls()[1:3]
    phases = [(event.phase, event.call.verb) for event in recording.events]
    assert phases[:4] == [
        ("start", "put"),
        ("end", "put"),
        ("start", "get"),
        ("end", "get"),
    ]


def test_replay_gives_every_prefix():
    recording = RecordingBackend(MemoryBackend({"old": b"0"}))
    recording.put("a", b"1")
    recording.get("a")
    recording.delete("old")
    recording.put("b", b"2")
    listings = [
        sorted(info.name for info in backend.list(""))
        for backend in recording.replays()
    ]
    assert listings == [["old"], ["a", "old"], ["a"], ["a", "b"]]
    assert recording.replay(3).get("b") == b"2"


def test_a_crash_of_serial_calls_leaves_a_prefix():
    recording = RecordingBackend(MemoryBackend({"old": b"0"}))
    recording.put("a", b"1")
    recording.put("b", b"2")
    recording.delete("old")
    assert states(recording) == [
        {"old"},
        {"old", "a"},
        {"old", "a", "b"},
        {"a", "b"},
    ]


def test_a_crash_of_concurrent_puts_leaves_any_subset():
    recording = RecordingBackend(MemoryBackend())
    first, second = start_put(recording, "a"), start_put(recording, "b")
    recording.note_end("end", second)
    recording.note_end("end", first)
    assert states(recording) == [set(), {"a"}, {"b"}, {"a", "b"}]


def test_subsets_of_many_calls_are_bounded():
    recording = RecordingBackend(MemoryBackend())
    for name in "abcdef":
        start_put(recording, name)
    found = states(recording, max_subset_calls=2)
    assert {"f"} in found
    assert set("abcdef") - {"c"} in found
    assert set("abcdef") in found
    assert len(found) < 2**6


def test_a_put_that_was_refused_changes_nothing():
    recording = RecordingBackend(MemoryBackend({"a": b"0"}))
    with pytest.raises(ObjectExists):
        recording.put("a", b"1")
    assert [state.objects for state in recording.crash_states()] == [{"a": b"0"}]
    assert recording.mutations() == ()


def test_a_put_that_failed_may_have_been_carried_out():
    faulty = FaultyBackend(MemoryBackend())
    recording = RecordingBackend(faulty)
    faulty.lose_next_reply("put", StorageUnreachable("no reply"))
    with pytest.raises(StorageUnreachable):
        recording.put("a", b"1")
    recording.put("b", b"2")
    assert states(recording) == [set(), {"a"}, {"b"}, {"a", "b"}]


def test_forget_starts_from_what_is_there():
    recording = RecordingBackend(MemoryBackend())
    recording.put("a", b"1")
    recording.forget()
    recording.put("b", b"2")
    assert states(recording) == [{"a"}, {"a", "b"}]
