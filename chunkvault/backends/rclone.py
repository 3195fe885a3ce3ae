"""Objects on any of rclone's remotes.

::

    rclone:remote:path        a remote as 'rclone listremotes' shows it

One rclone process carries all requests (`rclone_process`). An object's name is its
path below the remote, so that plain copies made with rclone are repositories too.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Condition, Lock
from typing import Any
from urllib.parse import quote

from chunkvault.backends.base import ObjectInfo, check_name, require_name
from chunkvault.backends.connection_pool import ConnectionPool
from chunkvault.backends.http_connection import Answer, PlainHttpConnection
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.rclone_process import RcloneProcess, failure_of
from chunkvault.errors import (
    BackendError,
    ObjectExists,
    ObjectNotFound,
    StorageUnreachable,
    UsageError,
)

__all__ = ["RcloneBackend", "open_location"]

_READ_S = 600.0
"""Longer than for a store itself: rclone may hold all of an object before it sends
it on, and gives up a stalled line by itself, after a minute."""

_SHARDED = re.compile(r"(?:^|/)data/[^/]{2,}\Z")
_ABSENT = re.compile(
    "(?:directory|object) not found|no such (?:file|directory)", re.IGNORECASE
)


def open_location(location: str, options: StorageOptions) -> "RcloneBackend":
    """The backend at a location; rclone is not started yet.

    Raises:
        UsageError: the location names no remote.
    """
    remote = location.split(":", 1)[1]
    name, colon, _ = remote.partition(":")
    if not colon or "\0" in remote or name.startswith("-"):
        raise UsageError(
            "the location names no remote of rclone",
            hint="write rclone:remote:path; 'rclone listremotes' lists the remotes",
        )
    return RcloneBackend(remote, options)


class RcloneBackend:
    """Starts rclone with the first verb, and again if it has died."""

    def __init__(self, remote: str, options: StorageOptions) -> None:
        # What follows a comma are settings, which may be secret.
        name, _, path = remote.rpartition(":")
        self.store = f"rclone:{name.partition(',')[0]}:{path}"
        self._remote = remote
        self._options = options
        self._traffic = options.traffic
        self._process: RcloneProcess | None = None
        self._writes_whole: bool | None = None  # not known yet
        self._lock = Lock()
        self._learning = Lock()
        self._names = _Turns()
        self._objects = ConnectionPool(
            lambda: self._connect(is_control=False), options.connections
        )
        self._control = ConnectionPool(
            lambda: self._connect(is_control=True), options.connections
        )

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Store under the name itself where that is whole or absent, else rename."""
        require_name(name)
        _refuse_sharded(name)
        content = memoryview(data).cast("B")
        with self._names.turn(name):
            process = self._running()
            if self._is_whole_or_absent():
                self._upload(process, name, name, content)
            else:
                self._upload_and_rename(process, name, content)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Get a range."""
        require_name(name)
        _refuse_sharded(name)
        process = self._running()
        with self._objects.borrow() as connection:
            target, headers = "/" + quote(name), process.authorization
            answer = connection.get(target, headers, offset, length)
        self._traffic.count("get", received=len(answer.body))
        if answer.status == 404:
            self._require_short(process, name, offset)
            return b""
        if answer.status != 200:
            raise self._failure(process, "read", name, answer)
        return answer.body

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List one folder and all below it, with one request."""
        folder = prefix.rpartition("/")[0]
        if folder and not check_name(folder):
            return
        for entry in self._entries_below(folder):
            name, size = entry.get("Path"), entry.get("Size")
            if not isinstance(name, str) or not isinstance(size, int):
                raise StorageUnreachable(f"{self.store} sent no listing")
            is_object = not entry.get("IsDir") and check_name(name)
            if is_object and name.startswith(prefix):
                yield ObjectInfo(name, size)

    def delete(self, name: str) -> None:
        """Remove the object."""
        require_name(name)
        self._command("delete", "deletefile", name)

    def close(self) -> None:
        """End rclone."""
        self._objects.close()
        self._control.close()
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _entries_below(self, folder: str) -> Sequence[dict[str, Any]]:
        """What rclone lists; nothing for an object, which is no folder."""
        options = {"recurse": True, "noModTime": True, "noMimeType": True}
        try:
            answer = self._command("list", "list", folder, opt=options)
        except BackendError:
            if folder and self._size_of(folder) is not None:
                return []
            raise
        # There are servers whose failure looks like an empty folder to rclone.
        entries = _entries(answer) or _entries(
            self._command("list", "list", folder, opt=options)
        )
        # FTP servers list a file as if it were a folder with itself inside.
        itself = f"{folder}/{folder.rpartition('/')[2]}"
        if [entry.get("Path") for entry in entries] == [itself]:
            return [] if self._size_of(folder) is not None else entries
        return entries

    def _running(self) -> RcloneProcess:
        with self._lock:
            if self._process is not None and self._process.is_running():
                return self._process
            if self._process is not None:
                self._process.close()
                self._objects.close()
                self._control.close()
                self._process = None
            process = RcloneProcess(self._remote, self._options.environment, self.store)
            self._process = process
        return process

    def _is_whole_or_absent(self) -> bool:
        """Whether an upload that breaks leaves nothing; asked before the first one."""
        with self._learning:
            if self._writes_whole is None:
                features = self._command("other", "fsinfo", "").get("Features")
                known = features if isinstance(features, dict) else {}
                is_whole = known.get("BucketBased") or not known.get("Move")
                self._writes_whole = bool(is_whole)
        return self._writes_whole

    def _connect(self, *, is_control: bool) -> PlainHttpConnection:
        process = self._process
        if process is None:
            raise StorageUnreachable(f"rclone has ended for {self.store}")
        address = process.control if is_control else process.objects
        return PlainHttpConnection(address, self.store, _READ_S)

    def _upload(
        self, process: RcloneProcess, name: str, path: str, content: memoryview
    ) -> None:
        """Put bytes somewhere; rclone looks first, and refuses a name that is taken."""
        self._traffic.count("put", sent=len(content))
        with self._objects.borrow() as connection:
            target, headers = "/" + quote(path), process.authorization
            answer = connection.send("POST", target, headers, content)
        if answer.status == 403:
            raise ObjectExists(f"{name} exists already")
        if answer.status != 200:
            raise self._failure(process, "store", path, answer, name)

    def _upload_and_rename(
        self, process: RcloneProcess, name: str, content: memoryview
    ) -> None:
        """For remotes that write in place, where a broken upload would stay."""
        if self._size_of(name) is not None:
            raise ObjectExists(f"{name} exists already")
        folder, slash, _ = name.rpartition("/")
        temporary = f"{folder}{slash}.tmp-{os.urandom(8).hex()}"
        try:
            self._upload(process, name, temporary, content)
            self._command(
                "other",
                "movefile",
                name,
                srcFs=process.remote,
                srcRemote=temporary,
                dstFs=process.remote,
                dstRemote=name,
            )
        except BackendError:
            with suppress(BackendError):
                self._command("delete", "deletefile", temporary)
            raise

    def _require_short(self, process: RcloneProcess, name: str, offset: int) -> None:
        """Find out what "not found" means: rclone says so whatever went wrong.

        Returns if the object just ends before the offset.
        """
        size = self._size_of(name)
        if size is None:
            raise ObjectNotFound(f"there is no object {name}")
        if not 0 <= size <= offset or not offset:
            reason = process.reason(name) or "rclone says that it is not there"
            raise failure_of(f"cannot read {name} on {self.store}", reason)

    def _size_of(self, name: str) -> int | None:
        item = self._command("head", "stat", name).get("item")
        if not isinstance(item, dict) or item.get("IsDir"):
            return None
        return int(item.get("Size", 0))

    def _command(
        self, kind: str, verb: str, name: str, **more: object
    ) -> dict[str, Any]:
        """Have the remote control do something; {} if there is nothing of the name."""
        process = self._running()
        arguments = {"fs": process.remote, "remote": name, **more}
        headers = {**process.authorization, "Content-Type": "application/json"}
        self._traffic.count(kind)
        with self._control.borrow() as connection:
            answer = connection.send(
                "POST", f"/operations/{verb}", headers, json.dumps(arguments).encode()
            )
        process.forget()
        try:
            result = json.loads(answer.body)
        except ValueError:
            result = {}
        if answer.status == 200 and isinstance(result, dict):
            return result
        error = str(result.get("error", "")) if isinstance(result, dict) else ""
        if _ABSENT.search(error) and verb != "movefile":
            return {}
        what = f"cannot {_WORDS[verb]} {name or 'objects'} on {self.store}"
        raise failure_of(what, error or f"status {answer.status}")

    def _failure(
        self,
        process: RcloneProcess,
        verb: str,
        path: str,
        answer: Answer,
        name: str = "",
    ) -> BackendError:
        reason = process.reason(path) or f"status {answer.status}"
        return failure_of(f"cannot {verb} {name or path} on {self.store}", reason)


_WORDS: Mapping[str, str] = {
    "list": "list",
    "stat": "look for",
    "deletefile": "delete",
    "movefile": "store",
    "fsinfo": "use",
}


class _Turns:
    """Several who want the same name go one after the other."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._change = Condition()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: name not in self._taken)
            self._taken.add(name)
        try:
            yield
        finally:
            with self._change:
                self._taken.discard(name)
                self._change.notify_all()


def _entries(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = answer.get("list") or []
    return [entry for entry in entries if isinstance(entry, dict)]


def _refuse_sharded(name: str) -> None:
    """Refuse what rclone would put elsewhere, as restic's repositories want it."""
    if _SHARDED.search(name):
        raise UsageError(f"{name} cannot be stored by rclone: a folder 'data' is not")
