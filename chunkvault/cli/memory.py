"""What this machine remembers of a repository: snapshots seen, names of objects.

A storage that loses a snapshot, or is rolled back to an earlier state, looks whole
by itself. Only somebody who remembers can tell. Who knows the names of key slot and
index runs opens it with one request. The memory lies in the cache, and without a
cache there is none.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from chunkvault.cli.cache_files import name_of, replace_file
from chunkvault.cli.settings import Settings
from chunkvault.ids import RepositoryId

if TYPE_CHECKING:
    from chunkvault.backends.habits import Habits
    from chunkvault.repository import Recollection

__all__ = [
    "recall_habits",
    "recall_names",
    "recall_snapshots",
    "remember_habits",
    "remember_names",
    "remember_snapshots",
]

_MAX_BYTES = 1 << 20
_STORES = b"stores"


def recall_snapshots(settings: Settings, repository: RepositoryId) -> frozenset[str]:
    """The object names of the snapshots that were seen; none if nothing is known."""
    path = _path(settings, repository)
    if path is None:
        return frozenset()
    try:
        with open(path, encoding="ascii") as file:
            return frozenset(file.read().split())
    except (OSError, ValueError):
        return frozenset()


def remember_snapshots(
    settings: Settings, repository: RepositoryId, names: Iterable[str]
) -> None:
    """Remember these as well; a cache that cannot be written remembers nothing."""
    path = _path(settings, repository)
    known = recall_snapshots(settings, repository)
    new = sorted(set(names) - known)
    if path is None or not new:
        return
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            # One write: lines of two processes do not mix.
            os.write(descriptor, "".join(f"{name}\n" for name in new).encode("ascii"))
        finally:
            os.close(descriptor)


def recall_names(settings: Settings, location: str) -> "Recollection | None":
    """The names of objects at a location; None if nothing is known."""
    from chunkvault.repository import Recollection  # brings the cipher along

    path = _names_path(settings, location)
    if path is None:
        return None
    try:
        with open(path, encoding="ascii") as file:
            return Recollection.from_text(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None


def remember_names(
    settings: Settings, location: str, recollection: "Recollection"
) -> None:
    """Remember these instead; a cache that cannot be written remembers nothing."""
    path = _names_path(settings, location)
    if path is not None and recollection != recall_names(settings, location):
        replace_file(path, os.fsencode(recollection.to_text()))


def recall_habits(settings: Settings) -> "Habits | None":
    """What was found out about stores; None where nothing can be remembered."""
    from chunkvault.backends.habits import Habits  # with the backends

    if settings.cache_directory is None:
        return None
    try:
        path = os.path.join(settings.cache_directory, _STORES)
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return Habits.from_text(file.read(_MAX_BYTES))
    except OSError:
        return Habits()


def remember_habits(settings: Settings, habits: "Habits") -> None:
    """Remember what was found out, if anything was."""
    if settings.cache_directory is not None and habits.is_changed:
        path = os.path.join(settings.cache_directory, _STORES)
        replace_file(path, os.fsencode(habits.to_text()))


def _names_path(settings: Settings, location: str) -> bytes | None:
    if settings.cache_directory is None:
        return None
    return os.path.join(settings.cache_directory, b"names", name_of(location))


def _path(settings: Settings, repository: RepositoryId) -> bytes | None:
    if settings.cache_directory is None:
        return None
    name = os.fsencode(repository.hex())
    return os.path.join(settings.cache_directory, b"seen", name)
