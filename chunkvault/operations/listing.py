"""What a snapshot holds: the entries of a folder, or everything below it."""

from collections.abc import Iterator
from contextlib import suppress

from chunkvault.errors import PathNotInSnapshot
from chunkvault.format.node import Node
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.snapshots.paths import outermost, split_path
from chunkvault.snapshots.tree_reader import DamagedPath, TreeReader

__all__ = ["list_entries"]

_Start = tuple[bytes, Node | None, BlobId | None]


def list_entries(
    repository: Repository,
    snapshot: StoredSnapshot,
    path: bytes | None = None,
    *,
    recursive: bool = False,
    on_damage: DamagedPath | None = None,
) -> Iterator[tuple[bytes, Node]]:
    """The entries of the directory at ``path``, each with its whole path.

    A path that is no directory gives itself. None stands for all that was backed
    up: the content of each of the snapshot's paths, one after the other. Entries
    come in the order of their names, a directory before its content.

    Args:
        repository: where the snapshot is.
        snapshot: of which.
        path: what of it.
        recursive: also what is below.
        on_damage: told of directories that lack entries; the listing goes on.

    Raises:
        PathNotInSnapshot: at once, not only when the first entry is asked for.
        DamageError: the way to the path cannot be read, or what is there cannot
            and nobody is told.
    """
    reader = TreeReader(repository.reader)
    root = snapshot.snapshot.tree
    if path is not None:
        starts = [_start(reader, root, path)]
    else:
        starts = list(_recorded_starts(reader, root, snapshot.snapshot.paths))
    return _entries(reader, starts, on_damage, recursive=recursive)


def _recorded_starts(
    reader: TreeReader, root: BlobId, paths: tuple[bytes, ...]
) -> Iterator[_Start]:
    """Where the paths of the snapshot begin, but for those that were not there."""
    for path in outermost(paths):
        with suppress(PathNotInSnapshot):
            yield _start(reader, root, path)


def _start(reader: TreeReader, root: BlobId, path: bytes) -> _Start:
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
    starts: list[_Start],
    on_damage: DamagedPath | None,
    *,
    recursive: bool,
) -> Iterator[tuple[bytes, Node]]:
    for path, node, tree in starts:
        if tree is None:
            if node is not None:
                yield path, node
        elif recursive:
            yield from reader.walk(tree, path, on_damage)
        else:
            for child in reader.entries_at(path, tree, on_damage):
                yield path + b"/" + child.name, child
