"""Which entries with several names this restore may name once more, or change."""

import errno
import os

from chunkvault.format.node import Node
from chunkvault.localfs.paths import unsafe_path

__all__ = ["HardLinks", "Identity", "identity_of"]

Identity = tuple[int, int]
"""Device and number of an entry."""


class HardLinks:
    """Remembers entries with several names; any thread may use it.

    Only these, so that a million ordinary files cost no memory.
    """

    def __init__(self) -> None:
        self._identities: dict[bytes, Identity] = {}
        self._made: set[Identity] = set()

    def add_made(self, path: bytes, node: Node, status: os.stat_result) -> None:
        """An entry was made at a path."""
        if node.links > 1:
            self._identities[path] = identity = identity_of(status)
            self._made.add(identity)

    def add_name(self, path: bytes, identity: Identity) -> None:
        """An entry was found equal at a path, or got a name there."""
        self._identities[path] = identity

    def check_known(self, path: bytes, status: os.stat_result) -> Identity:
        """The identity of what is at a path, if it is what was added for it.

        Raises:
            UnsafePath: it is something else, or nothing was added.
        """
        identity = identity_of(status)
        if self._identities.get(path) != identity:
            raise unsafe_path(
                path, "a hard link to it would not be to what was restored"
            )
        return identity

    def check_unshared(self, status: os.stat_result) -> None:
        """Whether changing the entry changes nothing outside the target.

        One of several names may be outside: planted there, or because somebody
        made a copy of a tree with hard links.

        Raises:
            OSError: ``EMLINK``: it has several names and was not made here.
        """
        if status.st_nlink > 1 and identity_of(status) not in self._made:
            raise OSError(errno.EMLINK, "it has other names that would change with it")


def identity_of(status: os.stat_result) -> Identity:
    """What names the entry, whatever its paths are."""
    return status.st_dev, status.st_ino
