"""B2: keys, versions and hides, and faults between the real SDK and the server."""

import json
import os

import pytest

from chunkvault.backends.b2 import open_location
from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.pace import Pace
from chunkvault.cli.notes import SealedNotes
from chunkvault.errors import (
    AccessDenied,
    ObjectExists,
    ObjectNotFound,
    StorageFull,
    StorageUnreachable,
    UsageError,
)
from tests.support.fake_clock import FakeClock
from tests.support.stores.fault_proxy import fault_proxy
from tests.support.stores.fault_rules import Fault

MIB = 1 << 20


@pytest.fixture
def place(request):
    return request.node.name.replace("[", "-").replace("]", "").replace(" ", "-")


@pytest.fixture
def backend(b2, place):
    backend = b2.open(place)
    yield backend
    backend.close()


@pytest.fixture
def proxy(b2):
    with fault_proxy(b2.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(b2, proxy, place):
    environment = {**b2.master_key(), "B2_ENVIRONMENT": proxy.url}
    backend = b2.open(place, environment=environment)
    backend.put("here", b"0123456789")
    yield backend
    backend.close()


@pytest.mark.parametrize(
    "location",
    ["b2:", "b2://", "b2:bucket//a", "b2:bucket/../a", "b2:bucket?region=x"],
)
def test_nonsense_is_refused(location):
    with pytest.raises(UsageError):
        open_location(location, StorageOptions())


def test_both_ways_to_write_a_location_mean_the_same_place(b2, place):
    options = StorageOptions(environment=b2.master_key())
    b2.bucket("contract")
    one = open_location(f"b2:contract/{place}", options)
    other = open_location(f"b2://contract/{place}/", options)
    one.put("a", b"content")
    assert other.get("a") == b"content"


def test_a_verb_is_as_many_requests_as_it_needs(b2, place):
    options = StorageOptions(environment=b2.master_key())
    b2.bucket("contract")
    backend = open_location(f"b2:contract/{place}", options)
    requests = options.traffic.requests
    backend.put("a", b"content")  # authorise, find the bucket, ask where to send to
    assert requests == {"other": 3, "get": 1, "put": 1}
    backend.put("b", b"content")
    assert requests == {"other": 3, "get": 2, "put": 2}
    backend.get("a", 2, 3)
    assert list(backend.list("")) == [ObjectInfo("a", 7), ObjectInfo("b", 7)]
    assert requests == {"other": 3, "get": 3, "put": 2, "list": 1}
    backend.delete("a")
    assert requests == {"other": 3, "get": 3, "put": 2, "list": 2, "delete": 1}
    assert options.traffic.sent_bytes == 14
    assert options.traffic.received_bytes == 3


def test_a_key_restricted_to_bucket_and_prefix_does_all(b2, place):
    key = b2.key(
        ("listFiles", "readFiles", "writeFiles", "deleteFiles"),
        bucket="contract",
        prefix=f"{place}/",
    )
    backend = b2.open(place, environment=key)
    backend.put("a", b"content")
    assert backend.get("a") == b"content"
    assert list(backend.list("")) == [ObjectInfo("a", 7)]
    backend.delete("a")
    assert list(backend.list("")) == []


def test_a_key_of_another_prefix_is_refused_with_the_prefix(b2, place):
    backend = b2.open(place, environment=b2.key(bucket="contract", prefix="other/"))
    with pytest.raises(AccessDenied, match="other names") as caught:
        backend.get("a")
    assert "'other/'" in caught.value.hint


@pytest.mark.parametrize(
    ("missing", "verb"),
    [
        ("deleteFiles", lambda backend: backend.delete("a")),
        ("writeFiles", lambda backend: backend.put("b", b"")),
        ("readFiles", lambda backend: backend.get("a")),
        ("listFiles", lambda backend: list(backend.list(""))),
    ],
)
def test_what_a_key_may_not_is_denied_and_the_rest_works(b2, place, missing, verb):
    b2.open(place).put("a", b"content")
    all_of_them = ("listFiles", "readFiles", "writeFiles", "deleteFiles")
    rest = tuple(one for one in all_of_them if one != missing)
    backend = b2.open(place, environment=b2.key(rest, bucket="contract"))
    with pytest.raises(AccessDenied) as caught:
        verb(backend)
    assert missing in caught.value.hint
    if missing != "readFiles":
        assert backend.get("a") == b"content"


def test_a_hidden_name_is_absent_and_can_be_put_again(b2, backend, place):
    backend.put("a", b"first")
    b2.hide("contract", f"{place}/a")
    assert list(backend.list("")) == []
    with pytest.raises(ObjectNotFound):
        backend.get("a")
    backend.put("a", b"second")
    assert backend.get("a") == b"second"
    assert list(backend.list("")) == [ObjectInfo("a", 6)]


def test_a_deletion_removes_every_version_of_that_name_only(b2, backend, place):
    for _ in range(13):  # more than a page
        backend.put("a", b"content")
        b2.hide("contract", f"{place}/a")
    backend.put("a", b"content")
    backend.put("a.b", b"content")
    backend.delete("a")
    assert b2.versions("contract", f"{place}/") == [("upload", f"{place}/a.b")]


def test_an_authorisation_that_expired_is_renewed(b2, backend):
    backend.put("a", b"content")
    b2.expire_tokens()
    assert backend.get("a") == b"content"
    b2.expire_tokens()
    backend.put("b", b"content")
    b2.expire_tokens()
    assert len(list(backend.list(""))) == 2
    b2.expire_tokens()
    backend.delete("a")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_work_later_is_one_attempt(proxied, proxy, status):
    proxy.add(Fault(status=status, retry_after="7"), times=None)
    before = len(proxy.requests)
    calls = [
        lambda: proxied.put("a", b""),
        lambda: proxied.get("here"),
        lambda: list(proxied.list("")),
        lambda: proxied.delete("here"),
    ]
    for call in calls:
        with pytest.raises(StorageUnreachable) as caught:
            call()
        assert caught.value.retry_after_s == 7
    assert len(proxy.requests) == before + len(calls)


def test_after_an_upload_that_failed_the_next_goes_to_a_new_url(proxied, proxy):
    proxy.add(Fault(status=503), path="/upload/")
    with pytest.raises(StorageUnreachable):
        proxied.put("a", b"content")
    asked = proxy.count("POST", "b2_get_upload_url")
    proxied.put("a", b"content")
    assert proxied.get("a") == b"content"
    assert proxy.count("POST", "b2_get_upload_url") == asked + 1


def test_an_upload_that_was_stored_though_it_failed_is_found(proxied, proxy):
    proxy.add(Fault(swallow=True), path="/upload/")
    with pytest.raises(StorageUnreachable):
        proxied.put("a", b"content")
    with pytest.raises(ObjectExists):
        proxied.put("a", b"content")
    assert proxied.get("a") == b"content"


@pytest.mark.parametrize(
    "fault", [{"cut_at": 1000}, {"reset_at": 1000}, {"corrupt_at": 1000}]
)
def test_a_body_that_is_not_what_was_stored_is_never_returned(proxied, proxy, fault):
    proxied.put("a", os.urandom(100_000))
    proxy.add(Fault(**fault), path="/file/")
    with pytest.raises(StorageUnreachable, match="could not read a"):
        proxied.get("a")
    assert len(proxied.get("a")) == 100_000


def test_a_range_that_breaks_off_is_never_taken_for_whole(proxied, proxy):
    proxied.put("a", bytes(100_000))
    proxy.add(Fault(cut_at=1000), path="/file/")
    with pytest.raises(StorageUnreachable):
        proxied.get("a", 10, 50_000)


def test_a_cap_is_told_as_full(proxied, proxy):
    for code in ("storage_cap_exceeded", "transaction_cap_exceeded"):
        body = b'{"status": 403, "code": "%s", "message": ""}' % code.encode()
        proxy.add(Fault(status=403, body=body), path="/upload/")
        with pytest.raises(StorageFull):
            proxied.put("a", b"content")


def test_a_connection_that_breaks_is_unreachable(proxied, proxy):
    proxy.add(Fault(reset_before=True), times=None)
    with pytest.raises(StorageUnreachable, match="the connection broke"):
        proxied.get("here")


def test_neither_key_nor_token_is_in_a_message(b2, place):
    environment = {**b2.master_key(), "B2_APPLICATION_KEY": "hush-hush"}
    with pytest.raises(AccessDenied) as caught:
        b2.open(place, environment=environment).get("a")
    assert "hush" not in f"{caught.value}{caught.value.hint}"


def test_nothing_is_written_to_the_disk(b2, place, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    b2.open(place).put("a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_what_is_sent_and_received_keeps_the_pace(b2, place):
    clock = FakeClock()
    options = StorageOptions(
        environment=b2.master_key(),
        upload_pace=Pace(MIB, clock),
        download_pace=Pace(2 * MIB, clock),
    )
    b2.bucket("contract")
    backend = open_location(f"b2:contract/{place}", options)
    start = clock.now_s()
    backend.put("a", bytes(4 * MIB))
    assert clock.now_s() - start == pytest.approx(4, abs=0.5)
    start = clock.now_s()
    assert len(backend.get("a")) == 4 * MIB
    assert clock.now_s() - start == pytest.approx(2, abs=0.5)


def test_an_answer_of_200_that_is_not_json_is_worth_another_attempt(proxied, proxy):
    page = Fault(status=200, body=b"<html>please sign in</html>")
    proxy.add(page, path="b2_list_file_names")
    with pytest.raises(StorageUnreachable, match="does not speak B2"):
        list(proxied.list(""))
    assert [info.name for info in proxied.list("")] == ["here"]


@pytest.fixture
def notes(tmp_path):
    return SealedNotes(os.fsencode(tmp_path / "notes"))


def open_with(notes, b2, place, environment=None):
    """A backend that remembers, and the requests that it makes."""
    b2.bucket("contract")
    environment = environment or b2.master_key()
    options = StorageOptions(environment=environment, notes=notes)
    return open_location(f"b2:contract/{place}", options), options.traffic.requests


def test_the_next_command_need_not_ask_who_it_is(b2, place, notes, tmp_path):
    first, _ = open_with(notes, b2, place)
    first.put("a", b"content")
    first.close()
    second, requests = open_with(notes, b2, place)
    assert second.get("a") == b"content"
    assert len(list(second.list(""))) == 1
    assert requests == {"get": 1, "list": 1}
    second.close()
    [note] = (tmp_path / "notes").iterdir()
    token = second_token(b2)
    assert token.encode() not in note.read_bytes()
    assert note.stat().st_mode & 0o777 == 0o600


def second_token(b2):
    """The token that was given out last."""
    return list(b2.simulator.auth_token_to_key)[-1]


def test_what_is_recalled_and_has_expired_is_renewed(b2, place, notes):
    first, _ = open_with(notes, b2, place)
    first.put("a", b"content")
    first.close()
    b2.expire_tokens()
    second, requests = open_with(notes, b2, place)
    assert second.get("a") == b"content"
    assert requests["other"] == 1
    second.close()
    third, requests = open_with(notes, b2, place)
    assert third.get("a") == b"content"
    assert requests == {"get": 1}
    third.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bucket_id", "bucket_of-before"),
        ("api_url", "http://127.0.0.1:1"),
        ("allowed", None),
        ("bucket_id", None),
    ],
    ids=["bucket", "host", "version", "half"],
)
def test_what_is_recalled_and_not_true_any_more_is_asked_anew(
    b2, place, notes, field, value
):
    first, _ = open_with(notes, b2, place)
    first.put("a", b"content")
    first.close()
    change_note(notes, b2, field, value)
    second, requests = open_with(notes, b2, place)
    if value:
        with pytest.raises(StorageUnreachable):  # which is tried again
            list(second.list(""))
    assert [info.name for info in second.list("")] == ["a"]
    assert requests["other"] == 2
    second.close()
    third, requests = open_with(notes, b2, place)
    assert [info.name for info in third.list("")] == ["a"]
    assert requests == {"list": 1}
    third.close()


def change_note(notes, b2, field, value):
    key = b2.master_key()
    place = f"b2 {b2.url} {key['B2_APPLICATION_KEY_ID']} contract"
    fields = json.loads(notes.recall(place, key["B2_APPLICATION_KEY"]))
    assert field in fields
    fields[field] = value
    if value is None:
        del fields[field]
    notes.remember(place, key["B2_APPLICATION_KEY"], json.dumps(fields).encode())


def test_a_denial_is_a_denial_with_what_is_recalled(b2, place, notes):
    key = b2.key(("listFiles", "readFiles"), bucket="contract")
    first, _ = open_with(notes, b2, place, key)
    assert list(first.list("")) == []
    first.close()
    second, _ = open_with(notes, b2, place, key)
    with pytest.raises(StorageUnreachable):  # perhaps the key may more by now
        second.put("a", b"")
    with pytest.raises(AccessDenied):
        second.put("a", b"")
    second.close()


def test_another_key_does_not_open_a_note(b2, place, notes):
    first, _ = open_with(notes, b2, place)
    first.put("a", b"content")
    first.close()
    wrong = {**b2.master_key(), "B2_APPLICATION_KEY": "hush-hush"}
    second, _ = open_with(notes, b2, place, wrong)
    with pytest.raises(AccessDenied):
        second.get("a")
    second.close()
