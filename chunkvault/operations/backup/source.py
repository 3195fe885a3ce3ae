"""What a snapshot is made of: paths of this machine, or a stream."""

import os
from collections.abc import Callable

from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.localfs.capture import OwnerNames
from chunkvault.operations.backup.options import BackupOptions, Counts
from chunkvault.operations.backup.roots import RootTree, build_roots
from chunkvault.operations.backup.top_trees import TopTrees
from chunkvault.operations.backup.walk import SourceWalk
from chunkvault.report import Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader
from chunkvault.snapshots.tree_writer import BlobSink, ContentWriter, tree_builder

__all__ = ["store_paths", "store_stream"]

_STREAM_BYTES = 1 << 20


def store_paths(
    repository: Repository,
    sink: BlobSink,
    options: BackupOptions,
    parent: StoredSnapshot | None,
    reporter: Reporter,
    progress: Progress,
) -> tuple[BlobId, Counts, TopTrees]:
    """Store the paths; gives the root tree, and those near it.

    Raises:
        ChunkvaultError: none of them could be read.
    """
    walk = SourceWalk(repository, sink, options, reporter, progress)
    before = _Before(repository, parent, walk.mishaps.damaged_parent)
    roots = build_roots(options.paths)
    if roots is None:
        node = walk.store(b"/", before.root())
        tree = None if node is None else node.subtree
    else:
        tree = _store_below(walk, sink, before, b"", roots)
    if tree is None:
        raise ChunkvaultError(
            "nothing could be read, so no snapshot was made",
            hint="check the paths, and whether they may be read; the repository and"
            " its cache never are",
        )
    return tree, walk.counts, walk.tops


def store_stream(
    repository: Repository, sink: BlobSink, options: BackupOptions, progress: Progress
) -> tuple[BlobId, Counts, TopTrees]:
    """Store ``options.stdin`` as a file; gives the root tree.

    Raises:
        OSError: the stream could not be read to its end; nothing is committed.
    """
    stream = ContentWriter(sink, repository.settings).start()
    while data := options.stdin.read(_STREAM_BYTES) if options.stdin else b"":
        stream.write(data)
        progress.done_bytes += len(data)
    content, content_list = stream.finish()
    owners, uid, gid = OwnerNames(), os.getuid(), os.getgid()
    tree = tree_builder(sink)
    tree.add(
        EMPTY_DIRECTORY._replace(
            name=options.stdin_name or b"stdin",
            kind=NodeKind.FILE,
            mode=0o600,
            uid=uid,
            gid=gid,
            user=owners.user(uid),
            group=owners.group(gid),
            mtime_ns=options.time_ns,
            ctime_ns=options.time_ns,
            size=stream.size,
            content=content,
            content_list=content_list,
        )
    )
    counts = Counts(files_new=1, read_bytes=stream.size, total_bytes=stream.size)
    root, tops = tree.finish(), TopTrees()
    tops.add(b"/", root, 1)
    return root, counts, tops


def _store_below(
    walk: SourceWalk, sink: BlobSink, before: "_Before", path: bytes, roots: RootTree
) -> BlobId | None:
    """Store what was asked for below a directory; None if nothing could be read."""
    tree = tree_builder(sink)
    done_before = walk.done_files
    is_empty = True
    for name, below in sorted(roots.items()):
        node = _store_root(walk, sink, before, path + b"/" + name, below)
        if node is not None:
            tree.add(node._replace(name=name))
            is_empty = False
    if is_empty:
        return None
    subtree = tree.finish()
    walk.tops.add(path, subtree, walk.done_files - done_before)
    return subtree


def _store_root(
    walk: SourceWalk,
    sink: BlobSink,
    before: "_Before",
    path: bytes,
    below: RootTree | None,
) -> Node | None:
    if below is None:
        return walk.store(path, before.node(path))
    subtree = _store_below(walk, sink, before, path, below)
    return None if subtree is None else walk.store_way(path)._replace(subtree=subtree)


class _Before:
    """The parent snapshot, where there is one and it can be read."""

    def __init__(
        self,
        repository: Repository,
        parent: StoredSnapshot | None,
        on_damage: Callable[[DamageError], None],
    ) -> None:
        self._trees = TreeReader(repository.reader)
        self._parent = parent
        self._on_damage = on_damage

    def node(self, path: bytes) -> Node | None:
        """What stood at a path."""
        if self._parent is None:
            return None
        try:
            return self._trees.lookup(self._parent.snapshot.tree, path)
        except DamageError as error:
            self._on_damage(error)
            return None

    def root(self) -> Node | None:
        """A stand-in for the node of ``/``, which no tree has."""
        if self._parent is None:
            return None
        return EMPTY_DIRECTORY._replace(subtree=self._parent.snapshot.tree)
