"""A copy on a web server: addresses, ranges, passwords, answers that are cut off."""

import pytest

from chunkvault.backends.http import open_location
from chunkvault.backends.options import StorageOptions
from chunkvault.errors import BackendError, StorageUnreachable, UsageError
from tests.support.stores.fault_proxy import fault_proxy
from tests.support.stores.fault_rules import Fault
from tests.support.stores.static_web import write_listing

CONTENT = bytes(range(250)) * 10_000


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes/object").write_bytes(CONTENT)
    write_listing(tmp_path)
    return tmp_path


@pytest.fixture
def proxy(web):
    with fault_proxy(web.port) as made:
        yield made


@pytest.fixture
def backend(web, proxy, folder):
    location = web.location(folder).replace(f":{web.port}", f":{proxy.port}")
    made = open_location(location, StorageOptions())
    yield made
    made.close()


@pytest.mark.parametrize(
    "location",
    [
        "http:",
        "https://",
        "http:///path",
        "http://host:port/",
        "http://host:0/",
        "http://host/path?query",
        "http://host/path#part",
        "http://host/white space",
        "http://host/new\nline",
        "http://[::1/",
    ],
)
def test_a_location_that_makes_no_sense_is_refused(location):
    with pytest.raises(UsageError):
        open_location(location, StorageOptions())


def test_the_password_is_never_shown(backend):
    assert "ss/word" not in backend.store
    assert "p%40ss" not in backend.store
    with pytest.raises(BackendError) as caught:
        backend.put("object", b"")
    assert "p%40ss" not in str(caught.value)
    assert "p@ss" not in str(caught.value)


def test_a_get_is_one_request_and_its_bytes_are_counted(backend, proxy):
    assert backend.get("volumes/object", 7, 5) == CONTENT[7:12]
    assert len(proxy.requests) == 1
    traffic = backend._traffic
    assert (traffic.requests, traffic.received_bytes) == ({"get": 1}, 5)


def test_one_connection_carries_many_requests(backend, proxy):
    for _ in range(5):
        backend.get("volumes/object", 0, 10)
    (pool,) = backend._pools.values()
    assert len(pool._idle) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_at=1000),
        Fault(reset_at=1000),
        Fault(reset_before=True),
        Fault(status=500),
        Fault(status=503),
    ],
)
@pytest.mark.parametrize("length", [None, 500_000])
def test_what_is_cut_off_or_refused_for_now_is_unreachable(
    backend, proxy, fault, length
):
    backend.get("volumes/object", 0, 1)
    proxy.add(fault)
    with pytest.raises(StorageUnreachable):
        backend.get("volumes/object", 0, length)
    assert backend.get("volumes/object", 0, length) == CONTENT[:length]


def test_the_time_to_wait_is_passed_on(backend, proxy):
    proxy.add(Fault(status=429, retry_after="7"))
    with pytest.raises(StorageUnreachable) as caught:
        backend.get("volumes/object")
    assert caught.value.retry_after_s == 7


def test_a_stall_is_unreachable(backend, proxy, monkeypatch):
    monkeypatch.setattr("chunkvault.backends.http._READ_S", 0.2)
    proxy.add(Fault(stall_at=1000))
    with pytest.raises(StorageUnreachable, match="does not answer"):
        backend.get("volumes/object")


def test_connections_that_the_server_closed_are_opened_again(backend, proxy):
    backend.get("volumes/object")
    proxy.drop_connections()
    proxy.come_back()
    assert backend.get("volumes/object") == CONTENT


def test_the_password_stays_with_its_server(web, folder):
    """A redirection to another port is followed without it, and refused there."""
    with fault_proxy(web.port) as elsewhere:
        location = web.location(folder)
        backend = open_location(location, StorageOptions())
        moved = f"http://127.0.0.1:{elsewhere.port}{folder}/volumes/object"
        assert backend._request(moved, 0, None).status == 401
        assert backend._request(web.location(folder) + "/volumes/object", 0, 1).body
        backend.close()


@pytest.mark.parametrize(
    "line",
    ["x", "5", "5 ../escape", "-5 object", "99999999999999999999 object", "5 a b"],
)
def test_lines_of_a_listing_that_are_no_objects_are_left_out(backend, folder, line):
    (folder / "OBJECTS.txt").write_text(f"{line}\n3 ./volumes/object\n")
    assert [(info.name, info.size) for info in backend.list("")] == [
        ("volumes/object", 3)
    ]
