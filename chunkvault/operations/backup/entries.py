"""Everything of the source but directories: files, links, FIFOs, devices."""

import os

from chunkvault.format.node import FLAG_CHANGED, Node, NodeKind
from chunkvault.localfs import capture
from chunkvault.localfs.scan import SourceDirectory
from chunkvault.operations.backup.file_reader import FileReader
from chunkvault.operations.backup.level import are_chunks_stored
from chunkvault.operations.backup.mishaps import Mishaps
from chunkvault.operations.backup.options import BackupOptions, Counts
from chunkvault.report import Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_writer import BlobSink, ContentWriter

__all__ = ["EntryWriter"]


class EntryWriter:
    """Stores single entries, and takes over those that have not changed.

    Attributes:
        owners: names of the users and groups seen so far.
    """

    def __init__(  # noqa: PLR0913 - the parts of a walk, given once
        self,
        repository: Repository,
        sink: BlobSink,
        options: BackupOptions,
        *,
        reporter: Reporter,
        progress: Progress,
        counts: Counts,
        mishaps: Mishaps,
    ) -> None:
        self.owners = capture.OwnerNames()
        self._index = repository.index
        self._options = options
        self._reporter = reporter
        self._progress = progress
        self._counts = counts
        self._mishaps = mishaps
        self._files = FileReader(
            ContentWriter(sink, repository.settings),
            repository.reader,
            self.owners,
            progress,
            options.started_ns,
        )

    def is_unmodified(self, node: Node, status: os.stat_result) -> bool:
        """Whether an entry has not changed: its node may be taken over as it is.

        Never so of a directory.
        """
        return (
            capture.is_unchanged(node, status)
            and node.kind != NodeKind.DIRECTORY
            and not (self._options.force_rescan and node.kind == NodeKind.FILE)
            and not (
                self._index.missing_volumes and not are_chunks_stored(self._index, node)
            )
        )

    def take_over(self, path: bytes, node: Node) -> None:
        """Count an entry of the parent snapshot as one of this."""
        self.take_over_all([node])
        if self._options.list_entries and node.kind == NodeKind.FILE:
            self._reporter.entry("unmodified", path)

    def take_over_all(self, nodes: list[Node]) -> None:
        """Count entries of the parent snapshot, without telling of each."""
        sizes = [node.size for node in nodes if node.kind == NodeKind.FILE]
        size = sum(sizes)
        self._counts.files_unmodified += len(sizes)
        self._counts.others += len(nodes) - len(sizes)
        self._counts.total_bytes += size
        self._progress.done_files += len(nodes)
        self._progress.done_bytes += size

    def store(
        self,
        directory: SourceDirectory,
        path: bytes,
        name: bytes,
        status: os.stat_result,
        nodes: tuple[Node | None, Node | None],
    ) -> Node | None:
        """Store anything but a directory, given its old node and a similar one.

        None if it could not be read, or is a socket.
        """
        kind = capture.kind_of(status.st_mode)
        if kind is None:
            self._counts.skipped_sockets += 1
            return None
        self._progress.done_files += 1
        try:
            if kind == NodeKind.FILE:
                return self._store_file(directory, path, name, status, nodes)
            return self._store_special(directory, path, name, status)
        except OSError as error:
            self._mishaps.unreadable(path, error)
            return None

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
        node = self._files.read(
            directory.descriptor, name, status, parent_node or similar
        )
        self._progress.done_bytes = before + node.size
        if node.flags & FLAG_CHANGED:
            self._mishaps.torn(path)
        self._count_file(path, node.size, parent_node)
        return node

    def _count_file(self, path: bytes, size: int, parent_node: Node | None) -> None:
        counts = self._counts
        is_new = parent_node is None or parent_node.kind != NodeKind.FILE
        if is_new:
            counts.files_new += 1
        else:
            counts.files_changed += 1
        counts.read_bytes = self._files.read_bytes
        counts.total_bytes += size
        if self._options.list_entries:
            self._reporter.entry("new" if is_new else "changed", path)

    def _store_special(
        self,
        directory: SourceDirectory,
        path: bytes,
        name: bytes,
        status: os.stat_result,
    ) -> Node:
        xattrs = capture.read_xattrs_at(directory.descriptor, name)
        target = b""
        if capture.kind_of(status.st_mode) == NodeKind.SYMLINK:
            target = capture.read_link(directory.descriptor, name)
        self._counts.others += 1
        if self._options.list_entries:
            self._reporter.entry("stored", path)
        return capture.make_node(
            name, status, self.owners, target=target, xattrs=xattrs
        )
