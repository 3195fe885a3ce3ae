"""The paths of a backup as one tree that starts at ``/``."""

from collections.abc import Iterable

__all__ = ["RootTree", "build_roots"]

RootTree = dict[bytes, "RootTree | None"]
"""Name to what lies below: None for a path that was asked for, which is stored
whole; a tree for a directory on the way to one, of which only that is stored."""


def build_roots(paths: Iterable[bytes]) -> "RootTree | None":
    """The tree of these absolute paths; None if ``/`` itself is one of them."""
    top: RootTree = {}
    for path in sorted(paths):
        names = [name for name in path.split(b"/") if name]
        if not names:
            return None
        _insert(top, names)
    return top


def _insert(tree: RootTree, names: list[bytes]) -> None:
    *way, last = names
    for name in way:
        below = tree.setdefault(name, {})
        if below is None:
            return  # a path above was asked for, so this one is part of it
        tree = below
    tree[last] = None
