"""Who a node's owner is on this machine: the user of that name, else the number."""

import grp
import os
import pwd
from collections.abc import Callable

from chunkvault.format.node import Node

__all__ = ["LocalOwners"]

_NOBODY_KNOWS = 0xFFFF_FFFF
"""To the kernel this number says "leave it as it is", so it is nobody's."""

_OVERFLOW_ID = 65534
"""What the kernel shows for an owner that it cannot express."""


class LocalOwners:
    """Finds and remembers the numbers of users and groups; any thread may use it."""

    def __init__(self, *, numeric_only: bool = False) -> None:
        self._numeric_only = numeric_only
        self._known: dict[tuple[bytes, int, bytes, int], tuple[int, int]] = {}

    def of(self, node: Node) -> tuple[int, int]:
        """The numbers of the node's user and group here."""
        key = (node.user, node.uid, node.group, node.gid)
        try:
            return self._known[key]
        except KeyError:
            found = self._known[key] = self._find(*key)
            return found

    def _find(self, user: bytes, uid: int, group: bytes, gid: int) -> tuple[int, int]:
        local_uid = local_gid = None
        if not self._numeric_only:
            local_uid, local_gid = _find(user, _find_user), _find(group, _find_group)
        return (
            _valid(uid) if local_uid is None else local_uid,
            _valid(gid) if local_gid is None else local_gid,
        )


def _find(name: bytes, find: Callable[[str], int]) -> int | None:
    if not name:
        return None
    try:
        return find(os.fsdecode(name))
    except (KeyError, ValueError):  # nobody of that name, or a name with a NUL
        return None


def _find_user(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _find_group(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def _valid(number: int) -> int:
    return number if 0 <= number < _NOBODY_KNOWS else _OVERFLOW_ID
