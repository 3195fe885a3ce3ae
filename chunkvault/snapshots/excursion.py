"""Going through what is placed in a target: directories first, then their content."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from chunkvault.errors import DamageError
from chunkvault.format.node import Node, NodeKind
from chunkvault.ids import BlobId
from chunkvault.snapshots.placement import Placement
from chunkvault.snapshots.tree_reader import DamagedPath, TreeReader

__all__ = ["EnterDirectory", "PlacedNode", "walk_placement"]


class PlacedNode(NamedTuple):
    """A node and its place below the target directory."""

    path: bytes
    node: Node


EnterDirectory = Callable[[bytes, Node | None, BlobId | None], bool]
"""Told of each directory (place, node, entries); says whether to go in."""


def walk_placement(
    trees: TreeReader,
    placement: Placement,
    enter: EnterDirectory,
    on_damage: DamagedPath,
) -> Iterator[PlacedNode]:
    """Everything in ``placement`` that is no directory, depth first.

    Directories go to ``enter``, each before its content. A directory of which entries
    are damaged goes to ``on_damage``, and the walk goes on behind them.
    """
    path, node, tree = placement
    if node is not None and node.kind != NodeKind.DIRECTORY:
        yield PlacedNode(path, node)
    elif enter(path, node, tree) and tree is not None:
        yield from _walk_directory(trees, (path, tree), enter, on_damage)


def _walk_directory(
    trees: TreeReader,
    start: tuple[bytes, BlobId],
    enter: EnterDirectory,
    on_damage: DamagedPath,
) -> Iterator[PlacedNode]:
    # A stack of its own: directories may be nested deeper than Python's calls.
    def entries(path: bytes, tree: BlobId) -> tuple[bytes, Iterator[Node]]:
        return path, trees.entries_past(tree, partial(on_damage, path))

    pending = [entries(*start)]
    while pending:
        path, nodes = pending[-1]
        prefix = path + b"/" if path else b""
        try:
            for node in nodes:
                place = prefix + node.name
                if node.kind != NodeKind.DIRECTORY:
                    yield PlacedNode(place, node)
                elif enter(place, node, node.subtree) and node.subtree is not None:
                    pending.append(entries(place, node.subtree))
                    break
            else:
                pending.pop()
        except DamageError as error:
            on_damage(path, error)
            pending.pop()
