"""Snapshots written by hand: a dict of paths in, a stored snapshot out."""

from chunkvault.backends.base import Backend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.format.snapshot import Snapshot, StoredSnapshot, Totals
from chunkvault.ids import BlobId, SnapshotId
from chunkvault.repository import (
    BlobWriter,
    DeviceKey,
    Repository,
    create_repository,
    open_repository,
)
from chunkvault.snapshots.tree_writer import ContentWriter, tree_builder

__all__ = ["KEY", "SECOND", "make_node", "new_repository", "reopen", "take_snapshot"]

KEY = DeviceKey(bytes(range(32)))
SECOND = 10**9
"""In the unit of times; snapshots of a test are usually seconds apart."""

Files = dict[bytes, bytes | Node]


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
    waiting: dict[bytes, dict[bytes, Node]] = {b"": {}}
    for path in files:
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            waiting.setdefault(b"/".join(parts[:depth]), {})
    for path, what in files.items():
        if isinstance(what, bytes):
            parent, _, name = path.rpartition(b"/")
            waiting[parent][name] = _save_file(content, name, what)
        elif what.kind != NodeKind.DIRECTORY:
            parent, _, name = path.rpartition(b"/")
            waiting[parent][name] = what._replace(name=name)
        else:
            waiting.setdefault(path, {})
    for path in sorted(waiting, key=lambda path: path.count(b"/"), reverse=True):
        nodes = waiting[path]
        builder = tree_builder(writer)
        for name in sorted(nodes):
            builder.add(nodes[name])
        tree = builder.finish()
        if not path:
            return tree
        parent, _, name = path.rpartition(b"/")
        given = files.get(path)
        template = given if isinstance(given, Node) else make_node(mode=0o755)
        waiting[parent][name] = template._replace(
            name=name, kind=NodeKind.DIRECTORY, subtree=tree
        )
    raise AssertionError("the root is always there")


def _save_file(content: ContentWriter, name: bytes, data: bytes) -> Node:
    stream = content.start()
    stream.write(data)
    refs, content_list = stream.finish()
    return make_node(name, size=len(data), content=refs, content_list=content_list)
