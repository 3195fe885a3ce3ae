"""Where the root of an archive stands in a snapshot, whose own root is ``/``."""

from posixpath import normpath
from typing import NamedTuple

from chunkvault.errors import FormatError
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.format.snapshot import Snapshot, Totals
from chunkvault.ids import BlobId
from chunkvault.snapshots.paths import split_path
from chunkvault.snapshots.tree_reader import TreeReader
from chunkvault.snapshots.tree_writer import BlobSink, tree_builder

__all__ = ["SetState", "folder_path", "state_of", "store_root", "ways_to"]

_SINGLE_FILE = b"file"
"""Name of what was backed up, where it is no folder and nothing names it."""


class SetState(NamedTuple):
    """What was backed up, at the time of one set.

    Attributes:
        root: the node of the archive's root; None where there is nothing yet.
        totals: what is below it, itself included.
    """

    root: Node | None
    totals: Totals | None


def folder_path(folder: bytes | None) -> bytes:
    """The absolute path that stands for the folder of a manifest.

    duplicity keeps a relative one as it was given: it is taken as below ``/``.

    Raises:
        FormatError: it is no path.
    """
    if folder is None:
        return b"/"
    if b"\0" in folder or len(folder) > 4096:
        raise FormatError("the folder in the manifest is no path")
    return normpath(b"/" + folder.lstrip(b"/"))


def ways_to(folder: bytes) -> int:
    """How many directories lie between ``/`` and the archive's root."""
    return max(len(split_path(folder)) - 1, 0)


def store_root(sink: BlobSink, root: Node | None, folder: bytes) -> BlobId:
    """Store the trees that lead to the archive's root; the snapshot's tree."""
    root = EMPTY_DIRECTORY if root is None else root
    if root.kind == NodeKind.DIRECTORY and root.subtree is None:
        root = root._replace(subtree=tree_builder(sink).finish())
    names = split_path(folder)
    if not names and root.kind == NodeKind.DIRECTORY:
        assert root.subtree is not None, "it was stored"
        return root.subtree
    node = root._replace(name=names[-1] if names else _SINGLE_FILE)
    for name in reversed(names[:-1]):
        node = EMPTY_DIRECTORY._replace(name=name, subtree=_tree_of(sink, node))
    return _tree_of(sink, node)


def state_of(trees: TreeReader, snapshot: Snapshot) -> SetState:
    """The state that an imported snapshot holds.

    Raises:
        DamageError: its trees cannot be read.
    """
    [folder] = snapshot.paths
    totals = snapshot.totals
    within = totals.directories - ways_to(folder)
    inner = Totals(
        files=totals.files,
        directories=within,
        others=totals.others,
        bytes=totals.bytes,
    )
    if split_path(folder):
        return SetState(trees.lookup(snapshot.tree, folder), inner)
    root = trees.find(snapshot.tree, _SINGLE_FILE) if within == 0 else None
    return SetState(root or EMPTY_DIRECTORY._replace(subtree=snapshot.tree), inner)


def _tree_of(sink: BlobSink, node: Node) -> BlobId:
    tree = tree_builder(sink)
    tree.add(node)
    return tree.finish()
