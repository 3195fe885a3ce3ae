"""Format chapter 7, continued: columns of a tree as steps from node to node.

Times and inodes change from one backup to the next, and lie close together within
a directory: the differences compress to about half of the numbers themselves
(docs/decisions/0008).
"""

from collections.abc import Sequence
from itertools import accumulate
from operator import sub
from typing import Any

from chunkvault.errors import FormatError

__all__ = ["add_steps", "to_steps"]

_NAMES = {"mtime_ns": "mtime_steps", "ctime_ns": "ctime_steps", "inode": "inode_steps"}
_LOW, _HIGH = -(2**63), 2**64


def to_steps(field: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Name and values of the column that stands for this one in a tree.

    It is the column itself unless it has steps, all of which msgpack can hold.
    """
    if field in _NAMES:
        steps = [values[0], *map(sub, values[1:], values)]
        if min(steps) >= _LOW and max(steps) < _HIGH:
            return _NAMES[field], steps
    return field, list(values)


def add_steps(columns: dict[str, Any]) -> None:
    """Put the columns that steps stand for in their place in a tree.

    The sums are not checked.

    Raises:
        FormatError: steps that are no numbers, or stand beside their column.
    """
    for field, name in _NAMES.items():
        if name not in columns:
            continue
        steps = columns.pop(name)
        are_numbers = isinstance(steps, list) and set(map(type, steps)) == {int}
        if field in columns or not are_numbers:
            raise FormatError(f"the column {name} of a tree makes no sense")
        columns[field] = list(accumulate(steps))
