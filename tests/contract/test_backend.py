"""The contract of `chunkvault.backends.base`, for every backend and wrapper."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from chunkvault.backends.base import MAX_NAME_LENGTH, ObjectInfo, check_name
from chunkvault.errors import BackendError, ObjectExists, ObjectNotFound, UsageError
from tests.contract.entries import ENTRIES, TROUBLES

MIB = 1024 * 1024
RANGES = [
    (0, None, b"0123456789"),
    (0, 10, b"0123456789"),
    (3, 4, b"3456"),
    (3, None, b"3456789"),
    (0, 0, b""),
    (5, 0, b""),
    (8, 100, b"89"),
    (0, 11, b"0123456789"),
    (9, 1, b"9"),
    (10, None, b""),
    (10, 5, b""),
    (50, None, b""),
    (50, 5, b""),
]
"""Offset, length, and what of ten digits that is."""

PREFIXES = [
    ("", ["a/b/c", "ab/c", "abc", "b/a"]),
    ("a", ["a/b/c", "ab/c", "abc"]),
    ("a/", ["a/b/c"]),
    ("ab", ["ab/c", "abc"]),
    ("ab/", ["ab/c"]),
    ("abc", ["abc"]),
    ("abc/", []),
    ("a/b/c", ["a/b/c"]),
    ("a/b/cd", []),
    ("a/b", ["a/b/c"]),
    ("c", []),
    ("../", []),
    ("/", []),
    ("./", []),
    ("a//", []),
]
GOOD_NAMES = [
    "config",
    "a",
    "volumes/3f/3f9a",
    "snapshots/20261101t120000z-ab_cd.v1",
    "-dash",
    "_underscore",
    "a.b",
    "a..b",
    "duplicity-full.20231114T221320Z.vol1.difftar.gpg",
    "Folder/UPPER",
    "0",
    "x" * MAX_NAME_LENGTH,
]
BAD_NAMES = [
    "",
    "/",
    "/absolute",
    "trailing/",
    "double//slash",
    ".",
    "..",
    "../escape",
    "a/../b",
    "a/./b",
    ".hidden",
    "a/.hidden",
    ".tmp-0123",
    "space here",
    "new\nline",
    "nul\0",
    "back\\slash",
    "colon:",
    "ümlaut",
    "x" * (MAX_NAME_LENGTH + 1),
]


def entries(which):
    """Parameters for a test that concerns only some of the entries."""
    return [
        pytest.param(entry, id=name) for name, entry in ENTRIES.items() if which(entry)
    ]


@pytest.fixture(params=ENTRIES)
def entry(request):
    return ENTRIES[request.param]


@pytest.fixture
def server(entry, request):
    return request.getfixturevalue(entry.server) if entry.server else None


@pytest.fixture
def backend(entry, server, tmp_path):
    made = entry.make(tmp_path, server)
    yield made
    made.close()


@pytest.fixture
def fill(entry, server, backend, tmp_path):
    """Puts empty objects under many names, in the way that is quick here."""

    def put_all(names):
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(partial(backend.put, data=b""), names):
                pass

    if entry.fill is None:
        return put_all
    return partial(entry.fill, tmp_path, server)


def names(backend, prefix=""):
    return sorted(info.name for info in backend.list(prefix))


def test_get_returns_what_was_put(backend):
    backend.put("volumes/aa/object", b"content")
    assert backend.get("volumes/aa/object") == b"content"


def test_put_takes_every_kind_of_buffer_and_keeps_no_reference(backend):
    for kind in (bytes, bytearray, memoryview):
        buffer = bytearray(b"content")
        backend.put(kind.__name__, kind(buffer))
        buffer[:] = b"another"
        assert backend.get(kind.__name__) == b"content", kind


def test_put_takes_a_view_of_words_as_its_bytes(backend):
    backend.put("object", memoryview(bytes(range(16))).cast("I"))
    assert backend.get("object") == bytes(range(16))
    assert list(backend.list("")) == [ObjectInfo("object", 16)]


def test_get_gives_bytes(backend):
    backend.put("object", bytearray(b"content"))
    assert type(backend.get("object")) is bytes
    assert type(backend.get("object", 1, 2)) is bytes


def test_put_refuses_a_taken_name_and_changes_nothing(backend):
    backend.put("object", b"first")
    with pytest.raises(ObjectExists, match="object"):
        backend.put("object", b"second")
    assert backend.get("object") == b"first"
    assert list(backend.list("")) == [ObjectInfo("object", 5)]


def test_put_refuses_a_taken_name_also_for_equal_content(backend):
    backend.put("object", b"same")
    with pytest.raises(ObjectExists):
        backend.put("object", b"same")


def test_an_object_may_be_empty(backend):
    backend.put("empty", b"")
    assert backend.get("empty") == b""
    assert backend.get("empty", 0, 10) == b""
    assert list(backend.list("")) == [ObjectInfo("empty", 0)]


@pytest.mark.parametrize("folder", ["volumes", "index"])
def test_get_cuts_the_range(backend, folder):
    for offset, length, expected in RANGES:
        name = f"{folder}/{offset}-{length}"  # each is asked for the first time
        backend.put(name, b"0123456789")
        assert backend.get(name, offset, length) == expected, name
        assert backend.get(name, offset, length) == expected, name


def test_an_object_may_be_large(backend):
    data = bytes(range(256)) * (20 * MIB // 256)
    backend.put("large", data)
    assert backend.get("large") == data
    assert backend.get("large", 10 * MIB + 7, 5) == data[7:12]
    assert backend.get("large", 20 * MIB - 1) == data[-1:]


def test_get_of_an_absent_object_names_it(backend):
    for name in ("absent", "volumes/absent"):
        with pytest.raises(ObjectNotFound, match=name):
            backend.get(name)
        with pytest.raises(ObjectNotFound, match=name):
            backend.get(name, 3, 4)


def test_get_of_an_absent_object_beside_others(backend):
    backend.put("volumes/aa/object", b"content")
    for name in ("volumes/aa/other", "volumes/bb/object", "volumes", "volumes/aa"):
        with pytest.raises(ObjectNotFound, match=name):
            backend.get(name)


def test_delete_removes_only_that_object(backend):
    backend.put("a/one", b"1")
    backend.put("a/two", b"2")
    backend.delete("a/one")
    assert names(backend) == ["a/two"]
    with pytest.raises(ObjectNotFound):
        backend.get("a/one")
    assert backend.get("a/two") == b"2"


def test_delete_of_an_absent_object_is_fine(backend):
    backend.delete("absent")
    backend.delete("volumes/absent")
    backend.put("object", b"")
    backend.delete("object")
    backend.delete("object")


def test_a_deleted_name_can_be_put_again(backend):
    backend.put("index/object", b"first")
    assert backend.get("index/object") == b"first"
    backend.delete("index/object")
    backend.put("index/object", b"second")
    assert backend.get("index/object") == b"second"


def test_an_unused_backend_lists_nothing(backend):
    assert list(backend.list("")) == []
    assert list(backend.list("volumes/")) == []


def test_list_gives_names_and_sizes(backend):
    backend.put("config", b"c")
    backend.put("volumes/aa/object", b"four")
    assert sorted(backend.list("")) == [
        ObjectInfo("config", 1),
        ObjectInfo("volumes/aa/object", 4),
    ]


def test_list_matches_prefixes_as_text(backend):
    for name in ("a/b/c", "ab/c", "abc", "b/a"):
        backend.put(name, b"")
    for prefix, expected in PREFIXES:
        assert names(backend, prefix) == expected, prefix


def test_list_gives_more_than_a_thousand_objects(backend, fill):
    expected = [f"volumes/{number % 7:02x}/{number:04x}" for number in range(1050)]
    fill([*expected, "index/before", "wolumes/behind"])
    assert names(backend, "volumes/") == sorted(expected)


def test_a_listing_that_is_not_finished_disturbs_nobody(backend):
    for number in range(10):
        backend.put(f"a/{number}", b"")
    listing = iter(backend.list(""))
    first = next(listing)
    backend.delete(first.name)
    del listing
    assert len(names(backend)) == 9


def test_good_names_can_be_used(backend):
    for name in GOOD_NAMES:
        assert check_name(name)
        backend.put(name, b"content")
        assert names(backend) == [name]
        assert backend.get(name) == b"content"
        backend.delete(name)
        assert names(backend) == []


def test_bad_names_are_refused_by_every_verb(backend):
    for name in BAD_NAMES:
        assert not check_name(name)
        for call in (partial(backend.put, data=b""), backend.get, backend.delete):
            with pytest.raises(UsageError):
                call(name)
                pytest.fail(f"{call} takes {name!r}")
    assert list(backend.list("")) == []


def test_threads_put_distinct_names(backend):
    def put_and_get(number):
        name = f"volumes/{number % 3}/{number}"
        backend.put(name, b"%d" % number * 1000)
        return backend.get(name) == b"%d" % number * 1000

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(put_and_get, range(80)))
    assert len(names(backend)) == 80


def test_one_of_many_threads_gets_a_name(backend, entry):
    barrier = threading.Barrier(8)

    def race(number):
        barrier.wait()
        try:
            backend.put("locks/contested", b"%d" % number)
        except ObjectExists:
            return None
        return b"%d" % number

    with ThreadPoolExecutor(8) as pool:
        winners = [content for content in pool.map(race, range(8)) if content]
    assert backend.get("locks/contested") in winners
    assert names(backend) == ["locks/contested"]
    assert len(winners) == 1 or not entry.one_winner


@pytest.mark.parametrize("entry", entries(lambda entry: entry.shared))
def test_a_second_backend_at_the_same_place_sees_and_respects_the_first(
    entry, server, backend, tmp_path
):
    backend.put("volumes/aa/object", b"first")
    second = entry.make(tmp_path, server)
    try:
        assert names(second) == ["volumes/aa/object"]
        with pytest.raises(ObjectExists, match="volumes/aa/object"):
            second.put("volumes/aa/object", b"second")
        second.delete("volumes/aa/object")
        with pytest.raises(ObjectNotFound):
            second.get("volumes/aa/object")
    finally:
        second.close()
    assert names(backend) == []


@pytest.mark.parametrize("entry", entries(lambda entry: entry.fills_fast))
def test_list_gives_ten_thousand_objects(backend, fill):
    check_ten_thousand(backend, fill)


@pytest.mark.slow
@pytest.mark.parametrize("entry", entries(lambda entry: not entry.fills_fast))
def test_list_gives_ten_thousand_objects_in_its_own_time(backend, fill):
    check_ten_thousand(backend, fill)


def check_ten_thousand(backend, fill):
    expected = [f"volumes/{number % 256:02x}/{number:06x}" for number in range(10_000)]
    fill(expected)
    assert names(backend, "volumes/") == sorted(expected)
    assert names(backend, "volumes/ff/") == sorted(expected[255::256])


@pytest.fixture(params=TROUBLES)
def trouble(request):
    return TROUBLES[request.param]


def test_trouble_is_told_by_its_kind(trouble, request, tmp_path):
    server = request.getfixturevalue(trouble.server) if trouble.server else None
    backend = trouble.make(tmp_path, server)
    calls = {
        "put": lambda: backend.put("volumes/aa/object", b"content"),
        "get": lambda: backend.get("volumes/aa/object"),
        "list": lambda: list(backend.list("volumes/")),
        "delete": lambda: backend.delete("volumes/aa/object"),
    }
    try:
        for verb in trouble.verbs:
            with pytest.raises(trouble.error, match=trouble.says or None) as caught:
                calls[verb]()
            assert type(caught.value) is trouble.error
    finally:
        backend.close()


def test_every_error_is_a_backend_error():
    assert issubclass(ObjectExists, BackendError)
    assert issubclass(ObjectNotFound, BackendError)
