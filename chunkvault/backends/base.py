"""The contract of every storage: five verbs on named, write-once objects.

Retrying, caching, counting and injected faults are wrappers that are themselves
backends. The suite in ``tests/contract`` checks each of them against this text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Protocol

from chunkvault.errors import UsageError

__all__ = [
    "MAX_NAME_LENGTH",
    "Backend",
    "ObjectInfo",
    "can_list_after",
    "check_name",
    "forget_kept",
    "list_after",
]

MAX_NAME_LENGTH = 200
_NAME_CHARACTERS = frozenset(ascii_letters + digits + "/._-")


@dataclass(frozen=True, slots=True, order=True)
class ObjectInfo:
    """One line of a listing: an object's name and its length in bytes."""

    name: str
    size: int


class Backend(Protocol):
    """Named, write-once objects. Every method may be called from any thread.

    Errors are the subclasses of `chunkvault.errors.BackendError`, and their
    messages name the object.
    """

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Store an object: durable on return, and whole or absent at any moment.

        The caller keeps the buffer and may reuse it afterwards.

        Raises:
            ObjectExists: the name is taken; nothing was changed.
            StorageFull: no space; nothing under that name is left behind.
            AccessDenied: the storage is read-only or does not permit it.
        """

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read ``length`` bytes from ``offset``, or all from there on.

        Returns:
            Exactly ``length`` bytes; fewer only where the object ends sooner.

        Raises:
            ObjectNotFound: there is no such object.
            AccessDenied: the storage does not permit it.
        """

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All complete objects whose name starts with ``prefix``, in any order.

        Names that `check_name` refuses (foreign files) are left out.
        """

    def delete(self, name: str) -> None:
        """Remove an object; one that is absent is fine."""

    def close(self) -> None:
        """Let go of connections. The backend is not used afterwards."""


def check_name(name: str) -> bool:
    """Whether a name may stand on a backend.

    ASCII letters, digits and ``/._-``, at most 200 characters, and no path
    component that is empty or starts with a dot: so that a name is a safe relative
    path everywhere, and temporary files can hide behind a dot.

    A repository's own names have no capital letters, so that a copy may lie where
    those count as the small ones; `chunkvault.format.names` passes over others.
    Files of duplicity's archives have them.
    """
    if not 0 < len(name) <= MAX_NAME_LENGTH or not _NAME_CHARACTERS.issuperset(name):
        return False
    return all(part and part[0] != "." for part in name.split("/"))


def list_after(backend: Backend, prefix: str, after: str) -> Iterator[ObjectInfo]:
    """List from where an earlier listing broke off, if the backend can do that.

    One that lists in the order of names may have a method
    ``list_after(prefix, after)``, which begins with the first name that is greater
    than ``after``. Others list everything once more.

    Args:
        backend: to be listed.
        prefix: of the names.
        after: the greatest name that is known; empty for none.
    """
    method = getattr(backend, "list_after", None)
    if not after or method is None:
        return backend.list(prefix)
    lines: Iterator[ObjectInfo] = method(prefix, after)
    return lines


def can_list_after(backend: Backend) -> bool:
    """Whether `list_after` lists in the order of names, and nothing before.

    A wrapper that has the method for whatever it wraps says so in an attribute
    ``can_list_after``.
    """
    says = getattr(backend, "can_list_after", None)
    return hasattr(backend, "list_after") if says is None else bool(says)


def forget_kept(backend: Backend, name: str, offset: int, length: int) -> None:
    """Have the next read of a range come from the store itself.

    For ranges that turned out not to be what was stored: they may have been changed
    on their way, before a cache kept them. Wrappers that keep something, or that
    wrap what does, have a method of this name.
    """
    method = getattr(backend, "forget_kept", None)
    if method is not None:
        method(name, offset, length)


def require_name(name: str) -> None:
    """Refuse a name that `check_name` refuses: a caller's mistake.

    Raises:
        UsageError: always with the name in its message.
    """
    if not check_name(name):
        raise UsageError(f"{name!r} is not a name for an object")
