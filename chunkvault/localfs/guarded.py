"""Directories that a restore leaves alone, wherever it comes upon them.

A repository is often in the folder that it keeps, as one at ``/mnt/backups`` is in
``/``, and never in a snapshot of it. What is not in the snapshot is what a restore is
asked to delete.
"""

import os
from collections.abc import Iterable, Iterator

from chunkvault.errors import SafetyStop

__all__ = ["Guarded"]

_Identity = tuple[int, int]


class Guarded:
    """Directories told by identity, so that no link or mount hides one.

    Args:
        directories: absolute paths; those that are not there are passed over.
    """

    def __init__(self, directories: tuple[bytes, ...] = ()) -> None:
        real = [os.path.realpath(path) for path in directories]
        self._own = frozenset(_identities(real))
        around = (above for path in real for above in _upwards(path))
        self._around = frozenset(_identities(around)) if self._own else frozenset()

    def check_target(self, path: bytes) -> None:
        """Refuse a directory in one of these, whether or not it is there yet.

        Raises:
            SafetyStop: it is one, or in one.
        """
        above = _upwards(os.path.realpath(path))
        if self._own and not self._own.isdisjoint(_identities(above)):
            raise SafetyStop(
                f"{_shown(path)} is in the repository or its cache",
                hint="name a folder outside of both",
            )

    def check_entering(self, status: os.stat_result | None) -> None:
        """Refuse to write into one of these.

        Raises:
            SafetyStop: this is one.
        """
        if status is not None and _identity(status) in self._own:
            raise SafetyStop("it is the repository or its cache, and was left alone")

    def check_removal(self, status: os.stat_result | None) -> None:
        """Refuse to remove one of these, or what one is in.

        Raises:
            SafetyStop: this is one, or above one.
        """
        if status is not None and _identity(status) in self._around:
            raise SafetyStop("it holds the repository or its cache, and was left alone")


def _upwards(path: bytes) -> Iterator[bytes]:
    """A path and all that it leads through, up to the root."""
    yield path
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def _identities(paths: Iterable[bytes]) -> Iterator[_Identity]:
    for path in paths:
        try:
            yield _identity(os.stat(path))
        except OSError:
            continue


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _shown(path: bytes) -> str:
    return path.decode(errors="backslashreplace")
