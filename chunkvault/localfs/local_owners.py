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
        self._users: dict[bytes, int | None] = {}
        self._groups: dict[bytes, int | None] = {}

    def of(self, node: Node) -> tuple[int, int]:
        """The numbers of the node's user and group here."""
        if self._numeric_only:
            return _valid(node.uid), _valid(node.gid)
        return (
            _local(self._users, node.user, node.uid, _find_user),
            _local(self._groups, node.group, node.gid, _find_group),
        )


def _local(
    known: dict[bytes, int | None],
    name: bytes,
    number: int,
    find: Callable[[str], int],
) -> int:
    try:
        found = known[name]
    except KeyError:
        found = known[name] = _find(name, find)
    return _valid(number) if found is None else found


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
