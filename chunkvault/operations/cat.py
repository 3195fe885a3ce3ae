"""One file of a snapshot, as a stream of bytes."""

from collections.abc import Iterator

from chunkvault.errors import PathNotInSnapshot, UsageError
from chunkvault.format.node import Node, NodeKind
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.repository import Repository
from chunkvault.snapshots.content import read_file
from chunkvault.snapshots.paths import split_path
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["cat"]

_NAMES = {
    NodeKind.FIFO: "a named pipe",
    NodeKind.CHARACTER_DEVICE: "a device",
    NodeKind.BLOCK_DEVICE: "a device",
}


def cat(
    repository: Repository, snapshot: StoredSnapshot, path: bytes
) -> Iterator[bytes]:
    """The content of the file at ``path``, piece by piece; memory stays flat.

    Raises:
        PathNotInSnapshot: at once.
        UsageError: at once; what is there is no file.
        DamageError: where a piece is damaged; all that came before was right.
    """
    shown = path.decode(errors="backslashreplace")
    if not split_path(path):
        raise _is_folder(shown)
    trees = TreeReader(repository.reader)
    node = trees.lookup(snapshot.snapshot.tree, path)
    if node is None:
        raise PathNotInSnapshot(f"the snapshot does not hold {shown}")
    _require_file(node, shown)
    return read_file(repository.reader, node)


def _require_file(node: Node, shown: str) -> None:
    if node.kind == NodeKind.SYMLINK:
        target = node.target.decode(errors="backslashreplace")
        raise UsageError(
            f"{shown} is a symbolic link", hint=f"it points to {target}: try that"
        )
    if node.kind == NodeKind.DIRECTORY:
        raise _is_folder(shown)
    if node.kind != NodeKind.FILE:
        raise UsageError(f"{shown} is {_NAMES[node.kind]}")


def _is_folder(shown: str) -> UsageError:
    return UsageError(
        f"{shown} is a folder",
        hint="'chunkvault restore' brings it back, 'ls' lists it",
    )
