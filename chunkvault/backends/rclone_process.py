"""The one rclone process that carries all requests of a backend.

``rclone serve restic`` takes and gives objects over HTTP on the loopback address;
the remote control of the same process (``--rc``) lists, moves and deletes. Both ask
for a password that is made up for this process and handed over in its environment.
"""

import json
import os
import re
import secrets
import select
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock

from chunkvault.backends.http_connection import Address
from chunkvault.backends.ssh_failures import tidy
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ChunkvaultError,
    StorageFull,
    StorageUnreachable,
    UsageError,
)

__all__ = ["RcloneProcess", "failure_of"]

# The shell waits for its input to end, which it does when we end, however we do;
# then rclone goes too. It has nothing to finish: what is not stored yet is absent.
# By closing its own stderr the shell lets ours end when rclone does.
_KEEPER = '"$@" </dev/null & exec 2>/dev/null; read -r _; kill -KILL $!; wait'

_REMOTE = "chunkvault:"
"""Stands for the remote, which is in the environment: it may hold secrets."""

_OPTIONS = (
    *("--addr", "127.0.0.1:0", "--append-only", "--cache-objects=false"),
    *("--rc", "--rc-addr", "127.0.0.1:0"),
    *("--use-json-log", "--log-level", "NOTICE", "--stats", "0"),
    *("--ask-password=false", "--retries", "1", "--low-level-retries", "3"),
    *("--contimeout", "15s", "--timeout", "60s"),
)
_SERVING = re.compile(r"Serving restic REST API on \[?http://127\.0\.0\.1:(\d+)/")
_CONTROLLED = re.compile(r"Serving remote control on \[?http://127\.0\.0\.1:(\d+)/")
_PREAMBLE = re.compile(
    r"\A[\d/: ]*(?:Failed to create file system for [^:]*:\"?: ?)?"
    r"(?:read metadata failed: ?)?"
)
_NAMES = re.compile(r"\"[^\"]*\"|\S*/\S*|\S+\.\S+")
"""Addresses, paths and names of objects: what stands in them says nothing of the kind
of an error, but may look so: ``config`` is an object, and ``507`` part of a hash."""

_FULL = re.compile(
    r"no space left|quota|insufficient ?storage|storage.*full|\b507\b", re.IGNORECASE
)
_DENIED = re.compile(
    r"permission denied|access ?denied|forbidden|unauthori[sz]ed|read-only|"
    r"invalid ?access|signature ?does ?not ?match|\b40[13]\b|\b530\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"unknown (?:type|flag|command)|find backend called|config|not a directory|invalid|"
    r"\d+: .*: not found\Z",
    re.IGNORECASE,
)
_NO_REMOTE = re.compile("find section in config|find backend called")
_DENIED_HINT = (
    "see 'rclone config' for user and password of the remote, and whether it"
    " may be written to; what was stored is kept"
)
_START_S = 60
_LOG_LINES = 200
_READ_BYTES = 64 * 1024
_GOODBYE_S = 5.0


class RcloneProcess:
    """A running rclone; any thread may ask for what it has logged.

    Attributes:
        objects: where objects are put and got.
        control: where its remote control listens.
        authorization: the header that both want.
        remote: how the remote control names the remote.
    """

    remote = _REMOTE

    def __init__(self, remote: str, environment: Mapping[str, str], store: str) -> None:
        """Start it, and wait until it listens.

        Args:
            remote: ``remote:path`` as rclone takes it.
            environment: of the child.
            store: what messages call the remote.

        Raises:
            UsageError: rclone is not installed, or does not know the remote.
            BackendError: it cannot use it.
        """
        self._store = store
        self._lines: list[dict[str, object]] = []
        self._rest = b""
        self._is_over = False
        self._lock = Lock()
        password = secrets.token_urlsafe(32)
        pair = b64encode(f"chunkvault:{password}".encode()).decode()
        self.authorization = {"Authorization": f"Basic {pair}"}
        variables = _variables(remote, environment, password)
        self._process = _start(_find(environment), variables)
        assert self._process.stderr is not None
        self._log = self._process.stderr.fileno()
        os.set_blocking(self._log, False)
        try:
            self.control = self._wait_for(_CONTROLLED)
            self.objects = self._wait_for(_SERVING)
        except BaseException:
            self.close()
            raise

    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        self._read_log()
        return not self._is_over

    def reason(self, name: str) -> str:
        """What was logged last about an object, without a name at all; or empty."""
        self._read_log()
        with self._lock:
            lines = [line for line in self._lines if name in ("", line.get("object"))]
            return str(lines[-1].get("msg", "")) if lines else ""

    def forget(self) -> None:
        """Make room in the pipe, or rclone would wait when it logs."""
        self._read_log()

    def close(self) -> None:
        """End it, and wait until it has ended."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GOODBYE_S)
        self._process.kill()
        self._process.wait()
        with self._lock:
            self._is_over = True
            if self._process.stderr is not None:
                self._process.stderr.close()

    def _wait_for(self, announcement: "re.Pattern[str]") -> Address:
        poll = select.poll()
        poll.register(self._log, select.POLLIN)
        while not self._is_over:
            for line in self._lines:
                if found := announcement.match(str(line.get("msg", ""))):
                    return Address(
                        is_encrypted=False, host="127.0.0.1", port=int(found[1])
                    )
            if not poll.poll(_START_S * 1000):
                raise StorageUnreachable(f"rclone does not start for {self._store}")
            self._read_log()
        raise self._failure()

    def _failure(self) -> ChunkvaultError:
        """Why it ended before it listened."""
        reason = _PREAMBLE.sub("", self.reason(""))
        if _NO_REMOTE.search(reason):
            return UsageError(
                f"rclone knows no remote for {self._store}",
                hint="'rclone listremotes' lists them, 'rclone config' adds one",
            )
        return failure_of(f"rclone cannot use {self._store}", reason)

    def _read_log(self) -> None:
        with self._lock:
            while not self._is_over:
                try:
                    data = os.read(self._log, _READ_BYTES)
                except BlockingIOError:
                    return
                self._is_over = not data
                self._take_lines(data)

    def _take_lines(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._is_over:
            whole.append(self._rest)
        self._rest = self._rest[-_READ_BYTES:]
        for line in whole:
            if line.strip():
                self._lines.append(_parse(line))
        del self._lines[:-_LOG_LINES]


def failure_of(what: str, reason: str) -> BackendError:
    """The error of the right kind, which rclone only tells in words."""
    text = f"{what}: {tidy(' '.join(reason.split())) or 'no reason given'}"
    words = _NAMES.sub(" ", reason)
    if _FULL.search(words):
        return StorageFull(text)
    if _DENIED.search(words):
        return AccessDenied(text, hint=_DENIED_HINT)
    if _WRONG.search(words):
        return BackendError(text)
    return StorageUnreachable(text)


def _parse(line: bytes) -> dict[str, object]:
    """A line of the log; what the Go library itself prints is not JSON."""
    with suppress(ValueError):
        parsed = json.loads(line)
        if isinstance(parsed, dict):
            return parsed
    return {"msg": line.decode("utf-8", "replace")}


def _variables(
    remote: str, environment: Mapping[str, str], password: str
) -> dict[str, str]:
    variables = dict(environment)
    # rclone's S3 refuses every connection when it is set.
    variables.pop("AWS_CA_BUNDLE", None)
    for prefix in ("RCLONE_", "RCLONE_RC_"):
        variables[f"{prefix}USER"] = "chunkvault"
        variables[f"{prefix}PASS"] = password
    variables["RCLONE_CONFIG_CHUNKVAULT_TYPE"] = "alias"
    variables["RCLONE_CONFIG_CHUNKVAULT_REMOTE"] = remote
    return variables


def _find(environment: Mapping[str, str]) -> str:
    program = shutil.which("rclone", path=environment.get("PATH"))
    if program is None:
        raise UsageError(
            "rclone is not installed, or not where PATH leads",
            hint="install it from your distribution or from rclone's site",
        )
    return program


def _start(program: str, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    command = [program, "serve", "restic", *_OPTIONS, _REMOTE]
    return subprocess.Popen(  # noqa: S603 - fixed words and no secret
        ["/bin/sh", "-c", _KEEPER, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(variables),
        start_new_session=True,
    )
