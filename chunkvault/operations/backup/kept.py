"""Directories in which no name and no file has changed: taken over in one go.

Most of the directories of most backups are such. What is done for each of their
files is one ``lstat`` and one comparison with its node.
"""

import os
from heapq import merge
from operator import attrgetter

from chunkvault.format.node import Node, NodeKind
from chunkvault.format.tree import TreeBuilder
from chunkvault.ids import BlobId
from chunkvault.localfs.capture import is_unchanged
from chunkvault.localfs.scan import SourceDirectory
from chunkvault.operations.backup.level import is_directory

__all__ = ["KeptTree", "are_kept"]

_name = attrgetter("name")


class KeptTree:
    """The tree of such a directory: only what lies below it may differ.

    Nodes are stored if it comes to that, and wait here until then.

    Args:
        kept: the nodes of everything but directories.
        builder: stores the tree.
    """

    def __init__(self, kept: list[Node], builder: TreeBuilder) -> None:
        self._kept = kept
        self._builder = builder
        self._directories: list[Node] = []

    def add(self, node: Node) -> None:
        """The next directory; they come sorted by name."""
        self._directories.append(node)

    def finish(self) -> BlobId:
        """The id of the tree."""
        for node in merge(self._kept, self._directories, key=_name):
            self._builder.add(node)
        return self._builder.finish()


def are_kept(nodes: list[Node], directory: SourceDirectory, names: list[bytes]) -> bool:
    """Whether a directory with these names in it is such a one.

    Args:
        nodes: that it had in the parent snapshot.
        directory: it, open.
        names: in it; if one of them cannot be looked at the answer is no.
    """
    try:
        statuses = map(directory.status, names)
        return names == list(map(_name, nodes)) and all(map(_is_kept, nodes, statuses))
    except OSError:
        return False


def _is_kept(node: Node, status: os.stat_result) -> bool:
    if node.kind == NodeKind.DIRECTORY:
        return is_directory(status)
    return is_unchanged(node, status)
