"""A web server for files that knows ranges, passwords and redirections."""

import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.http import LISTING, HttpBackend, open_location
from chunkvault.backends.local import LocalBackend
from chunkvault.backends.options import StorageOptions

__all__ = ["PublishedFolder", "StaticWeb", "static_web", "write_listing"]

USER, PASSWORD = "someone", "p@ss/word"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")


class StaticWeb:
    """Serves the whole file system, on loopback, to those with the password.

    ``/plain/…`` ignores ranges, ``/moved/…`` redirects, ``/round/…`` does for ever.

    Attributes:
        port: where it listens.
        requests: method and path of each.
        authorized: whether each request brought the password.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def location(self, path: "str | Path", how: str = "") -> str:
        """What a user writes for a folder."""
        return f"http://{USER}:p%40ss%2Fword@127.0.0.1:{self.port}{how}{path}"

    def open(self, path: Path, how: str = "") -> HttpBackend:
        """The backend of a folder."""
        return open_location(self.location(path, how), StorageOptions())

    def open_as_stranger(self, path: Path) -> HttpBackend:
        """Without the password."""
        location = f"http://127.0.0.1:{self.port}{path}"
        return open_location(location, StorageOptions())

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, web: StaticWeb) -> None:
        self.web = web
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.web.requests.append((self.command, self.path))
        pair = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {pair}":
            return self._send(401)
        path = unquote(self.path)
        for how in ("/moved", "/round"):
            if path.startswith(how + "/"):
                target = path.removeprefix(how) if how == "/moved" else path
                return self._send(302, Location=target)
        return self._send_file(path)

    def _send_file(self, path: str) -> None:
        is_plain = path.startswith("/plain/")
        file = Path(path.removeprefix("/plain"))
        if not file.is_file():
            return self._send(404)
        content = file.read_bytes()
        wanted = _RANGE.match(self.headers.get("Range", ""))
        if not wanted or is_plain:
            return self._send(200, content)
        first = int(wanted[1])
        last = min(int(wanted[2] or len(content)), len(content) - 1)
        if first >= len(content):
            return self._send(416, **{"Content-Range": f"bytes */{len(content)}"})
        shown = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return self._send(206, content[first : last + 1], **shown)

    def _send(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class PublishedFolder:
    """A folder that is written as a folder and read through a web server.

    The listing is written anew, with the command of the documents, before it is
    read: whoever publishes a folder does that after each change.
    """

    def __init__(self, folder: Path, location: str) -> None:
        self._folder = folder
        self._local = LocalBackend(bytes(folder))
        self._web = open_location(location, StorageOptions())
        self.put = self._local.put
        self.delete = self._local.delete
        self.get = self._web.get

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Write the listing, then read it."""
        write_listing(self._folder)
        return self._web.list(prefix)

    def close(self) -> None:
        """Close the connections."""
        self._web.close()


def write_listing(folder: Path) -> None:
    """Do what docs/backends.md says."""
    folder.mkdir(parents=True, exist_ok=True)
    command = f"find . -type f -printf '%s %P\\n' > {LISTING}"
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True)


@contextmanager
def static_web() -> Iterator[StaticWeb]:
    """A server for as long as the block."""
    server = StaticWeb()
    try:
        yield server
    finally:
        server.close()
