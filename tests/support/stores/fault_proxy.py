"""An HTTP proxy between client and server that injects faults, and counts.

Requests go on unchanged, the Host header included, so that signatures still fit.
Which request fails how is said by rules: no chance, no clock.
"""

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from chunkvault.backends.pace import SLICE_BYTES, Pace
from tests.support.stores.fault_rules import Fault, Request, Rule
from tests.support.stores.ports import free_port

__all__ = ["FaultProxy", "fault_proxy"]

_PIECE_BYTES = 256 << 10
_HOP_BY_HOP = frozenset(
    {"connection", "expect", "keep-alive", "proxy-connection", "transfer-encoding"}
)
_UPSTREAM_TIMEOUT_S = 60
_STALL_S = 600


class FaultProxy:
    """A proxy on a port of its own.

    Attributes:
        port: where it listens.
        delay_s: of every request.
        up: the pace at which bytes come from clients, all together.
        down: the pace at which they go to clients.
        requests: all that came, in their order.
    """

    def __init__(
        self, upstream_port: int, *, delay_s: float = 0.0, rate: float | None = None
    ) -> None:
        self.port = free_port()
        self.delay_s = delay_s
        self.up, self.down = Pace(rate), Pace(rate)
        self.requests: list[Request] = []
        self._upstream_port = upstream_port
        self._rules: list[Rule] = []
        self._lock = Lock()
        self._over = Event()
        self._server: _Server | None = None
        self.come_back()

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def upstream_port(self) -> int:
        """Where requests are passed on to."""
        return self._upstream_port

    def add(self, fault: Fault, **which: Any) -> Rule:
        """Have some requests fail; see `Rule`."""
        rule = Rule(fault=fault, **which)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """No more faults, no requests remembered."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def count(self, method: str, path: str = "") -> int:
        """How many requests of this kind came."""
        with self._lock:
            return sum(
                request.method == method and bool(re.search(path, request.path))
                for request in self.requests
            )

    def go_away(self) -> None:
        """Break off every connection, and refuse new ones."""
        server, self._server = self._server, None
        if server is not None:
            server.end()

    def come_back(self, upstream_port: int | None = None) -> None:
        """Listen again on the same port, perhaps in front of another server."""
        self.go_away()
        self._upstream_port = upstream_port or self._upstream_port
        self._server = _Server(self)
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def drop_connections(self) -> None:
        """Break off every connection that is open; new ones are welcome."""
        if self._server is not None:
            self._server.break_connections()

    def close(self) -> None:
        """End it; stalled requests end, too."""
        self._over.set()
        self.go_away()

    def wait(self, seconds: float) -> None:
        """Let time pass, but not beyond the end of the proxy."""
        self._over.wait(seconds)

    def take(self, method: str, path: str, sent: int) -> Fault | None:
        """Note a request; what is to happen to it."""
        with self._lock:
            # Every rule counts every request, so that one does not shift another.
            faults = [rule.fault for rule in self._rules if rule.takes(method, path)]
            fault = faults[0] if faults else None
            self.requests.append(Request(method, path, fault, sent))
            return fault


@contextmanager
def fault_proxy(upstream_port: int, *, delay_s: float = 0.0) -> Iterator[FaultProxy]:
    """A proxy in front of a server on this machine, for as long as the block."""
    proxy = FaultProxy(upstream_port, delay_s=delay_s)
    try:
        yield proxy
    finally:
        proxy.close()


class _Server(ThreadingHTTPServer):
    """Listens, and knows the connections that are open."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        self._guard = Lock()
        super().__init__(("127.0.0.1", proxy.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what this is for."""

    def break_connections(self) -> None:
        with self._guard:
            connections = list(self._open)
        for connection in connections:
            # Its thread holds it, too, and wakes up by this.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        self.break_connections()


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, with one of its own to the server."""

    protocol_version = "HTTP/1.1"
    server: _Server
    _upstream: HTTPConnection | None = None

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        with suppress(OSError):
            super().finish()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged."""

    def _handle(self) -> None:
        proxy, body = self.server.proxy, self._read_body()
        fault = proxy.take(self.command, self.path, len(body)) or Fault()
        if delay_s := proxy.delay_s + fault.delay_s:
            proxy.wait(delay_s)
        if fault.stall:
            proxy.wait(_STALL_S)
        if fault.stall or fault.reset_before:
            self._reset()
        elif fault.status:
            self._answer(fault.status, fault)
        else:
            self._pass_on(body, fault)

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self._read_at_pace(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while length := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(length))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _read_at_pace(self, length: int) -> bytes:
        pace = self.server.proxy.up
        if not pace.is_limited:
            return self.rfile.read(length)
        pieces = []
        while length and (piece := self.rfile.read(min(length, SLICE_BYTES))):
            pace.take(len(piece))
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def _pass_on(self, body: bytes, fault: Fault) -> None:
        try:
            response = self._ask(body)
        except (OSError, HTTPException):
            return self._reset()  # the server is not there
        if fault.swallow or fault.status_after:
            response.read()
        if fault.swallow:
            return self._reset()
        if fault.status_after:
            return self._answer(fault.status_after, fault)
        return self._send_on(response, fault)

    def _ask(self, body: bytes) -> HTTPResponse:
        for attempt in range(2):
            is_new = self._upstream is None
            if self._upstream is None:
                self._upstream = HTTPConnection(
                    "127.0.0.1",
                    self.server.proxy.upstream_port,
                    timeout=_UPSTREAM_TIMEOUT_S,
                )
            try:
                self._send_request(self._upstream, body)
                return self._upstream.getresponse()
            except (OSError, HTTPException):
                self._upstream.close()
                self._upstream = None
                if is_new or attempt:  # else the server closed it meanwhile
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _send_request(self, upstream: HTTPConnection, body: bytes) -> None:
        upstream.putrequest(
            self.command, self.path, skip_host=True, skip_accept_encoding=True
        )
        has_length = False
        for name, value in self.headers.items():
            has_length |= name.lower() == "content-length"
            if name.lower() not in _HOP_BY_HOP:
                upstream.putheader(name, value)
        if body and not has_length:
            upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders()
        if body:
            upstream.send(body)

    def _send_on(self, response: HTTPResponse, fault: Fault) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() == "date" and fault.date:
                value = fault.date  # noqa: PLW2901 - the one that is told
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        is_chunked = response.chunked
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        place = 0
        pace = self.server.proxy.down
        step = SLICE_BYTES if pace.is_limited else _PIECE_BYTES
        while piece := response.read(step):
            pace.take(len(piece))
            sent, is_over = self._damage(piece, place, fault)
            self._write(sent, is_chunked=is_chunked)
            if is_over:
                return self._break_off(fault)
            place += len(piece)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")
        return None

    def _write(self, piece: bytes, *, is_chunked: bool) -> None:
        if is_chunked and piece:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        self.wfile.write(piece)

    @staticmethod
    def _damage(piece: bytes, place: int, fault: Fault) -> tuple[bytes, bool]:
        """The piece as it is sent, and whether nothing comes after it."""
        end = place + len(piece)
        at = fault.corrupt_at
        if at is not None and place <= at < end:
            damaged = bytearray(piece)
            damaged[at - place] ^= 1
            piece = bytes(damaged)
        for stop in (fault.cut_at, fault.reset_at, fault.stall_at):
            if stop is not None and stop < end:
                return piece[: stop - place], True
        return piece, False

    def _break_off(self, fault: Fault) -> None:
        if fault.stall_at is not None:
            self.server.proxy.wait(_STALL_S)
        if fault.reset_at is not None:
            self._reset()
        self.close_connection = True

    def _answer(self, status: int, fault: Fault) -> None:
        self.send_response(status)
        if fault.retry_after:
            self.send_header("Retry-After", fault.retry_after)
        if fault.etag:
            self.send_header("ETag", fault.etag)
        self.send_header("Content-Length", str(len(fault.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(fault.body)

    def _reset(self) -> None:
        self.close_connection = True
        _reset(self.connection)


def _reset(connection: socket.socket) -> None:
    """Break a connection off, so that the other end gets an error at once."""
    with suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
