"""What the user wrote as a location, turned into a backend.

::

    /path  ./path  path        a directory
    file:///path               a directory; %20 and the like are decoded
    memory:name                in memory, shared by the whole process (tests)
    s3: b2: sftp: rclone:      recognised, not supported yet
"""

import os
import re
from threading import Lock
from urllib.parse import unquote_to_bytes, urlsplit

from chunkvault.backends.base import Backend
from chunkvault.backends.local import LocalBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import UsageError

__all__ = ["describe", "is_remote", "open_backend"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LOCAL = frozenset({"file", "memory"})
_LATER = frozenset({"s3", "b2", "sftp", "rclone"})
# Greedy up to the last "@": a password may hold "/" and "@" itself.
_CREDENTIALS = re.compile(r"(//[^/:@]*):.*@")

_memory_backends: dict[str, MemoryBackend] = {}
_memory_lock = Lock()


def open_backend(location: str) -> Backend:
    """Open the backend at a location; nothing is created, read or connected yet.

    A relative path counts from the working directory at the time of each use,
    so callers make it absolute first.

    Raises:
        UsageError: the location makes no sense, or names a kind of storage
            that this version does not know.
    """
    match = _SCHEME.match(location)
    scheme = match[1].lower() if match else ""
    if not scheme:
        return _open_directory(os.fsencode(location))
    if scheme == "file":
        return _open_directory(_path_of_url(location))
    if scheme == "memory":
        return _open_memory(location)
    raise _unsupported(scheme, location)


def is_remote(location: str) -> bool:
    """Whether requests go to a store that answers over a line."""
    match = _SCHEME.match(location)
    return match is not None and match[1].lower() not in _LOCAL


def describe(location: str) -> str:
    """The location as it may be shown and logged: without its password."""
    return _CREDENTIALS.sub(r"\1:***@", location)


def _open_directory(path: bytes) -> LocalBackend:
    if not path or b"\0" in path:
        raise UsageError(
            "the location of the repository is empty or not a path",
            hint="give a folder, as in '-r /mnt/backup/repository'",
        )
    return LocalBackend(path)


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


def _unsupported(scheme: str, location: str) -> UsageError:
    if scheme in _LATER:
        return UsageError(
            f"this version does not support {scheme} yet: {describe(location)}",
            hint="use a folder for now",
        )
    return UsageError(
        f"unknown kind of storage {scheme!r} in {describe(location)}",
        hint=f"for a folder of that name write ./{describe(location)}",
    )
