"""Requests that are begun before they are asked for."""

import pytest

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.foreseeing import ForeseeingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import ObjectNotFound
from tests.support.meeting import MeetingBackend
from tests.support.recording import RecordingBackend


@pytest.fixture
def recording():
    return RecordingBackend(MemoryBackend({"a/1": b"one", "a/2": b"two", "b": b"3"}))


@pytest.fixture
def ahead(recording):
    backend = ForeseeingBackend(recording, 3)
    yield backend
    backend.close()


def made(recording):
    return sorted((call.verb, call.name) for call in recording.calls())


def test_what_was_foreseen_is_asked_once_and_answered_once(ahead, recording):
    ahead.foresee("a/1")
    ahead.foresee_list("a/")
    assert ahead.get("a/1") == b"one"
    assert list(ahead.list("a/")) == [ObjectInfo("a/1", 3), ObjectInfo("a/2", 3)]
    assert made(recording) == [("get", "a/1"), ("list", "a/")]
    assert ahead.get("a/1") == b"one"
    assert len(list(ahead.list("a/"))) == 2
    assert len(recording.calls()) == 4


def test_a_range_of_what_was_foreseen_whole_takes_no_request(ahead, recording):
    ahead.foresee("a/1")
    assert ahead.get("a/1", 1, 1) == b"n"
    assert made(recording) == [("get", "a/1")]


def test_one_answer_leads_to_the_next_question(ahead, recording):
    ahead.foresee_list("a/", lambda page: [ahead.foresee(one.name) for one in page])
    assert len(list(ahead.list("a/"))) == 2
    assert (ahead.get("a/1"), ahead.get("a/2")) == (b"one", b"two")
    assert made(recording) == [("get", "a/1"), ("get", "a/2"), ("list", "a/")]


def test_what_is_foreseen_is_asked_at_once():
    meeting = MeetingBackend(
        MemoryBackend({"a": b"", "b": b"", "c": b""}), "get", 3, ""
    )
    backend = ForeseeingBackend(meeting, 3)
    for name in "abc":
        backend.foresee(name)
    assert backend.get("a") == b""
    backend.close()
    assert meeting.most == 3


def test_an_error_is_raised_where_the_answer_was_wanted(ahead):
    ahead.foresee("missing")
    with pytest.raises(ObjectNotFound):
        ahead.get("missing")


def test_what_was_put_or_deleted_meanwhile_is_seen(ahead):
    ahead.foresee_list("a/")
    ahead.foresee_list("")
    ahead.foresee("b")
    ahead.put("a/3", b"")
    ahead.delete("b")
    assert len(list(ahead.list("a/"))) == 3
    assert len(list(ahead.list(""))) == 3
    with pytest.raises(ObjectNotFound):
        ahead.get("b")


def test_a_long_listing_is_foreseen_to_its_first_page_only():
    class Pages(MemoryBackend):
        given = 0

        def list(self, prefix):
            for info in super().list(prefix):
                self.given += 1
                yield info

    pages = Pages({f"a{number:04}": b"" for number in range(3000)})
    backend = ForeseeingBackend(pages, 1)
    backend.foresee_list("a")
    backend.foresee("a0000")
    backend.get("a0000")
    lines = backend.list("a")
    next(lines)
    assert pages.given <= 1001
    assert len(list(lines)) == 2999
    backend.close()


def test_nothing_is_begun_after_the_end(recording):
    backend = ForeseeingBackend(recording, 1)
    backend.close()
    backend.foresee("a/1")
    assert made(recording) == []


def test_one_listing_of_everything_answers_several(ahead, recording):
    ahead.foresee_lists(("a/", "b", "none/"))
    assert list(ahead.list("a/")) == [ObjectInfo("a/1", 3), ObjectInfo("a/2", 3)]
    assert list(ahead.list("b")) == [ObjectInfo("b", 1)]
    assert list(ahead.list("none/")) == []
    assert made(recording) == [("list", "")]
    assert len(list(ahead.list("a/"))) == 2
    assert made(recording) == [("list", ""), ("list", "a/")]


def test_what_was_put_since_is_in_a_listing_that_was_foreseen(ahead):
    ahead.foresee_lists(("a/", "b"))
    ahead.put("a/3", b"new")
    assert len(list(ahead.list("a/"))) == 3


def test_a_store_with_far_more_names_than_expected_is_listed_one_by_one():
    many = {f"a/{number}": b"" for number in range(20_001)}
    recording = RecordingBackend(MemoryBackend({**many, "b": b""}))
    backend = ForeseeingBackend(recording, 3)
    backend.foresee_lists(("a/", "b"))
    assert len(list(backend.list("b"))) == 1
    assert len(list(backend.list("a/"))) == 20_001
    assert made(recording) == [("list", ""), ("list", "a/"), ("list", "b")]
    backend.close()


class InOrder:
    """Lists in the order of names, and says how many were taken."""

    def __init__(self, names):
        self.names, self.listings, self.taken = sorted(names), 0, 0

    def list(self, prefix):
        return self.list_after(prefix, "")

    def list_after(self, prefix, after):
        self.listings += 1
        for name in self.names:
            if name.startswith(prefix) and name > after:
                self.taken += 1
                yield ObjectInfo(name, 1)

    def close(self):
        pass


@pytest.mark.parametrize("count", [0, 1, 5, 1_500, 4_000])
def test_one_listing_has_folders_that_follow_each_other(count):
    names = [f"{folder}/{number:05}" for folder in "akpsz" for number in range(count)]
    store, told = InOrder(["config", "b", *names]), []
    backend = ForeseeingBackend(store, 3)
    backend.foresee_row(("k/", "p/", "s/"), "config", {"k/": told.extend})
    for folder in "skp":
        found = [info.name for info in backend.list(f"{folder}/")]
        assert found == [name for name in names if name.startswith(f"{folder}/")]
    assert len(told) == count
    assert store.listings == 1
    assert store.taken <= 3 * count + 1_000
    backend.close()


def test_of_many_names_at_the_end_only_a_page_is_taken_ahead():
    store = InOrder([*(f"s/{number:05}" for number in range(9_000)), "k/1"])
    backend = ForeseeingBackend(store, 1)
    backend.foresee_row(("k/", "s/"), "config", {})
    assert [info.name for info in backend.list("k/")] == ["k/1"]
    assert store.taken <= 1_000
    backend.close()
