"""Walk the source tree beside the parent snapshot, and build the new trees."""

import os
from collections.abc import Iterator

from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.localfs import capture
from chunkvault.localfs.conditions import Verdict
from chunkvault.localfs.scan import SourceDirectory
from chunkvault.operations.backup.choice import Choice
from chunkvault.operations.backup.file_reader import FileReader
from chunkvault.operations.backup.level import (
    Level,
    ParentNodes,
    are_alike,
    are_chunks_stored,
    identities,
    identity,
    is_directory,
    is_within,
)
from chunkvault.operations.backup.mishaps import Mishaps
from chunkvault.operations.backup.options import BackupOptions, Counts
from chunkvault.operations.backup.similar import Vanished, bases_of, find_similar
from chunkvault.operations.backup.top_trees import TopTrees
from chunkvault.report import Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader
from chunkvault.snapshots.tree_writer import BlobSink, ContentWriter, tree_builder

__all__ = ["SourceWalk"]

_SIZE = Node._fields.index("size")


class SourceWalk:
    """Stores what lies below paths of the source. One thread.

    A directory costs no recursion, a file that looks unchanged no open, and a
    directory in which nothing changed no new tree.

    Attributes:
        counts: of everything stored so far.
        mishaps: who is told what goes wrong.
        tops: the directories nearest to the root.
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
        self._reporter = reporter
        self._progress = progress
        self._index = repository.index
        self._reader = repository.reader
        self._trees = TreeReader(repository.reader)
        self._owners = capture.OwnerNames()
        content = ContentWriter(sink, repository.settings)
        self._files = FileReader(content, progress, options.started_ns)
        self._skipped = frozenset(identities(options.skip_directories))
        self._choice = Choice(options)
        self._vanished = Vanished()

    @property
    def _checks_chunks(self) -> bool:
        """Whether volumes are missing or damaged, as far as is known by now."""
        return bool(self._index.missing_volumes)

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
            return self._store_other(folder, path, name, status, (parent_node, None))

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
            is_folder = is_directory(status)
            verdict = choice.verdict(path, status, device) if choice else Verdict.TAKE
            if verdict is Verdict.LEAVE_OUT:
                continue
            parent_node = before.take(name)
            nodes = find_similar(level, self._vanished, name, status, parent_node)
            if is_folder:
                child = self._descend(level, path, name, nodes, device)
                if child is not None and verdict is Verdict.LOOK_INSIDE:
                    child.needs_content = True
                if child is not None:
                    return child
                continue
            node = self._store_other(directory, path, name, status, nodes)
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
        node = capture.make_node(name, directory.stat, self._owners)
        names: list[bytes] = []
        try:
            names = [] if is_empty else directory.names()
            node = node._replace(xattrs=self._directory_xattrs(directory, parent_node))
        except OSError as error:
            self.mishaps.unreadable(path, error)
        is_unwanted = self._choice.is_marked(path, names)
        if is_unwanted or self._choice.is_cache(directory, names):
            names = []
        self.counts.directories += 1
        before = parent_node or similar
        return Level(
            directory,
            path,
            iter(names),
            tree_builder(self._sink, before and before.subtree, self._trees.load),
            self._parent_nodes(parent_node),
            similar and self._parent_nodes(similar),
            node,
            parent_node,
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

    def _parent_nodes(self, parent_node: Node | None) -> ParentNodes:
        nodes: Iterator[Node] = iter(())
        if parent_node is not None and parent_node.subtree is not None:
            nodes = self._trees.entries(parent_node.subtree)
        return ParentNodes(nodes, self.mishaps.damaged_parent, self._vanished.add)

    def _finish_level(self, level: Level) -> Node:
        parent_node = level.parent_node
        if (
            level.is_same
            and level.before.is_used_up()
            and parent_node is not None
            and parent_node.subtree is not None
            and not self._checks_chunks
        ):
            subtree = parent_node.subtree
        else:
            subtree = level.tree.finish()
        node = level.node._replace(subtree=subtree)
        self.tops.add(level.path, subtree)
        self._progress.done_files += 1
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

    def _store_other(
        self,
        directory: SourceDirectory,
        path: bytes,
        name: bytes,
        status: os.stat_result,
        nodes: tuple[Node | None, Node | None],
    ) -> Node | None:
        """Store anything but a directory, given its old node and a similar one."""
        parent_node, _ = nodes
        kind = capture.kind_of(status.st_mode)
        if kind is None:
            self.counts.skipped_sockets += 1
            return None
        self._progress.done_files += 1
        if (
            parent_node is not None
            and capture.is_unchanged(parent_node, status)
            and not (self._options.force_rescan and kind == NodeKind.FILE)
            and not (
                self._checks_chunks and not are_chunks_stored(self._index, parent_node)
            )
        ):
            return self._unmodified(kind, path, parent_node)
        try:
            if kind == NodeKind.FILE:
                return self._store_file(directory, path, name, status, nodes)
            return self._store_special(directory, path, name, status)
        except OSError as error:
            self.mishaps.unreadable(path, error)
            return None

    def _unmodified(self, kind: int, path: bytes, node: Node) -> Node:
        if kind != NodeKind.FILE:
            self.counts.others += 1
            return node
        self.counts.files_unmodified += 1
        self.counts.total_bytes += node.size
        self._progress.done_bytes += node.size
        if self._options.list_entries:
            self._reporter.entry("unmodified", path)
        return node

    def _store_file(
        self,
        directory: SourceDirectory,
        path: bytes,
        name: bytes,
        status: os.stat_result,
        nodes: tuple[Node | None, Node | None],
    ) -> Node:
        parent_node, similar = nodes
        before = self._progress.done_bytes
        found = self._files.read(
            directory.descriptor,
            name,
            status,
            lambda: bases_of(self._reader, parent_node or similar),
        )
        self._progress.done_bytes = before + found.size
        if found.is_torn:
            self.mishaps.torn(path)
        self._count_file(path, found.size, parent_node)
        node = capture.make_node(name, found.status, self._owners)
        # By position: this runs for every file that is read.
        content = (found.content, found.content_list, None, found.flags)
        return Node._make((*node[:_SIZE], found.size, 0, b"", found.xattrs, *content))

    def _count_file(self, path: bytes, size: int, parent_node: Node | None) -> None:
        is_new = parent_node is None or parent_node.kind != NodeKind.FILE
        if is_new:
            self.counts.files_new += 1
        else:
            self.counts.files_changed += 1
        self.counts.read_bytes = self._files.read_bytes
        self.counts.total_bytes += size
        if self._options.list_entries:
            self._reporter.entry("new" if is_new else "changed", path)

    def _store_special(
        self,
        directory: SourceDirectory,
        path: bytes,
        name: bytes,
        status: os.stat_result,
    ) -> Node:
        node = capture.make_node(name, status, self._owners)
        xattrs = capture.read_xattrs_at(directory.descriptor, name)
        target = b""
        if node.kind == NodeKind.SYMLINK:
            target = capture.read_link(directory.descriptor, name)
        self.counts.others += 1
        if self._options.list_entries:
            self._reporter.entry("stored", path)
        return node._replace(xattrs=xattrs, target=target)
