"""The proxy passes everything on, and fails as it is told."""

import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.support.stores.fault_proxy import fault_proxy
from tests.support.stores.fault_rules import Fault

CONTENT = bytes(range(256)) * 4096


class Keeper(BaseHTTPRequestHandler):
    """Keeps what is put, gives it back."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_PUT(self):
        self.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(b"")

    def do_GET(self):
        self.reply(self.objects[self.path], host=self.headers["Host"])

    def reply(self, body, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(f"X-{name}", value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # clients that break off are what this is about


@pytest.fixture
def objects():
    return {"/a": CONTENT}


@pytest.fixture
def proxy(objects):
    handler = type("Handler", (Keeper,), {"objects": objects})
    server = Server(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with fault_proxy(server.server_address[1]) as proxy:
        yield proxy
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    yield connection
    connection.close()


def get(client, path="/a"):
    client.request("GET", path)
    response = client.getresponse()
    return response.status, response.read()


def put(client, path, body):
    client.request("PUT", path, body)
    response = client.getresponse()
    response.read()
    return response.status


def test_requests_pass_unchanged_on_one_connection(proxy, client, objects):
    assert put(client, "/b", CONTENT) == 200
    assert objects["/b"] == CONTENT
    client.request("GET", "/b", headers={"Host": "signed.example"})
    response = client.getresponse()
    assert response.headers["X-Host"] == "signed.example"
    assert response.read() == CONTENT
    assert [(one.method, one.path, one.sent) for one in proxy.requests] == [
        ("PUT", "/b", len(CONTENT)),
        ("GET", "/b", 0),
    ]


def test_a_rule_takes_every_nth_request_that_fits(proxy, client):
    proxy.add(Fault(status=503, retry_after="7"), path="/a", first=2, every=3, times=2)
    assert [get(client)[0] for _ in range(9)] == [200, 503, 200, 200, 503] + [200] * 4
    assert proxy.count("GET", "/a") == 9


def test_a_status_stands_for_the_request(proxy, client, objects):
    proxy.add(Fault(status=500, body=b"<Error/>"), method="PUT")
    assert put(client, "/b", b"x") == 500
    assert "/b" not in objects


@pytest.mark.parametrize(
    ("fault", "is_stored"),
    [(Fault(reset_before=True), False), (Fault(swallow=True), True)],
)
def test_a_reset_comes_before_or_after_the_work(
    proxy, client, objects, fault, is_stored
):
    proxy.add(fault)
    with pytest.raises(ConnectionError):
        put(client, "/b", b"x")
    assert ("/b" in objects) == is_stored


def test_work_may_be_done_and_reported_failed(proxy, client, objects):
    proxy.add(Fault(status_after=500))
    assert put(client, "/b", b"x") == 500
    assert objects["/b"] == b"x"


def test_a_body_may_be_cut(proxy, client):
    proxy.add(Fault(cut_at=1000))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(client)
    assert caught.value.partial == CONTENT[:1000]


def test_a_body_may_break_off(proxy, client):
    proxy.add(Fault(reset_at=300_000))
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        get(client)


def test_a_byte_may_be_wrong(proxy, client):
    proxy.add(Fault(corrupt_at=400_000))
    _, body = get(client)
    assert [i for i in range(len(body)) if body[i] != CONTENT[i]] == [400_000]


@pytest.mark.parametrize("fault", [Fault(stall=True), Fault(stall_at=10)])
def test_a_stall_lasts_until_the_client_gives_up(proxy, fault):
    proxy.add(fault)
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=0.2)
    with pytest.raises(TimeoutError):
        get(client)
    client.close()


def test_a_server_goes_away_and_comes_back(proxy, client):
    assert get(client)[0] == 200
    proxy.go_away()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        get(client)
    client.close()
    with pytest.raises(ConnectionRefusedError):
        get(client)
    client.close()
    proxy.come_back()
    assert get(client)[0] == 200
    proxy.drop_connections()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        get(client)
