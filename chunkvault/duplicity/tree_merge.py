"""A new state of a tree: what it was before, and the changes in order.

The trees of the state before are gone through in step with the changes, which come
sorted by the components of their paths. A directory with no change in it keeps its
tree, and nothing of it is loaded. Depth costs no recursion.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chunkvault.duplicity.entries import Path
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.format.snapshot import Totals
from chunkvault.format.tree import TreeBuilder
from chunkvault.ids import BlobId
from chunkvault.snapshots.tree_reader import TreeReader
from chunkvault.snapshots.tree_writer import BlobSink, tree_builder

__all__ = ["MergeCounts", "Misplaced", "TreeMerge", "totals_of"]

_ROOT = b"root"
"""The name that the root of the archive has for itself here."""


class Misplaced(Exception):
    """A path cannot be gone to: it is out of order, or no folder leads to it."""


@dataclass(slots=True)
class MergeCounts:
    """What a tree holds, kept up to date without going through it."""

    files: int = 0
    directories: int = 0
    others: int = 0
    bytes: int = 0

    def add(self, node: Node, sign: int = 1) -> None:
        """Count one node, or with ``sign=-1`` take it out again."""
        if node.kind == NodeKind.FILE:
            self.files += sign
            self.bytes += sign * node.size
        elif node.kind == NodeKind.DIRECTORY:
            self.directories += sign
        else:
            self.others += sign


@dataclass(slots=True)
class _Place:
    """One name of a directory that is being worked on."""

    name: bytes
    old: Node | None
    new: Node | None


class TreeMerge:
    """Makes one tree out of another. One thread.

    For each path in order: `before`, then `put` or `remove`; `finish` at the end.

    Args:
        sink: where new trees are stored.
        trees: reads the trees of the state before.
        root: the root of the archive in the state before.
        totals: what that state held.
        on_implied: told the path of a directory that nobody has described.
    """

    def __init__(
        self,
        sink: BlobSink,
        trees: TreeReader,
        root: Node | None,
        totals: Totals | None,
        on_implied: Callable[[Path], None],
    ) -> None:
        self.counts = _counts(totals)
        self._sink = sink
        self._trees = trees
        self._on_implied = on_implied
        nodes = [] if root is None else [root._replace(name=_ROOT)]
        self._top = _Top(sink, trees, self.counts, iter(nodes), None)
        self._stack: list[_Level] = [self._top]
        self._last: Path | None = None

    def before(self, path: Path, *, make_parents: bool = True) -> Node | None:
        """What is at a path in the state before; the place is now this one.

        Args:
            path: not before the one that was given last.
            make_parents: make directories on the way that are not there.

        Raises:
            Misplaced: the path is out of order, or leads through something that
                is no directory; there is no place then.
            DamageError: a tree of the state before is missing or broken.
        """
        if self._last is not None and path < self._last:
            raise Misplaced("it is out of order")
        self._last = path
        full = (_ROOT, *path)
        while len(self._stack) > 1 and self._names != full[: len(self._stack) - 1]:
            self._leave()
        for place in range(len(self._stack) - 1, len(full) - 1):
            self._enter(full[place], full[1 : place + 1], make_parents=make_parents)
        if len(self._stack) > len(full):
            self._leave()
        return self._stack[-1].seek(full[-1]).old

    def put(self, node: Node) -> None:
        """What is at the place now; a directory keeps what is in it."""
        place = self._stack[-1].place
        assert place is not None, "before() comes first"
        place.new = node._replace(name=place.name)
        if node.kind == NodeKind.DIRECTORY:
            kept = place.old and place.old.subtree
            place.new = place.new._replace(subtree=kept)

    def remove(self) -> None:
        """Nothing is at the place now."""
        place = self._stack[-1].place
        assert place is not None, "before() comes first"
        place.new = None

    def finish(self) -> Node | None:
        """The root of the new state; its name is of no importance."""
        while len(self._stack) > 1:
            self._leave()
        return self._top.root()

    @property
    def _names(self) -> Path:
        return tuple(level.name for level in self._stack[1:])

    def _enter(self, name: bytes, path: Path, *, make_parents: bool) -> None:
        place = self._stack[-1].seek(name)
        if place.new is None:
            if not make_parents:
                raise Misplaced("its folder is not there")
            place.new = EMPTY_DIRECTORY._replace(name=name)
            self._on_implied(path)
        if place.new.kind != NodeKind.DIRECTORY:
            raise Misplaced("what holds it is no folder")
        old = place.old
        nodes: Iterator[Node] = iter(())
        if old is not None and old.subtree is not None:
            nodes = self._trees.entries(old.subtree)
        level = _Level(self._sink, self._trees, self.counts, nodes, old)
        level.name = name
        self._stack.append(level)

    def _leave(self) -> None:
        subtree = self._stack.pop().finish()
        place = self._stack[-1].place
        assert place is not None and place.new is not None, "a level has a parent"  # noqa: PT018
        if place.new.kind == NodeKind.DIRECTORY:
            place.new = place.new._replace(subtree=subtree)


class _Level:
    """One directory: the nodes before the place are done, those behind it are not."""

    def __init__(
        self,
        sink: BlobSink,
        trees: TreeReader,
        counts: MergeCounts,
        nodes: Iterator[Node],
        before: Node | None,
    ) -> None:
        self.name = b""
        self.place: _Place | None = None
        self._sink = sink
        self._trees = trees
        self._counts = counts
        self._nodes = nodes
        self._before = before
        self._next: Node | None = None
        self._is_begun = False
        self._is_same = before is not None and before.subtree is not None
        self._tree: TreeBuilder | None = None

    def seek(self, name: bytes) -> _Place:
        """Go to a name; what is passed is as it was."""
        if self.place is not None and self.place.name == name:
            return self.place
        self._settle()
        self._pass_until(name)
        old = None
        if self._next is not None and self._next.name == name:
            old, self._next = self._next, next(self._nodes, None)
        self.place = _Place(name, old, old)
        return self.place

    def finish(self) -> BlobId:
        """The tree of the directory."""
        self._settle()
        if self._is_same and self._before is not None and self._before.subtree:
            return self._before.subtree
        self._pass_until(None)
        return self._builder().finish()

    def _builder(self) -> TreeBuilder:
        if self._tree is None:
            before = self._before and self._before.subtree
            self._tree = tree_builder(self._sink, before)
        return self._tree

    def _pass_until(self, name: bytes | None) -> None:
        if not self._is_begun:
            self._is_begun = True
            self._next = next(self._nodes, None)
        while self._next is not None and (name is None or self._next.name < name):
            self._add(self._next)
            self._next = next(self._nodes, None)

    def _settle(self) -> None:
        """Done with the place: add what is there now."""
        place, self.place = self.place, None
        if place is None:
            return
        new = place.new
        if new is not None and new.kind == NodeKind.DIRECTORY and new.subtree is None:
            new = new._replace(subtree=tree_builder(self._sink).finish())
        self._count(place.old, new)
        if new != place.old:
            self._is_same = False
        if new is not None:
            self._add(new)

    def _add(self, node: Node) -> None:
        self._builder().add(node)

    def _count(self, old: Node | None, new: Node | None) -> None:
        if new is not None:
            self._counts.add(new)
        if old is None:
            return
        self._counts.add(old, -1)
        is_gone = new is None or new.kind != NodeKind.DIRECTORY
        if is_gone and old.subtree is not None:
            for _, node in self._trees.walk(old.subtree):
                self._counts.add(node, -1)


class _Top(_Level):
    """Above the root of the archive, which is the only name here."""

    _root: Node | None = None

    def root(self) -> Node | None:
        """The root, once all is done."""
        self._settle()
        self._pass_until(None)
        return self._root

    def _add(self, node: Node) -> None:
        self._root = node


def totals_of(counts: MergeCounts) -> Totals:
    """The counters as a snapshot has them."""
    return Totals(
        files=counts.files,
        directories=counts.directories,
        others=counts.others,
        bytes=counts.bytes,
    )


def _counts(totals: Totals | None) -> MergeCounts:
    if totals is None:
        return MergeCounts()
    return MergeCounts(totals.files, totals.directories, totals.others, totals.bytes)
