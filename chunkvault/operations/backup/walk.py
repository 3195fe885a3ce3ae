"""Walk the source tree beside the parent snapshot, and build the new trees."""

import os
from collections.abc import Iterator
from contextlib import suppress

from chunkvault.errors import DamageError
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.format.tree import TreeBuilder
from chunkvault.localfs import capture
from chunkvault.localfs.conditions import Verdict
from chunkvault.localfs.scan import SourceDirectory
from chunkvault.operations.backup.choice import Choice
from chunkvault.operations.backup.entries import EntryWriter
from chunkvault.operations.backup.kept import KeptTree, are_kept
from chunkvault.operations.backup.level import (
    Level,
    ParentNodes,
    TreeOfLevel,
    are_alike,
    identities,
    identity,
    is_directory,
    is_within,
)
from chunkvault.operations.backup.mishaps import Mishaps
from chunkvault.operations.backup.options import BackupOptions, Counts
from chunkvault.operations.backup.similar import Vanished, find_similar
from chunkvault.operations.backup.top_trees import TopTrees
from chunkvault.report import Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader
from chunkvault.snapshots.tree_writer import BlobSink, tree_builder

__all__ = ["SourceWalk"]


class SourceWalk:
    """Stores what lies below paths of the source. One thread.

    A directory costs no recursion, a file that looks unchanged no open, and a
    directory in which nothing changed no new tree.

    Attributes:
        counts: of everything stored so far.
        mishaps: who is told what goes wrong.
        tops: the directories with most below them.
    """

    def __init__(
        self,
        repository: Repository,
        sink: BlobSink,
        options: BackupOptions,
        reporter: Reporter,
        progress: Progress,
    ) -> None:
        self.counts = Counts()
        self.mishaps = Mishaps(self.counts, reporter)
        self.tops = TopTrees()
        self._sink = sink
        self._options = options
        self._progress = progress
        self._index = repository.index
        self._trees = TreeReader(repository.reader)
        self._entries = EntryWriter(
            repository,
            sink,
            options,
            reporter=reporter,
            progress=progress,
            counts=self.counts,
            mishaps=self.mishaps,
        )
        self._owners = self._entries.owners
        self._skipped = frozenset(identities(options.skip_directories))
        self._choice = Choice(options)
        self._vanished = Vanished()
        self._is_bulk_allowed = (
            self._choice.takes_all
            and not options.list_entries
            and not options.force_rescan
        )

    @property
    def done_files(self) -> int:
        """Entries that were stored or taken over so far."""
        return self._progress.done_files

    def store(self, path: bytes, parent_node: Node | None) -> Node | None:
        """Store one path that was asked for, with all that lies below.

        Args:
            path: absolute.
            parent_node: the node at this path in the parent snapshot.

        Returns:
            Its node; None if it could not be read or is left out.
        """
        if is_within(path, self._skipped):
            return None
        self._vanished.has_parent |= parent_node is not None
        name = os.path.basename(path)
        try:
            status = os.lstat(path)
            if is_directory(status):
                return self._store_root(path, parent_node)
            folder = SourceDirectory.open_root(os.path.dirname(path) or b"/")
        except (FileNotFoundError, NotADirectoryError):
            self.mishaps.absent(path)
            return None
        except OSError as error:
            self.mishaps.unreadable(path, error)
            return None
        with folder:
            if parent_node and self._entries.is_unmodified(parent_node, status):
                self._entries.take_over(path, parent_node)
                return parent_node
            return self._entries.store(folder, path, name, status, (parent_node, None))

    def store_way(self, path: bytes) -> Node:
        """The node, without content, of a directory on the way to a path."""
        self.counts.directories += 1
        try:
            status = os.stat(path)
            return capture.make_node(os.path.basename(path), status, self._owners)
        except OSError as error:
            self.mishaps.unreadable(path, error)
            return EMPTY_DIRECTORY._replace(name=os.path.basename(path))

    def _store_root(self, path: bytes, parent_node: Node | None) -> Node | None:
        try:
            directory = SourceDirectory.open_root(path)
        except OSError as error:
            self.mishaps.unreadable(path, error)
            return None
        with directory:
            if identity(directory.stat) in self._skipped:
                return None
            return self._walk(directory, path, parent_node)

    def _walk(
        self, root: SourceDirectory, path: bytes, parent_node: Node | None
    ) -> Node:
        device = root.stat.st_dev
        stack = [self._open_level(root, path, os.path.basename(path), parent_node)]
        while True:
            level = stack[-1]
            child = self._store_names(level, device)
            if child is not None:
                stack.append(child)
                continue
            stack.pop()
            if not stack:
                return self._finish_level(level)
            self._close(level)
            if level.needs_content and level.is_empty:
                self._leave_out(stack[-1], level.parent_node)
            else:
                self._put(stack[-1], self._finish_level(level), level.parent_node)

    def _store_names(self, level: Level, device: int) -> Level | None:
        """Store names until one is a directory to descend into, or none is left."""
        directory, before = level.directory, level.before
        prefix = level.path if level.path.endswith(b"/") else level.path + b"/"
        choice = None if self._choice.takes_all else self._choice
        for name in level.names:
            path = prefix + name
            try:
                status = directory.status(name)
            except OSError as error:
                self.mishaps.unreadable(path, error)
                continue
            verdict = choice.verdict(path, status, device) if choice else Verdict.TAKE
            if verdict is Verdict.LEAVE_OUT:
                continue
            parent_node = before.take(name)
            if parent_node and self._entries.is_unmodified(parent_node, status):
                self._entries.take_over(path, parent_node)
                self._put(level, parent_node, parent_node)
                continue
            nodes = find_similar(level, self._vanished, name, status, parent_node)
            if is_directory(status):
                child = self._descend(level, path, name, nodes, device)
                if child is not None:
                    child.needs_content |= verdict is Verdict.LOOK_INSIDE
                    return child
                continue
            node = self._entries.store(directory, path, name, status, nodes)
            if node is not None:
                self._put(level, node, parent_node)
        return None

    def _descend(
        self,
        level: Level,
        path: bytes,
        name: bytes,
        nodes: tuple[Node | None, Node | None],
        device: int,
    ) -> Level | None:
        parent_node = nodes[0]
        try:
            directory = level.directory.open_child(name)
        except OSError as error:
            self._unreadable_directory(level, path, name, parent_node, error)
            return None
        if identity(directory.stat) in self._skipped:
            directory.close()
            return None
        is_other = self._options.one_file_system and directory.stat.st_dev != device
        return self._open_level(directory, path, name, *nodes, is_empty=is_other)

    def _unreadable_directory(
        self,
        level: Level,
        path: bytes,
        name: bytes,
        parent_node: Node | None,
        error: OSError,
    ) -> None:
        self.mishaps.unreadable(path, error)
        try:
            status = level.directory.status(name)
        except OSError:
            return
        if not is_directory(status):
            return  # it was replaced by something else, which nobody has read
        node = capture.make_node(name, status, self._owners)
        self.counts.directories += 1
        self._put(level, node, parent_node)

    def _open_level(
        self,
        directory: SourceDirectory,
        path: bytes,
        name: bytes,
        parent_node: Node | None,
        similar: Node | None = None,
        *,
        is_empty: bool = False,
    ) -> Level:
        self._progress.current = path
        names: list[bytes] = []
        xattrs: tuple[tuple[bytes, bytes], ...] = ()
        try:
            names = [] if is_empty else directory.names()
            xattrs = self._directory_xattrs(directory, parent_node)
        except OSError as error:
            self.mishaps.unreadable(path, error)
        is_unwanted = self._choice.is_marked(path, names)
        if is_unwanted or self._choice.is_cache(directory, names):
            names = []
        self.counts.directories += 1
        done_before = self.done_files
        before = parent_node or similar
        builder = tree_builder(self._sink, before and before.subtree, self._trees.load)
        tree, names, nodes = self._take_over(directory, names, parent_node, builder)
        return Level(
            directory,
            path,
            iter(names),
            tree,
            self._parent_nodes(nodes),
            similar and self._parent_nodes(self._nodes_of(similar)),
            capture.make_node(name, directory.stat, self._owners, xattrs=xattrs),
            parent_node,
            done_before,
            needs_content=is_unwanted,
        )

    @staticmethod
    def _directory_xattrs(
        directory: SourceDirectory, parent_node: Node | None
    ) -> tuple[tuple[bytes, bytes], ...]:
        if parent_node is not None and capture.is_unchanged(
            parent_node, directory.stat
        ):
            return parent_node.xattrs
        return capture.read_xattrs(directory.descriptor)

    def _take_over(
        self,
        directory: SourceDirectory,
        names: list[bytes],
        parent_node: Node | None,
        builder: TreeBuilder,
    ) -> tuple[TreeOfLevel, list[bytes], Iterator[Node]]:
        """Take over what is in a directory if nothing in it has changed.

        Returns:
            Its tree, the names that are left, and their nodes in the parent snapshot.
        """
        nodes = self._leaf_of(parent_node) if self._is_bulk_allowed else None
        if nodes is None:
            return builder, names, self._nodes_of(parent_node)
        if self._index.missing_volumes or not are_kept(nodes, directory, names):
            return builder, names, iter(nodes)
        kept = [node for node in nodes if node.kind != NodeKind.DIRECTORY]
        below = [node for node in nodes if node.kind == NodeKind.DIRECTORY]
        self._entries.take_over_all(kept)
        return KeptTree(kept, builder), [node.name for node in below], iter(below)

    def _leaf_of(self, parent_node: Node | None) -> list[Node] | None:
        """The old nodes of a directory; None of a large one, or one that is damaged."""
        if parent_node is None or parent_node.subtree is None:
            return None
        with suppress(DamageError):  # told of by who reads it node by node
            return self._trees.leaf(parent_node.subtree)
        return None

    def _nodes_of(self, parent_node: Node | None) -> Iterator[Node]:
        if parent_node is None or parent_node.subtree is None:
            return iter(())
        return self._trees.entries(parent_node.subtree)

    def _parent_nodes(self, nodes: Iterator[Node]) -> ParentNodes:
        return ParentNodes(nodes, self.mishaps.damaged_parent, self._vanished.add)

    def _finish_level(self, level: Level) -> Node:
        parent_node = level.parent_node
        if (
            level.is_same
            and level.before.is_used_up()
            and parent_node is not None
            and parent_node.subtree is not None
            and not self._index.missing_volumes
        ):
            subtree = parent_node.subtree
        else:
            subtree = level.tree.finish()
        node = level.node._replace(subtree=subtree)
        self._progress.done_files += 1
        self.tops.add(level.path, subtree, self.done_files - level.done_before)
        if parent_node is not None and are_alike(node, parent_node):
            return parent_node
        return node

    def _close(self, level: Level) -> None:
        try:
            level.directory.close()
        except OSError as error:
            self.mishaps.unreadable(level.path, error)

    def _leave_out(self, level: Level, parent_node: Node | None) -> None:
        """A directory of which nothing is wanted."""
        self.counts.directories -= 1
        if parent_node is not None:
            level.is_same = False

    @staticmethod
    def _put(level: Level, node: Node, parent_node: Node | None) -> None:
        level.tree.add(node)
        level.is_empty = False
        if node is not parent_node:
            level.is_same = False
