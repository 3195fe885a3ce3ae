"""One request fails, and the verb succeeds all the same, or says what is wrong."""

from dataclasses import replace

import pytest

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.location import open_backend
from chunkvault.backends.pace import Pace
from chunkvault.errors import AccessDenied, SafetyStop, StorageUnreachable
from tests.support.builders import noise
from tests.support.stores.fault_rules import Fault

CONTENT = noise(300_000)

ANY_REQUEST = {
    "500": Fault(status=500),
    "503": Fault(status=503),
    "503 with Retry-After": Fault(status=503, retry_after="30"),
    "429": Fault(status=429),
    "429 with Retry-After": Fault(status=429, retry_after="30"),
    "502 of a gateway": Fault(status=502, body=b"<html>Bad Gateway</html>"),
    "reset before": Fault(reset_before=True),
    "reset after": Fault(swallow=True),
    "500 after": Fault(status_after=500),
    "503 after": Fault(status_after=503, retry_after="1"),
}
SOME = ["503 with Retry-After", "reset before", "500 after"]
IN_A_BODY = {
    "cut at once": Fault(cut_at=0),
    "cut in the middle": Fault(cut_at=100_000),
    "cut at the last byte": Fault(cut_at=len(CONTENT) - 1),
    "reset in the middle": Fault(reset_at=100_000),
}


@pytest.fixture(params=ANY_REQUEST)
def fault(request):
    return ANY_REQUEST[request.param]


def test_put_gets_through(store, fault):
    store.proxy.add(fault, method="PUT", times=2)
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    assert store.objects() == {"volumes/a": CONTENT}
    assert store.proxy.requests


def test_get_gets_through(store, fault):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    store.proxy.add(fault, method="GET", times=2)
    assert backend.get("volumes/a") == CONTENT
    assert backend.get("volumes/a", 100, 1000) == CONTENT[100:1100]
    assert any(request.fault for request in store.proxy.requests)


@pytest.mark.parametrize("fault", SOME, indirect=True)
def test_list_gets_through(store, fault):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    store.proxy.add(fault, method="GET", path="list-type", times=2)
    assert list(backend.list("")) == [ObjectInfo("volumes/a", len(CONTENT))]
    assert any(request.fault for request in store.proxy.requests)


@pytest.mark.parametrize("fault", SOME, indirect=True)
def test_delete_gets_through(store, fault):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    # Some SDKs delete by POST.
    store.proxy.add(fault, method="DELETE", times=2)
    store.proxy.add(fault, method="POST", times=2)
    backend.delete("volumes/a")
    assert store.objects() == {}
    assert any(request.fault for request in store.proxy.requests)


@pytest.mark.parametrize("name", IN_A_BODY)
def test_a_body_that_breaks_off_is_fetched_again(store, name):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    store.proxy.add(IN_A_BODY[name], method="GET", times=2)
    assert backend.get("volumes/a") == CONTENT
    assert store.proxy.count("GET", "volumes/a") >= 3


@pytest.fixture
def impatient(monkeypatch):
    """Clients that take half a second without a byte for a stall."""
    monkeypatch.setattr("chunkvault.backends.s3_session._READ_S", 0.5)


@pytest.mark.parametrize(
    "fault",
    [Fault(stall=True), Fault(stall_at=0), Fault(stall_at=100_000)],
    ids=["before the answer", "before the body", "in the body"],
)
def test_a_get_that_stalls_is_made_again(store, impatient, fault):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    store.proxy.add(fault, method="GET")
    assert backend.get("volumes/a") == CONTENT
    assert len(store.clock.waits) == 1


def test_a_put_that_stalls_is_made_again(store, impatient):
    store.proxy.add(Fault(stall=True), method="PUT")
    store.open().put("volumes/a", CONTENT)
    assert store.objects() == {"volumes/a": CONTENT}
    assert len(store.clock.waits) == 1


def test_a_listing_that_breaks_off_is_fetched_again(store):
    backend = store.open()
    names = {f"volumes/{number}" for number in range(20)}
    for name in names:
        backend.put(name, b"")
    store.proxy.add(Fault(cut_at=500), path="list-type")
    assert {info.name for info in backend.list("")} == names


def test_retry_after_is_waited_for(store):
    store.proxy.add(Fault(status=503, retry_after="30"), method="PUT")
    store.open().put("volumes/a", CONTENT)
    assert store.clock.waits[0] >= 30


def test_an_object_that_was_stored_though_reported_failed_is_not_stored_twice(store):
    backend = store.open()
    store.proxy.add(Fault(status_after=500), method="PUT")
    backend.put("volumes/a", CONTENT)
    assert store.objects() == {"volumes/a": CONTENT}
    # The second attempt finds it there, and what is there is compared.
    assert store.proxy.count("GET", "volumes/a") >= 1


def test_an_error_in_an_answer_of_200_is_not_taken_for_success(store):
    error = b"<?xml version='1.0'?><Error><Code>InternalError</Code></Error>"
    backend = store.open()
    store.proxy.add(Fault(status=200, body=error), method="PUT")
    backend.put("volumes/a", CONTENT)
    assert store.objects() == {"volumes/a": CONTENT}


def test_a_store_that_fails_for_ever_is_given_up_with_its_name(store):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    store.proxy.add(Fault(status=500), times=None)
    with pytest.raises(StorageUnreachable) as caught:
        backend.put("volumes/b", CONTENT)
    assert "store volumes/b at s3:http://127.0.0.1" in str(caught.value)
    assert "15 min" in str(caught.value)
    assert store.told


def test_bytes_keep_the_pace_both_ways(store):
    options = replace(
        store.options(),
        upload_pace=Pace(100_000, store.clock),
        download_pace=Pace(50_000, store.clock),
    )
    backend = open_backend(store.location, options)
    backend.put("volumes/a", CONTENT)
    assert sum(store.clock.waits) == pytest.approx(3, abs=0.5)
    assert max(store.clock.waits) < 1  # in pieces, not in one burst
    store.clock.waits.clear()
    assert backend.get("volumes/a") == CONTENT
    assert sum(store.clock.waits) == pytest.approx(6, abs=0.5)


def test_credentials_that_expire_are_an_answer(store):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    body = (
        b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code>"
        b"<Message>The provided token has expired.</Message></Error>"
    )
    store.proxy.add(Fault(status=403, body=body), times=None)
    with pytest.raises(AccessDenied):
        backend.get("volumes/a")
    assert store.clock.waits == []


def test_a_store_goes_away_and_comes_back(store):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    store.proxy.go_away()

    def look():
        if len(store.clock.waits) == 5:
            store.proxy.come_back()

    store.clock.on_wait = look
    assert backend.get("volumes/a") == CONTENT
    assert "does not answer" in store.told[0]
    assert "answers again" in store.told[1]


def test_a_store_that_comes_back_empty_is_not_filled(store):
    backend = store.open()
    backend.put("config", b"1")
    backend.put("volumes/a", CONTENT)
    store.proxy.go_away()

    def look():
        if len(store.clock.waits) == 3:
            store.lose_everything()
            store.proxy.come_back()

    store.clock.on_wait = look
    with pytest.raises(SafetyStop):
        backend.put("volumes/b", CONTENT)
    assert store.objects() == {}


def test_connections_that_broke_during_a_long_pause_are_opened_again(store):
    backend = store.open()
    backend.put("volumes/a", CONTENT)
    store.proxy.drop_connections()
    store.clock.now += 8 * 3600
    assert backend.get("volumes/a") == CONTENT
    store.proxy.drop_connections()
    backend.put("volumes/b", CONTENT)
    assert set(store.objects()) == {"volumes/a", "volumes/b"}
