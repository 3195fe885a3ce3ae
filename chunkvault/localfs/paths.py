"""Relative paths of a target: which are refused, and how errors name them."""

import errno
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from chunkvault.errors import TargetFull, UnsafePath

__all__ = [
    "is_name",
    "join_path",
    "named_error",
    "naming_path",
    "readable",
    "split_path",
    "unsafe_path",
]

_NO_NAMES = (b"", b".", b"..")

_Owner = TypeVar("_Owner")
_Rest = ParamSpec("_Rest")
_Result = TypeVar("_Result")


def split_path(path: bytes) -> tuple[bytes, bytes]:
    """A path as its directory and its last component, which is checked.

    Raises:
        UnsafePath: the last component is no plain name, or the path is absolute.
    """
    above, _, name = path.rpartition(b"/")
    if not is_name(name) or path.startswith(b"/"):
        raise unsafe_path(path)
    return above, name


def unsafe_path(path: bytes, reason: str = "it is no path in the target") -> UnsafePath:
    """The error that refuses a path."""
    return UnsafePath(f"refused '{readable(path)}': {reason}")


def is_name(component: bytes) -> bool:
    """Whether it names an entry, and nothing but an entry, of a directory."""
    return component not in _NO_NAMES and b"\0" not in component


def join_path(directory: bytes, name: bytes) -> bytes:
    """The path of a name in a directory; the root's path is empty."""
    return directory + b"/" + name if directory else name


def naming_path(
    method: Callable[Concatenate[_Owner, bytes, _Rest], _Result],
) -> Callable[Concatenate[_Owner, bytes, _Rest], _Result]:
    """Let the method's system errors name its whole path, not one component.

    A lack of space becomes `TargetFull`.
    """

    @wraps(method)
    def wrapper(
        self: _Owner, path: bytes, /, *args: _Rest.args, **options: _Rest.kwargs
    ) -> _Result:
        try:
            return method(self, path, *args, **options)
        except OSError as error:
            raise named_error(error, path) from error

    return wrapper


def named_error(error: OSError, path: bytes) -> Exception:
    """The error as it is told: with the whole path; `TargetFull` for lack of space."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TargetFull(f"no space left to restore '{readable(path)}'")
    return OSError(error.errno, error.strerror, path)


def readable(path: bytes) -> str:
    """A path for a message, with all but ordinary characters escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
