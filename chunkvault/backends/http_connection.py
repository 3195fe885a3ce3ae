"""One connection to an HTTP server, by the standard library's client.

For the stores that speak plain HTTP: `rclone` (to the process on this machine) and
`http`. Lengths are checked here: what is cut off is never taken for whole.
"""

import re
import select
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
)

from chunkvault.backends.ranges import parse_content_range
from chunkvault.backends.ssh_failures import tidy
from chunkvault.errors import BackendError, StorageUnreachable

__all__ = ["Address", "Answer", "PlainHttpConnection"]

CONNECT_S = 15.0
_PIECE_BYTES = 1024 * 1024
_NOTHING = re.compile(r"bytes \d{1,19}-(?:-1|\d{1,19})/(\d{1,19})", re.ASCII)
"""What rclone says of a range behind the end, such as "bytes 10-9/10"; the size."""

_RETRY_AFTER = re.compile(r"\d{1,5}\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    is_encrypted: bool
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        status: 200 and the like.
        headers: of the answer; names in any case.
        body: all that was to be kept of it.
    """

    status: int
    headers: Message
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asks to be left alone; dates are not understood."""
        value = self.headers.get("Retry-After", "")
        return float(value) if _RETRY_AFTER.match(value) else None


class PlainHttpConnection:
    """For one thread at a time; see `ConnectionPool`."""

    def __init__(self, address: Address, store: str, read_s: float) -> None:
        """Connect.

        Args:
            address: of the server.
            store: what messages call it.
            read_s: how long nothing at all may come or go.

        Raises:
            StorageUnreachable: it does not answer.
            BackendError: its certificate is not trusted.
        """
        self._store = store
        self._http = _open(address)
        self._is_in_step = False  # between requests, with nothing left to read
        try:
            self._http.connect()
        except OSError as error:
            self._http.close()
            raise self._lost(error) from error
        self._http.sock.settimeout(read_s)
        self._is_in_step = True

    def get(
        self,
        target: str,
        headers: Mapping[str, str],
        offset: int = 0,
        length: int | None = None,
    ) -> Answer:
        """Read a range, also from a server that knows none.

        Returns:
            With status 200 and exactly the bytes that the object has there; or the
            status with which the server refused, and what it said.
        """
        if length == 0:
            return self.send("HEAD", target, headers)
        if offset == 0 and length is None:
            return self.send("GET", target, headers)
        last = "" if length is None else offset + length - 1
        wanted = {**headers, "Range": f"bytes={offset}-{last}"}
        answer = self._exchange("GET", target, wanted, None, (offset, length))
        if answer.status == 416:  # begins behind the end
            return Answer(200, answer.headers, b"")
        if answer.status == 206:
            self._check_range(answer, offset, length)
            return Answer(200, answer.headers, answer.body)
        return answer

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | memoryview | None = None,
    ) -> Answer:
        """Send a request, and wait for all of the answer.

        Raises:
            StorageUnreachable: the connection broke or the answer was cut off.
        """
        return self._exchange(method, target, headers, body, (0, None))

    def end_turn(self) -> bool:
        """False if something of an answer may still be on the way."""
        return self._is_in_step

    def is_alive(self) -> bool:
        """False if the server has closed the connection since its last use."""
        if self._http.sock is None:
            return False
        poll = select.poll()
        poll.register(self._http.sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close it."""
        self._is_in_step = False
        self._http.close()

    def _exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | memoryview | None,
        cut: tuple[int, int | None],
    ) -> Answer:
        self._is_in_step = False
        wanted = {"Accept-Encoding": "identity", **headers}
        try:
            self._http.request(method, target, body, wanted)
            response = self._http.getresponse()
            is_whole = response.status == 200
            kept = self._read(response, cut if is_whole else (0, None))
        except (OSError, HTTPException) as error:
            raise self._lost(error) from error
        self._is_in_step = response.isclosed() and not response.will_close
        encoding = response.headers.get("Content-Encoding", "identity")
        if is_whole and encoding != "identity":
            raise BackendError(f"{self._store} sends files encoded as {tidy(encoding)}")
        return Answer(response.status, response.headers, kept)

    @staticmethod
    def _read(response: HTTPResponse, cut: tuple[int, int | None]) -> bytes:
        """Read a body and keep a range of it; memory grows only with what comes."""
        skip, keep = cut
        pieces: list[bytes] = []
        kept_bytes = 0
        while piece := response.read(_PIECE_BYTES):
            skipped = min(skip, len(piece))
            skip -= skipped
            piece = piece[skipped:]
            if keep is not None:
                piece = piece[: keep - kept_bytes]
            pieces.append(piece)
            kept_bytes += len(piece)
            if keep is not None and kept_bytes == keep:
                break
        else:
            if response.length:
                raise IncompleteRead(b"", response.length)
        return b"".join(pieces)

    def _check_range(self, answer: Answer, offset: int, length: int | None) -> None:
        """Refuse another range than was asked for, or less of it."""
        said = answer.headers.get("Content-Range", "")
        nothing = _NOTHING.fullmatch(said)
        if nothing and int(nothing[1]) <= offset and not answer.body:
            return
        extent = parse_content_range(said)
        if extent is None:
            raise BackendError(f"{self._store} does not say which range it sends")
        is_right = extent.answers(offset, length)
        if not is_right or len(answer.body) != extent.length:
            raise StorageUnreachable(
                f"{self._store} sent {len(answer.body)} bytes, which are not the range"
                " that was asked for"
            )

    def _lost(self, error: Exception) -> BackendError:
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = tidy(error.verify_message)
            return BackendError(
                f"the certificate of {self._store} is not trusted: {reason}",
                hint="add the certificate of its authority to those of the system",
            )
        reason = "it does not answer" if isinstance(error, TimeoutError) else ""
        if isinstance(error, IncompleteRead):
            reason = "the answer was cut off"
        reason = reason or tidy(getattr(error, "strerror", None) or str(error)).lower()
        return StorageUnreachable(f"cannot reach {self._store}: {reason}")


def _open(address: Address) -> HTTPConnection:
    if not address.is_encrypted:
        return HTTPConnection(address.host, address.port, timeout=CONNECT_S)
    context = ssl.create_default_context()
    return HTTPSConnection(
        address.host, address.port, timeout=CONNECT_S, context=context
    )
