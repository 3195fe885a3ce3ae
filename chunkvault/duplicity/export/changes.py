"""What differs between two snapshots, in the order that duplicity needs.

duplicity sorts by the tuple of a path's components: ``d``, ``d/b``, ``d-x``. That is
the order in which trees are walked, a directory before its content. Trees that are
the same are known by their ids and not entered.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from chunkvault.errors import DamageError
from chunkvault.format.node import Node, NodeKind
from chunkvault.ids import BlobId
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["Change", "OldTreeUnreadableError", "Root", "walk_changes"]


class Root(NamedTuple):
    """What an archive shows as ``.``: a directory of a snapshot, or a file."""

    node: Node
    tree: BlobId | None


class Change(NamedTuple):
    """One path that is not as it was before.

    Attributes:
        path: relative to the root, which is empty.
        old: what stood there; None if nothing did.
        new: what stands there now; None if it is gone.
    """

    path: bytes
    old: Node | None
    new: Node | None


class OldTreeUnreadableError(Exception):
    """A directory of the older snapshot is damaged: what is gone cannot be told."""


_Pair = tuple[Node | None, Node | None]


class _Walk:
    def __init__(
        self,
        trees: TreeReader,
        on_damage: Callable[[bytes, DamageError], None],
    ) -> None:
        self._trees = trees
        self._on_damage = on_damage

    def run(self, old: Root | None, new: Root) -> Iterator[Change]:
        if old is None or _bare(old.node) != _bare(new.node):
            yield Change(b"", old and old.node, new.node)
        old_tree = old and old.tree
        if old_tree == new.tree and old is not None:
            return
        stack = [(b"", self._pairs(b"", old_tree, new.tree))]
        while stack:
            prefix, pairs = stack[-1]
            for before, now in pairs:
                name = now.name if now is not None else before.name  # type: ignore[union-attr]
                path = prefix + name
                if before is None or now is None or _bare(before) != _bare(now):
                    yield Change(path, before, now)
                old_tree, new_tree = _tree_of(before), _tree_of(now)
                if old_tree != new_tree:
                    below = self._pairs(path, old_tree, new_tree)
                    stack.append((path + b"/", below))
                    break
            else:
                stack.pop()

    def _pairs(
        self, path: bytes, old: BlobId | None, new: BlobId | None
    ) -> Iterator[_Pair]:
        """Both directories side by side, in the order of names."""
        olds, news = self._old_nodes(path, old), self._new_nodes(path, new)
        before, now = next(olds, None), next(news, None)
        while before is not None or now is not None:
            if now is None or (before is not None and before.name < now.name):
                yield before, None
                before = next(olds, None)
            elif before is None or now.name < before.name:
                yield None, now
                now = next(news, None)
            else:
                yield before, now
                before, now = next(olds, None), next(news, None)

    def _old_nodes(self, path: bytes, tree: BlobId | None) -> Iterator[Node]:
        if tree is None:
            return
        try:
            yield from self._trees.entries(tree)
        except DamageError as error:
            raise OldTreeUnreadableError(path) from error

    def _new_nodes(self, path: bytes, tree: BlobId | None) -> Iterator[Node]:
        """What of a directory can be read; a small one comes whole or not at all."""
        if tree is None:
            return
        try:
            yield from self._trees.entries(tree)
        except DamageError as error:
            self._on_damage(path, error)


def walk_changes(
    trees: TreeReader,
    roots: tuple[Root | None, Root],
    on_damage: Callable[[bytes, DamageError], None],
) -> Iterator[Change]:
    """Everything that differs, sorted by the components of the paths.

    Args:
        trees: reads both snapshots.
        roots: the older one, None for a full set, and the newer one.
        on_damage: told of each directory of the newer one that cannot be read; the
            walk goes on behind it.

    Raises:
        OldTreeUnreadableError: only a full set is possible.
    """
    yield from _Walk(trees, on_damage).run(*roots)


def _bare(node: Node) -> Node:
    """All but what is below a directory."""
    return node if node.subtree is None else node._replace(subtree=None)


def _tree_of(node: Node | None) -> BlobId | None:
    if node is None or node.kind != NodeKind.DIRECTORY:
        return None
    return node.subtree
