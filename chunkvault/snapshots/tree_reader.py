"""Read trees: entries of a directory, look a path up, walk."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from threading import Lock
from typing import cast

from chunkvault.errors import DamageError
from chunkvault.format.blob import BlobKind
from chunkvault.format.node import Node, NodeKind
from chunkvault.format.tree import (
    decode_tree,
    encode_leaf,
    find_node,
    is_tree_of_trees,
    iterate_nodes,
)
from chunkvault.ids import BlobId
from chunkvault.repository import BlobReader
from chunkvault.snapshots.descent import depth_first

__all__ = ["DamagedPath", "OnDamage", "TreeReader"]

OnDamage = Callable[[DamageError], None]
"""Told why something cannot be read."""

DamagedPath = Callable[[bytes, DamageError], None]
"""Told of a place that damage hides, and of the damage."""

_CACHED_BYTES = 8 << 20
_NAME = attrgetter("name")
_NOTHING = encode_leaf([])


class TreeReader:
    """Trees out of blobs; recent ones are kept, up to 8 MiB. Any thread.

    Every method raises `DamageError` where a tree is missing or broken, unless it is
    given somebody to tell.
    """

    def __init__(self, reader: BlobReader) -> None:
        self._reader = reader
        self._blobs: OrderedDict[BlobId, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._lock = Lock()

    def entries(self, tree: BlobId) -> Iterator[Node]:
        """The nodes of a directory in name order; a huge one streams."""
        return iterate_nodes(tree, self.load)

    def leaf(self, tree: BlobId) -> list[Node] | None:
        """The nodes of a directory; None of one so large that its tree has parts."""
        data = self.load(tree)
        if is_tree_of_trees(data):
            return None
        return cast("list[Node]", decode_tree(data))

    def entries_at(
        self, path: bytes, tree: BlobId, on_damage: DamagedPath | None
    ) -> Iterator[Node]:
        """As `entries`, or as `entries_past` if there is somebody to tell of gaps.

        Args:
            path: of the directory; that is what ``on_damage`` is told, with the error.
            tree: of the directory.
            on_damage: None to have damage raised.
        """
        if on_damage is None:
            return self.entries(tree)
        return self.entries_past(tree, partial(on_damage, path))

    def entries_past(self, tree: BlobId, on_damage: OnDamage) -> Iterator[Node]:
        """The nodes that can be read, in name order; each gap is told in its place.

        A huge directory has many parts, and damage costs those that it hits. The
        error says between which names entries are missing; it is told before the
        node behind them comes.
        """
        gap: list[DamageError] = []

        def load(blob_id: BlobId) -> bytes:
            try:
                return self.load(blob_id)
            except DamageError as error:
                gap.append(error)
                return _NOTHING

        last = b""
        for node in iterate_nodes(tree, load):
            if gap:
                on_damage(_missing(gap[0], last, node.name))
                gap.clear()
            last = node.name
            yield node
        if gap:
            on_damage(_missing(gap[0], last, b""))

    def find(self, tree: BlobId, name: bytes) -> Node | None:
        """The node of that name in a directory."""
        return find_node(tree, name, self.load)

    def lookup(self, root: BlobId, path: bytes) -> Node | None:
        """The node at an absolute path; None if there is none, or for ``/`` itself."""
        node: Node | None = None
        tree: BlobId | None = root
        for name in path.split(b"/"):
            if not name:
                continue
            node = self.find(tree, name) if tree is not None else None
            if node is None:
                return None
            tree = node.subtree
        return node

    def walk(
        self,
        tree: BlobId,
        prefix: bytes = b"",
        on_damage: DamagedPath | None = None,
    ) -> Iterator[tuple[bytes, Node]]:
        """All nodes below a tree, depth first, a directory before its content.

        Paths are ``prefix``, a slash and the names. Depth costs no recursion.

        Args:
            tree: where to begin.
            prefix: its path.
            on_damage: told of each gap, with the path of the directory that has it;
                without it damage is raised.
        """

        def below(path: bytes, node: Node) -> Iterator[Node] | None:
            if node.kind != NodeKind.DIRECTORY or node.subtree is None:
                return None
            return self.entries_at(path, node.subtree, on_damage)

        nodes = self.entries_at(prefix, tree, on_damage)
        return depth_first(prefix, nodes, _NAME, below)

    def load(self, blob_id: BlobId) -> bytes:
        """A tree's or content list's bytes, verified."""
        with self._lock:
            data = self._blobs.get(blob_id)
            if data is not None:
                self._blobs.move_to_end(blob_id)
                return data
        data = self._reader.load(BlobKind.TREE, blob_id)
        with self._lock:
            if blob_id not in self._blobs:
                self._blobs[blob_id] = data
                self._cached_bytes += len(data)
            while self._cached_bytes > _CACHED_BYTES and len(self._blobs) > 1:
                self._cached_bytes -= len(self._blobs.popitem(last=False)[1])
        return data


def _missing(error: DamageError, after: bytes, before: bytes) -> DamageError:
    """The error with the names between which it leaves a gap; either may be empty."""
    bounds = [
        f"{word} '{name.decode(errors='backslashreplace')}'"
        for word, name in (("after", after), ("before", before))
        if name
    ]
    if not bounds:
        return error
    where = " and ".join(bounds)
    message = f"entries {where} cannot be read: {error}"
    told = DamageError(message, object_name=error.object_name)
    told.__cause__ = error
    return told
