"""What a snapshot holds: the entries of a folder, or everything below it."""

from collections.abc import Iterator

from chunkvault.errors import PathNotInSnapshot
from chunkvault.format.node import Node
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.snapshots.paths import split_path
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["list_entries"]


def list_entries(
    repository: Repository,
    snapshot: StoredSnapshot,
    path: bytes | None = None,
    *,
    recursive: bool = False,
) -> Iterator[tuple[bytes, Node]]:
    """The entries of the directory at ``path``, each with its whole path.

    A path that is no directory gives itself. None stands for all that was backed
    up: the content of each of the snapshot's paths, one after the other. Entries
    come in the order of their names, a directory before its content.

    Raises:
        PathNotInSnapshot: at once, not only when the first entry is asked for.
        DamageError: a tree cannot be read.
    """
    reader = TreeReader(repository.reader)
    root = snapshot.snapshot.tree
    wanted = snapshot.snapshot.paths if path is None else (path,)
    starts = [_start(reader, root, one) for one in sorted(set(wanted))]
    return _entries(reader, starts, recursive=recursive)


def _start(
    reader: TreeReader, root: BlobId, path: bytes
) -> tuple[bytes, Node | None, BlobId | None]:
    """Where to begin: the path, its node, its tree if it is a directory."""
    names = split_path(path)
    clean = b"".join(b"/" + name for name in names)
    if not names:
        return b"", None, root
    node = reader.lookup(root, clean)
    if node is None:
        shown = path.decode(errors="backslashreplace")
        raise PathNotInSnapshot(f"the snapshot does not hold {shown}")
    return clean, node, node.subtree


def _entries(
    reader: TreeReader,
    starts: list[tuple[bytes, Node | None, BlobId | None]],
    *,
    recursive: bool,
) -> Iterator[tuple[bytes, Node]]:
    for path, node, tree in starts:
        if tree is None:
            if node is not None:
                yield path, node
        elif recursive:
            yield from reader.walk(tree, path)
        else:
            for child in reader.entries(tree):
                yield path + b"/" + child.name, child
