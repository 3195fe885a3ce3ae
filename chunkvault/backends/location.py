"""What the user wrote as a location, turned into a backend.

::

    /path  ./path  path        a directory
    file:///path               a directory; %20 and the like are decoded
    memory:name                in memory, shared by the whole process (tests)
    s3: b2: sftp: rclone:      a store somewhere else, see docs/backends.md
    http: https:               a copy on a web server, only to be read
    name:                      what an installed package adds under this name

A package adds a kind of storage by an entry point of the group
``chunkvault.backends``: its name is the scheme, and it leads to a function like
`OpenLocation`.
"""

import os
import re
from collections.abc import Callable
from importlib import import_module
from threading import Lock
from typing import cast
from urllib.parse import unquote_to_bytes, urlsplit

from chunkvault.backends.base import Backend
from chunkvault.backends.limiting import LimitingBackend
from chunkvault.backends.local import LocalBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.retrying import RetryingBackend
from chunkvault.errors import RepositoryNotFound, UsageError

__all__ = ["OpenLocation", "describe", "is_remote", "lies_in", "open_backend"]

OpenLocation = Callable[[str, StorageOptions], Backend]
"""Opens the backend at a location of its scheme, without connecting yet.

Raises `UsageError` for a location that makes no sense.
"""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LOCAL = frozenset({"", "file", "memory"})
_REMOTE = {
    "s3": "chunkvault.backends.s3",
    "b2": "chunkvault.backends.b2",
    "sftp": "chunkvault.backends.sftp",
    "rclone": "chunkvault.backends.rclone",
    "http": "chunkvault.backends.http",
    "https": "chunkvault.backends.http",
}
"""Modules with a function ``open_location``; loaded when they are needed."""

_THROUGH_RCLONE = frozenset({"dav", "davs", "ftp", "ftps", "webdav", "webdavs"})
_ENTRY_POINTS = "chunkvault.backends"
# Greedy up to the last "@": a password may hold "/" and "@" itself.
_CREDENTIALS = re.compile(r"(//[^/:@]*):.*@")

_memory_backends: dict[str, MemoryBackend] = {}
_memory_lock = Lock()


def open_backend(location: str, options: StorageOptions | None = None) -> Backend:
    """Open the backend at a location; nothing is created or connected yet.

    A relative path counts from the working directory at the time of each use,
    so callers make it absolute first. A store somewhere else comes with limits,
    and with patience when it does not answer.

    Raises:
        UsageError: the location makes no sense, or names a kind of storage
            that this version does not know.
        RepositoryNotFound: it is a file on the local disk.
    """
    directory = _directory_of(location)
    if directory is not None:
        return _open_directory(directory)
    scheme = _scheme(location)
    if scheme == "memory":
        return _open_memory(location)
    return _open_remote(scheme, location, options or StorageOptions())


def is_remote(location: str) -> bool:
    """Whether requests go to a store that answers over a line."""
    return _scheme(location) not in _LOCAL


def lies_in(location: str, other: str) -> bool:
    """Whether a location is another one, or below it, as far as their words tell.

    Folders are compared by where links lead, stores by what was written.
    """
    folder, other_folder = _directory_of(location), _directory_of(other)
    if folder is not None and other_folder is not None:
        above = os.path.realpath(other_folder)
        return os.path.commonpath([os.path.realpath(folder), above]) == above
    return f"{location.rstrip('/')}/".startswith(f"{other.rstrip('/')}/")


def describe(location: str) -> str:
    """The location as it may be shown and logged: without its password."""
    return _CREDENTIALS.sub(r"\1:***@", location)


def _open_directory(path: bytes) -> LocalBackend:
    if not path or b"\0" in path:
        raise UsageError(
            "the location of the repository is empty or not a path",
            hint="give a folder, as in '-r /mnt/backup/repository'",
        )
    if os.path.exists(path) and not os.path.isdir(path):
        shown = os.fsdecode(path)
        raise RepositoryNotFound(
            f"{shown} is a file, not a folder",
            hint=f"name the folder that it lies in: {os.path.dirname(shown) or '.'}",
        )
    return LocalBackend(path)


def _directory_of(location: str) -> bytes | None:
    scheme = _scheme(location)
    if not scheme:
        return os.fsencode(location)
    return _path_of_url(location) if scheme == "file" else None


def _path_of_url(location: str) -> bytes:
    parts = urlsplit(location)
    path = location.split(":", 1)[1].removeprefix("//" + parts.netloc)
    if parts.netloc.lower() not in {"", "localhost"} or not path.startswith("/"):
        raise UsageError(
            f"{describe(location)} does not name a folder of this machine",
            hint="write three slashes, as in file:///mnt/backup/repository",
        )
    return unquote_to_bytes(os.fsencode(path))


def _open_memory(location: str) -> MemoryBackend:
    name = location.split(":", 1)[1]
    with _memory_lock:
        return _memory_backends.setdefault(name, MemoryBackend())


def _open_remote(scheme: str, location: str, options: StorageOptions) -> Backend:
    backend = _find_opener(scheme, location)(location, options)
    limited = LimitingBackend(
        backend, options.connections, options.upload_pace, options.download_pace
    )
    return RetryingBackend(limited, describe(location), options.clock, options.tell)


def _find_opener(scheme: str, location: str) -> OpenLocation:
    if scheme in _REMOTE:
        module = import_module(_REMOTE[scheme])
        return cast("OpenLocation", module.open_location)
    from importlib.metadata import entry_points  # noqa: PLC0415 - takes long to load

    for entry in entry_points(group=_ENTRY_POINTS, name=scheme):
        try:
            return cast("OpenLocation", entry.load())
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the package that adds the storage {scheme!r} is broken: {error}",
                hint=f"install {entry.value.partition('.')[0]} again, or remove it",
            ) from error
    raise _unknown(scheme, describe(location))


def _unknown(scheme: str, shown: str) -> UsageError:
    hint = f"for a folder of that name write ./{shown}"
    if scheme in _THROUGH_RCLONE:
        hint = "rclone speaks it: make a remote with 'rclone config', then use rclone:"
    return UsageError(f"unknown kind of storage {scheme!r} in {shown}", hint=hint)


def _scheme(location: str) -> str:
    match = _SCHEME.match(location)
    return match[1].lower() if match else ""
