"""Snapshots written by hand: a dict of paths in, a stored snapshot out."""

from chunkvault.backends.base import Backend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.format.snapshot import Snapshot, StoredSnapshot, Totals
from chunkvault.ids import BlobId, SnapshotId
from chunkvault.report import SilentReporter
from chunkvault.repository import (
    BlobWriter,
    DeviceKey,
    Repository,
    create_repository,
    open_repository,
)
from chunkvault.snapshots.tree_writer import ContentWriter, tree_builder

__all__ = [
    "KEY",
    "SECOND",
    "Listener",
    "make_node",
    "new_repository",
    "reopen",
    "take_snapshot",
]

KEY = DeviceKey(bytes(range(32)))
SECOND = 10**9
"""In the unit of times; snapshots of a test are usually seconds apart."""

Files = dict[bytes, bytes | Node]


class Listener(SilentReporter):
    """Remembers what was listed: what happened, to which path."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[str, bytes]] = []

    def entry(self, action: str, path: bytes) -> None:
        """One more line of a listing."""
        self.entries.append((action, path))


def new_repository(backend: Backend | None = None) -> Repository:
    """An empty repository, in memory unless told otherwise."""
    return create_repository(backend or MemoryBackend(), KEY)


def reopen(repository: Repository) -> Repository:
    """The same repository as another client sees it."""
    return open_repository(repository.backend, KEY)


def make_node(name: bytes = b"", **fields: object) -> Node:
    """A file's node; every field may be given."""
    values = EMPTY_DIRECTORY._asdict() | {"kind": NodeKind.FILE, "mode": 0o644}
    return Node(**(values | {"name": name} | fields))


def take_snapshot(
    repository: Repository,
    files: Files,
    *,
    at: int = 1,
    host: str = "host",
    paths: tuple[bytes, ...] = (b"/data",),
    tags: tuple[str, ...] = (),
    parent: SnapshotId | None = None,
) -> StoredSnapshot:
    """Store a snapshot that holds exactly ``files``, taken ``at`` so many seconds.

    Bytes are the content of a file. A node stands for itself, its name taken
    from the path; one with the kind of a directory may be empty, or describe a
    directory that has files. Other directories come by themselves.
    """
    with repository.writer(workers=0) as writer:
        tree = _save(repository, writer, files)
    sizes = [len(data) for data in files.values() if isinstance(data, bytes)]
    snapshot = Snapshot(
        time_ns=at * SECOND,
        host=host,
        user="user",
        paths=paths,
        tree=tree,
        parent=parent,
        tags=tags,
        program="test",
        excludes=(),
        totals=Totals(files=len(sizes), directories=0, others=0, bytes=sum(sizes)),
    )
    return repository.save_snapshot(snapshot)


def _save(repository: Repository, writer: BlobWriter, files: Files) -> BlobId:
    content = ContentWriter(writer, repository.settings)
    folders: dict[bytes, dict[bytes, Node]] = {b"": {}}
    for path, what in files.items():
        for end in (at for at, byte in enumerate(path) if byte == ord("/")):
            folders.setdefault(path[:end], {})
        parent, _, name = path.rpartition(b"/")
        if isinstance(what, bytes):
            folders[parent][name] = _save_file(content, name, what)
        elif what.kind == NodeKind.DIRECTORY:
            folders.setdefault(path, {})
        else:
            folders[parent][name] = what._replace(name=name)
    return _save_folders(writer, folders, files)


def _save_folders(
    writer: BlobWriter, folders: dict[bytes, dict[bytes, Node]], files: Files
) -> BlobId:
    """Deepest first, so that each finds the trees of what is in it."""
    for path in sorted(folders, key=lambda path: path.count(b"/"), reverse=True):
        builder = tree_builder(writer)
        for _, node in sorted(folders[path].items()):
            builder.add(node)
        tree = builder.finish()
        if not path:
            return tree
        parent, _, name = path.rpartition(b"/")
        given = files.get(path)
        folder = given if isinstance(given, Node) else EMPTY_DIRECTORY
        folders[parent][name] = folder._replace(name=name, subtree=tree)
    raise AssertionError("the root is always there")


def _save_file(content: ContentWriter, name: bytes, data: bytes) -> Node:
    stream = content.start()
    stream.write(data)
    refs, content_list = stream.finish()
    return make_node(name, size=len(data), content=refs, content_list=content_list)
