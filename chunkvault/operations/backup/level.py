"""A directory that is being walked, in step with the parent snapshot."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from chunkvault.errors import DamageError
from chunkvault.format.content import REF_BYTES
from chunkvault.format.node import Node
from chunkvault.ids import BlobId
from chunkvault.localfs.scan import SourceDirectory
from chunkvault.repository import BlobIndex

__all__ = [
    "Level",
    "ParentNodes",
    "TreeOfLevel",
    "are_alike",
    "are_chunks_stored",
    "identities",
    "identity",
    "is_directory",
    "is_within",
]

_DEVICE = Node._fields.index("device")


class TreeOfLevel(Protocol):
    """A tree that is made node by node."""

    def add(self, node: Node) -> None:
        """The next node; nodes come sorted by name."""

    def finish(self) -> BlobId:
        """The id of the tree."""


@dataclass(slots=True)
class Level:
    """A directory that is being walked: one element of the stack.

    Attributes:
        before: what it had in the parent snapshot.
        similar: if it is new, what a directory like it had: bases for what is new.
        done_before: entries that were done when it was begun.
        is_same: nothing differs from the parent snapshot so far.
        is_empty: nothing was put into it so far.
        needs_content: it is left out if nothing is put into it.
    """

    directory: SourceDirectory
    path: bytes
    names: Iterator[bytes]
    tree: "TreeOfLevel"
    before: "ParentNodes"
    similar: "ParentNodes | None"
    node: Node
    parent_node: Node | None
    done_before: int
    is_same: bool = True
    is_empty: bool = True
    needs_content: bool = False


class ParentNodes:
    """The nodes of the same directory in the parent snapshot, in step by name.

    Where they cannot be read ``on_damage`` is told, and there are no more of them.
    ``on_skip`` is told of each that is passed over.
    """

    def __init__(
        self,
        nodes: Iterator[Node],
        on_damage: Callable[[DamageError], None],
        on_skip: Callable[[Node], None],
    ) -> None:
        self._nodes = nodes
        self._on_damage = on_damage
        self._on_skip = on_skip
        self._last: Node | None = None
        self._next: Node | None = None
        self.skipped = False
        self._advance()

    def take(self, name: bytes) -> Node | None:
        """The node of this name; names are asked for in order."""
        node = self._next
        while node is not None and node.name < name:
            self.skipped = True
            self._on_skip(node)
            node = self._advance()
        if node is None or node.name != name:
            return None
        self._advance()
        return node

    def is_used_up(self) -> bool:
        """Whether every node was taken."""
        return self._next is None and not self.skipped

    def neighbours(self) -> tuple[Node | None, Node | None]:
        """The nodes before and after the name that was asked for last."""
        return self._last, self._next

    def _advance(self) -> Node | None:
        self._last = self._next
        try:
            self._next = next(self._nodes, None)
        except DamageError as error:
            self._next = None
            self.skipped = True  # nobody knows what there was
            self._on_damage(error)
        return self._next


def is_directory(status: os.stat_result) -> bool:
    """Whether it is one itself, not a link to one."""
    return status.st_mode & 0o170000 == 0o040000


def identity(status: os.stat_result) -> tuple[int, int]:
    """What no two files of a machine share at one time."""
    return status.st_dev, status.st_ino


def identities(paths: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """The identity of each path that is there."""
    for path in paths:
        try:
            yield identity(os.stat(path))
        except OSError:
            continue


def is_within(path: bytes, directories: frozenset[tuple[int, int]]) -> bool:
    """Whether a path leads through a directory of one of these identities."""
    while (above := os.path.dirname(path)) != path:
        if not directories.isdisjoint(identities((above,))):
            return True
        path = above
    return False


def are_alike(node: Node, parent_node: Node) -> bool:
    """Equal but for the device, whose number changes from boot to boot."""
    return (
        node[:_DEVICE] == parent_node[:_DEVICE]
        and node[_DEVICE + 1 :] == parent_node[_DEVICE + 1 :]
    )


def are_chunks_stored(index: BlobIndex, node: Node) -> bool:
    """Whether the volumes that hold a file are there (slow; after a loss only)."""
    if node.content_list is not None:
        return False
    starts = range(8, len(node.content), REF_BYTES)
    ids = (node.content[start : start + 32] for start in starts)
    return all(not any(blob_id) or index.is_stored(blob_id[:16]) for blob_id in ids)
