"""Third question: do the trees of all snapshots lead to whole files?

Each distinct directory is looked at once, in the newest snapshot that has it.
What stays in memory of it is the beginning of its id, and if something below is
damaged, by which objects: so an older snapshot with the same directory is known
to suffer without looking again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from chunkvault.errors import DamageError
from chunkvault.format.names import hash_in_name
from chunkvault.format.node import Node, NodeKind
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId, short_hex
from chunkvault.operations.check.ledger import Ledger
from chunkvault.report import Progress
from chunkvault.repository import BlobReader
from chunkvault.snapshots.content import file_refs
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["Judge", "StructureCheck"]

_SEEN_BYTES = 12
"""Of a tree's id: two of a billion trees agree by accident once in 10^11 runs."""


class Judge(Protocol):
    """Who is asked about what the trees refer to."""

    def fault_of(self, chunk: BlobId) -> DamageError | None:
        """Why the chunk cannot be read, or None if nothing is known against it."""

    def note_tree(self, tree: BlobId) -> None:
        """A directory's tree is about to be read."""


@dataclass(slots=True)
class _Level:
    """A directory on the way down, and the objects whose damage is below it."""

    path: bytes
    tree: BlobId
    nodes: Iterator[Node]
    harmed_by: set[str] = field(default_factory=set)


class StructureCheck:
    """Walks snapshots, newest first.

    Attributes:
        trees: distinct directories read.
        chunks: references to chunks looked up.
    """

    def __init__(
        self, reader: BlobReader, judge: Judge, ledger: Ledger, progress: Progress
    ) -> None:
        self.trees = 0
        self.chunks = 0
        self._reader = reader
        self._tree_reader = TreeReader(reader)
        self._judge = judge
        self._ledger = ledger
        self._progress = progress
        self._whole: set[bytes] = set()
        self._harmed: dict[bytes, frozenset[str]] = {}
        self._snapshot = ""

    def check(self, stored: StoredSnapshot) -> None:
        """Look at every directory of a snapshot that was not looked at before."""
        self._snapshot = short_hex(stored.snapshot_id)
        levels: list[_Level] = []
        self._enter(levels, b"", stored.snapshot.tree)
        while levels:
            level = levels[-1]
            node = self._next_node(level)
            if node is None:
                self._leave(levels)
                continue
            path = level.path + b"/" + node.name
            if node.kind == NodeKind.FILE:
                self._check_file(level, path, node)
            elif node.kind == NodeKind.DIRECTORY and node.subtree is not None:
                self._enter(levels, path, node.subtree)

    def _enter(self, levels: list[_Level], path: bytes, tree: BlobId) -> None:
        """Go down into a directory, unless it is known already."""
        seen = tree[:_SEEN_BYTES]
        if seen in self._whole:
            return
        if seen not in self._harmed:
            self.trees += 1
            self._judge.note_tree(tree)
            levels.append(self._open(path, tree))
            return
        for name in self._harmed[seen]:
            self._ledger.also_in(name, self._snapshot)
        if levels:
            levels[-1].harmed_by |= self._harmed[seen]

    def _open(self, path: bytes, tree: BlobId) -> _Level:
        harmed_by: set[str] = set()

        def harm(error: DamageError) -> None:
            # The object's own damage: in which place it tells is said by the path.
            cause = (
                error.__cause__ if isinstance(error.__cause__, DamageError) else error
            )
            harmed_by.add(self._harm(cause, path or b"/"))

        nodes = self._tree_reader.entries_past(tree, harm)
        return _Level(path, tree, nodes, harmed_by)

    def _leave(self, levels: list[_Level]) -> None:
        """Remember what is known of the directory, and go back up."""
        level = levels.pop()
        seen = level.tree[:_SEEN_BYTES]
        if not level.harmed_by:
            self._whole.add(seen)
            return
        self._harmed[seen] = frozenset(level.harmed_by)
        if levels:
            levels[-1].harmed_by |= level.harmed_by

    def _next_node(self, level: _Level) -> Node | None:
        try:
            return next(level.nodes, None)
        except DamageError as error:
            level.harmed_by.add(self._harm(error, level.path or b"/"))
            return None

    def _check_file(self, level: _Level, path: bytes, node: Node) -> None:
        """Note the objects whose damage the file suffers from; each named once."""
        self._progress.done_files += 1
        self._progress.current = path
        harmed_by: dict[str, DamageError] = {}
        fault_of = self._judge.fault_of
        try:
            for ref in file_refs(self._reader, node):
                if ref.blob_id is None:
                    continue
                self.chunks += 1
                fault = fault_of(ref.blob_id)
                if fault is not None:
                    harmed_by.setdefault(fault.object_name, fault)
        except DamageError as error:
            harmed_by.setdefault(error.object_name, error)
        for cause in harmed_by.values():
            level.harmed_by.add(self._harm(cause, path))

    def _harm(self, error: DamageError, path: bytes) -> str:
        name = error.object_name
        if hash_in_name(name) is None:
            # A blob that is nowhere: there may be any number, so they share an entry.
            name = ""
        self._ledger.damaged(name, str(error))
        self._ledger.affected(name, self._snapshot, path)
        return name
