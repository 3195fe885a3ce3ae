"""Objects as files on a server that is reached with ``ssh``.

::

    sftp://user@host:port/path       an absolute path
    sftp://user@host/~/path          below the user's home
    ?ssh-config=FILE                 instead of ~/.ssh/config

`sftp_files` says how files are stored and read, `ssh_channel` how the line works.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, unquote_to_bytes, urlsplit

from chunkvault.backends.base import ObjectInfo, check_name, require_name
from chunkvault.backends.connection_pool import ConnectionPool
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.sftp_client import SftpClient, StatusError
from chunkvault.backends.sftp_files import read_file, remove_file, store_file
from chunkvault.backends.sftp_listing import folders_at_once, list_folders
from chunkvault.backends.sftp_replies import NameEntry, Status
from chunkvault.backends.sftp_requests import Kind, encode_string
from chunkvault.backends.sftp_upkeep import (
    SftpUpkeep,
    is_temporary,
    join_name,
    temporary_name,
)
from chunkvault.backends.ssh_channel import SshChannel
from chunkvault.backends.ssh_failures import tidy
from chunkvault.backends.upkeep import Upkeep, is_abandoned
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectExists,
    ObjectNotFound,
    StorageFull,
    StorageUnreachable,
    UsageError,
)

__all__ = ["SftpBackend", "open_location"]

_HOST = re.compile(r"[A-Za-z0-9_.:%][A-Za-z0-9_.:%-]*\Z")
_HINT = "write sftp://user@host/path, or sftp://host/~/path for one below your home"

# Nothing asks, forwards, shares or stays behind, whatever the configuration says.
_SSH = (
    *("ssh", "-T", "-x", "-a"),
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=15"),
    *("-o", "ServerAliveCountMax=4"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
    *("-o", "RemoteCommand=none"),
    *("-o", "ControlMaster=no"),
)

_KINDS: dict[int, tuple[type[BackendError], str]] = {
    Status.PERMISSION_DENIED: (AccessDenied, "permission denied"),
    Status.WRITE_PROTECTED: (AccessDenied, "the storage is read-only"),
    Status.NO_CONNECTION: (StorageUnreachable, "the server has no connection"),
    Status.CONNECTION_LOST: (StorageUnreachable, "the server lost its connection"),
    Status.NO_SPACE: (StorageFull, "no space left on the server"),
    Status.QUOTA_EXCEEDED: (
        StorageFull,
        "the server could not write it, perhaps because a quota is used up",
    ),
    Status.UNSUPPORTED: (BackendError, "the server cannot do that"),
}


class _Target(NamedTuple):
    """What a location says.

    Attributes:
        command: that connects.
        root: path of the repository on the server, without a slash at its end.
        store: how messages name it.
    """

    command: tuple[str, ...]
    root: bytes
    store: str


def open_location(location: str, options: StorageOptions) -> "SftpBackend":
    """The backend at a location; nothing is connected yet.

    Raises:
        UsageError: the location makes no sense.
    """
    return SftpBackend(_parse(location), options)


class SftpBackend:
    """Objects as files below a folder, which the first `put` creates."""

    def __init__(self, target: _Target, options: StorageOptions) -> None:
        self.store = target.store
        self._target = target
        self._options = options
        self._pool = ConnectionPool(self._connect, options.connections)
        self._lock = Lock()
        self._lost: set[bytes] = set()  # temporary files of ours without a connection
        self._seen: dict[bytes, int] = {}  # others' and when they were written to

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Write, sync, link into place, sync the folder."""
        require_name(name)
        path = self._path_of(name)
        temporary = os.path.join(os.path.dirname(path), temporary_name())
        content = memoryview(data).cast("B")
        with self._session("store", name) as client, self._lost_if_broken(temporary):
            stored = store_file(client, path, temporary, content)
            self._remove_leftovers(client, stored.server_time_s)
        if not stored.is_new:
            raise ObjectExists(f"{name} exists already")

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Open, read the range, close."""
        require_name(name)
        with self._session("read", name, missing=ObjectNotFound) as client:
            return read_file(client, self._path_of(name), offset, length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List the folders that can hold matching names, a number of them at a time.

        No connection is held while the caller looks at what was found.
        """
        for folder, entry in self._walk(prefix):
            self._notice_temporary(folder, entry)
            name = join_name(folder, entry.name)
            is_file = stat.S_ISREG(entry.attributes.permissions or 0)
            if is_file and check_name(name) and name.startswith(prefix):
                yield ObjectInfo(name, entry.attributes.size or 0)

    def delete(self, name: str) -> None:
        """Remove the file, durably; its folder stays."""
        require_name(name)
        with self._session("delete", name) as client:
            remove_file(client, self._path_of(name))

    def close(self) -> None:
        """End the connections, and with them their processes."""
        self._pool.close()

    def upkeep(self) -> Upkeep:
        """What interrupted runs left."""
        return SftpUpkeep(self._session, self._walk, self._path_of)

    def _connect(self) -> SftpClient:
        channel = SshChannel(
            self._target.command, self._options.environment, self.store
        )
        return SftpClient(channel, self._options.traffic)

    def _path_of(self, name: str) -> bytes:
        if not name:
            return self._target.root or b"/"
        return self._target.root + b"/" + name.encode("ascii")

    @contextmanager
    def _session(
        self, verb: str, name: str, missing: type[BackendError] = StorageUnreachable
    ) -> Iterator[SftpClient]:
        """A connection; what the server refuses becomes an error of ours."""
        try:
            with self._pool.borrow() as client:
                yield client
        except StatusError as error:
            kind, reason = _KINDS.get(error.code, (BackendError, ""))
            if error.code in (Status.NO_SUCH_FILE, Status.NO_SUCH_PATH):
                kind, reason = missing, "there is no such file"
            reason = reason or tidy(error.message).lower() or f"status {error.code}"
            raise kind(f"cannot {verb} {name} on {self.store}: {reason}") from error

    def _walk(self, prefix: str) -> Iterator[tuple[str, NameEntry]]:
        """All entries of the folders that can hold matching names, foreign ones, too.

        Each with its folder.
        """
        start = prefix.rpartition("/")[0]
        folders = [start] if not start or check_name(start) else []
        while folders:
            with self._session("list", folders[0] or self.store) as client:
                limit = folders_at_once(client)
                batch, folders = folders[:limit], folders[limit:]
                paths = [self._path_of(folder) for folder in batch]
                listings = list_folders(client, paths)
            for folder, entries in zip(batch, listings, strict=True):
                folders += _folders_in(folder, entries, prefix)
                yield from ((folder, entry) for entry in entries)

    def _notice_temporary(self, folder: str, entry: NameEntry) -> None:
        modified_s = entry.attributes.modified_s
        if modified_s is not None and is_temporary(entry.name):
            with self._lock:
                self._seen[self._path_of(folder) + b"/" + entry.name] = modified_s

    @contextmanager
    def _lost_if_broken(self, temporary: bytes) -> Iterator[None]:
        try:
            yield
        except BackendError:
            with self._lock:
                self._lost.add(temporary)
            raise

    def _remove_leftovers(self, client: SftpClient, now_s: int | None) -> None:
        """What our lost connections left, and what others left a day ago.

        Costs no round trip: listings have shown the files, and storing has told
        the server's time.
        """
        with self._lock:
            old = {
                path
                for path, modified_s in self._seen.items()
                if now_s is not None and is_abandoned(now_s - modified_s)
            }
            leftovers = self._lost | old
            self._lost = set()
            for path in old:
                del self._seen[path]
        for path in leftovers:
            client.post(Kind.REMOVE, encode_string(path))


def _folders_in(
    folder: str, entries: Iterable[NameEntry], prefix: str
) -> Iterator[str]:
    """Names of the folders among entries that can hold matching names."""
    for entry in entries:
        name = join_name(folder, entry.name)
        if check_name(name) and stat.S_ISDIR(entry.attributes.permissions or 0):
            inside = name + "/"
            if prefix.startswith(inside) or inside.startswith(prefix):
                yield name


def _parse(location: str) -> _Target:
    try:
        parts = urlsplit(location)
        user, host, port = parts.username, parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"not a location: {error}", hint=_HINT) from error
    if parts.password is not None:
        raise UsageError(
            "a password does not belong in an sftp location",
            hint="let ssh log in with a key, from ~/.ssh or an agent",
        )
    # urlsplit makes hosts lower case, but names in ~/.ssh/config need not be.
    host = _as_written(parts.netloc, host or "")
    user = unquote(user or "")
    if not _HOST.match(host) or user.startswith("-") or "\0" in user:
        raise UsageError("no host that ssh could connect to", hint=_HINT)
    root = _root_of(parts.path)
    config = _config_in(parts.query)
    command = [*_SSH]
    command += ["-F", config] if config else []
    command += ["-p", str(port)] if port else []
    command += ["-l", user] if user else []
    command += ["-s", "--", host, "sftp"]
    store = f"sftp://{parts.netloc}{tidy(parts.path)}"
    return _Target(tuple(command), root, store)


def _as_written(netloc: str, host: str) -> str:
    at = netloc.lower().rfind(host)
    return netloc[at : at + len(host)]


def _root_of(path: str) -> bytes:
    root = unquote_to_bytes(os.fsencode(path)).rstrip(b"/")
    if not path or b"\0" in root or root == b"/~":
        raise UsageError("the location names no folder on the server", hint=_HINT)
    # Servers take a path without a slash in front from the user's home.
    return root.removeprefix(b"/~/") if root.startswith(b"/~/") else root


def _config_in(query: str) -> str:
    settings = dict(parse_qsl(query, keep_blank_values=True))
    config = settings.pop("ssh-config", "")
    if settings:
        raise UsageError(
            f"unknown settings in an sftp location: {', '.join(sorted(settings))}",
            hint="there is only ssh-config=FILE; the rest belongs in that file",
        )
    return config
