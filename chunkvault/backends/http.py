r"""A copy of a repository on a web server, only to be read.

::

    https://user:password@host:port/path

Plain HTTP has no listing, so the copy needs one: the file ``OBJECTS.txt`` beside
``config``, a line "size name" for each object. Whoever makes the copy writes it::

    find . -type f -printf '%s %P\n' > OBJECTS.txt

or, for a copy in a bucket, ``rclone lsf -R --files-only --format sp --separator ' '``.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from chunkvault.backends.base import ObjectInfo, check_name, require_name
from chunkvault.backends.connection_pool import ConnectionPool
from chunkvault.backends.http_connection import Address, Answer, PlainHttpConnection
from chunkvault.backends.options import StorageOptions
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectNotFound,
    StorageUnreachable,
    UsageError,
)

__all__ = ["LISTING", "HttpBackend", "open_location"]

LISTING = "OBJECTS.txt"
_LINE = re.compile(r"(\d{1,19}) (?:\./)?(.+)")
_READ_S = 60.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[^!-~]")


def open_location(location: str, options: StorageOptions) -> "HttpBackend":
    """The backend at a location; nothing is connected yet.

    Raises:
        UsageError: the location makes no sense.
    """
    try:
        parts = urlsplit(location)
        is_good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good, parts = False, SplitResult("", "", "", "", "")
    is_odd = parts.query or parts.fragment or _UNSAFE.search(location)
    if not is_good or is_odd:
        raise UsageError(
            "the location is not the address of a folder on a web server",
            hint="write https://host/path, with %20 for a space, and no '?' or '#'",
        )
    return HttpBackend(parts, options)


class HttpBackend:
    """Objects below an address."""

    def __init__(self, parts: SplitResult, options: StorageOptions) -> None:
        self._root = parts._replace(
            scheme=parts.scheme.lower(),
            netloc=parts.netloc.rpartition("@")[2],
            path=parts.path.rstrip("/") + "/",
        ).geturl()
        self.store = self._root.rstrip("/")
        self._authorization = _authorization(parts)
        self._connections = options.connections
        self._traffic = options.traffic
        self._pools: dict[Address, ConnectionPool[PlainHttpConnection]] = {}
        self._lock = Lock()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Refuse."""
        del data
        require_name(name)
        raise self._read_only(f"store {name}")

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Get a range."""
        require_name(name)
        answer = self._fetch(name, offset, length)
        if answer.status in (404, 410):
            raise ObjectNotFound(f"there is no object {name} on {self.store}")
        return self._body(answer, "read", name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Take the lines of the copy's own listing that fit."""
        answer = self._fetch(LISTING)
        if answer.status in (404, 410):
            raise BackendError(
                f"there is no {LISTING} on {self.store}, so nothing can be listed",
                hint="docs/backends.md shows the command that writes it",
            )
        text = self._body(answer, "read", LISTING).decode("ascii", "replace")
        for line in text.splitlines():
            found = _LINE.fullmatch(line)
            if not found or found[2] == LISTING:
                continue  # it was empty when it was listed in itself
            if check_name(found[2]) and found[2].startswith(prefix):
                yield ObjectInfo(found[2], int(found[1]))

    def delete(self, name: str) -> None:
        """Refuse."""
        require_name(name)
        raise self._read_only(f"delete {name}")

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()

    def upkeep(self) -> NoReturn:
        """Refuse."""
        raise self._read_only("remove anything")

    def _read_only(self, verb: str) -> AccessDenied:
        return AccessDenied(
            f"cannot {verb} on {self.store}: a web server is only read from",
            hint="use the repository that this is a copy of",
        )

    def _fetch(self, name: str, offset: int = 0, length: int | None = None) -> Answer:
        """Get something, wherever the server says that it is."""
        url = self._root + name
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._request(url, offset, length)
            if answer.status not in _REDIRECTS:
                return answer
            url = self._follow(url, answer)
        raise BackendError(f"{self.store} leads from one address to the next")

    def _request(self, url: str, offset: int, length: int | None) -> Answer:
        parts = urlsplit(url)
        address = _address(parts)
        is_at_home = address == _address(urlsplit(self._root))
        headers = self._authorization if is_at_home else {}
        with self._pool(address).borrow() as connection:
            answer = connection.get(_target(parts), headers, offset, length)
        kind = "head" if length == 0 else "get"
        self._traffic.count(kind, received=len(answer.body))
        return answer

    def _follow(self, url: str, answer: Answer) -> str:
        """The address that a redirection leads to."""
        target = urljoin(url, answer.headers.get("Location", ""))
        try:
            parts = urlsplit(target)
            is_good = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_good, parts = False, SplitResult("", "", "", "", "")
        was_encrypted = urlsplit(url).scheme == "https"
        allowed = {"https"} if was_encrypted else {"http", "https"}
        if not is_good or parts.scheme not in allowed or _UNSAFE.search(target):
            raise BackendError(f"{self.store} leads to an address that is not followed")
        return target

    def _pool(self, address: Address) -> ConnectionPool[PlainHttpConnection]:
        with self._lock:
            return self._pools.setdefault(
                address,
                ConnectionPool(
                    lambda: PlainHttpConnection(address, self.store, _READ_S),
                    self._connections,
                ),
            )

    def _body(self, answer: Answer, verb: str, name: str) -> bytes:
        if answer.status == 200:
            return answer.body
        what = f"cannot {verb} {name} on {self.store}: status {answer.status}"
        if answer.status in (401, 403):
            raise AccessDenied(what, hint="check name and password in the location")
        if answer.status == 429 or answer.status >= 500:
            raise StorageUnreachable(what, retry_after_s=answer.retry_after_s)
        raise BackendError(what)


def _authorization(parts: SplitResult) -> Mapping[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _address(parts: SplitResult) -> Address:
    port = parts.port or _PORTS[parts.scheme]
    return Address(parts.scheme == "https", parts.hostname or "", port)


def _target(parts: SplitResult) -> str:
    return parts.path + (f"?{parts.query}" if parts.query else "")
