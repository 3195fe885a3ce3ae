"""What this machine remembers of a repository: the snapshots it has seen.

A storage that loses a snapshot, or is rolled back to an earlier state, looks whole
by itself. Only somebody who remembers can tell. The memory lies in the cache, and
without a cache there is none.
"""

import os
from collections.abc import Iterable
from contextlib import suppress

from chunkvault.cli.settings import Settings
from chunkvault.ids import RepositoryId

__all__ = ["recall_snapshots", "remember_snapshots"]


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


def _path(settings: Settings, repository: RepositoryId) -> bytes | None:
    if settings.cache_directory is None:
        return None
    name = os.fsencode(repository.hex())
    return os.path.join(settings.cache_directory, b"seen", name)
