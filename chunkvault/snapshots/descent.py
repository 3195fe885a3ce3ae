"""Going down through directories, whatever stands for one: depth first, by paths."""

from collections.abc import Callable, Iterator
from typing import TypeVar

__all__ = ["depth_first"]

_Item = TypeVar("_Item")


def depth_first(
    prefix: bytes,
    items: Iterator[_Item],
    name_of: Callable[[_Item], bytes],
    below: Callable[[bytes, _Item], Iterator[_Item] | None],
) -> Iterator[tuple[bytes, _Item]]:
    """Each item with its path, and what is below it, an item before its content.

    Args:
        prefix: path of what the items stand in, without a slash at its end.
        items: to begin with.
        name_of: the last name of an item's path.
        below: is given path and item when whoever asked is done with them; what
            stands in it, or None.
    """
    # Levels on a list of our own: trees may be deeper than the interpreter's stack.
    levels = [(prefix, items)]
    while levels:
        prefix, items = levels[-1]
        item = next(items, None)
        if item is None:
            levels.pop()
            continue
        path = prefix + b"/" + name_of(item)
        yield path, item
        content = below(path, item)
        if content is not None:
            levels.append((path, content))
