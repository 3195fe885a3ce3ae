"""What may be an older version of something new: where bases for it come from.

Nothing here says that anything is unchanged. A wrong guess costs a trial
compression, and a missing one bytes.
"""

import os
from collections import OrderedDict
from functools import partial

from chunkvault.format.node import Node, NodeKind
from chunkvault.localfs.capture import kind_of
from chunkvault.operations.backup.level import Level
from chunkvault.repository import BlobReader
from chunkvault.snapshots.base_finder import BaseFinder
from chunkvault.snapshots.content import file_refs

__all__ = ["Vanished", "bases_of", "find_similar"]

_MAX_VANISHED = 4096

_LEAST_LIKENESS = 0.5
"""Names with this part in common may stand for versions of one thing."""


class Vanished:
    """Nodes of the parent snapshot that are not there any more, the last few.

    What is new elsewhere may be one of them, moved and then changed.

    Attributes:
        has_parent: whether there is a parent snapshot at all.
    """

    def __init__(self) -> None:
        self.has_parent = False
        self._nodes: OrderedDict[tuple[int, int], Node] = OrderedDict()

    def add(self, node: Node) -> None:
        """This one was passed over."""
        self._nodes[node.kind, node.inode] = node
        if len(self._nodes) > _MAX_VANISHED:
            self._nodes.popitem(last=False)

    def find(self, kind: int, inode: int) -> Node | None:
        """The one that had this inode."""
        return self._nodes.get((kind, inode))


def bases_of(reader: BlobReader, node: Node | None) -> BaseFinder | None:
    """What a file consisted of, for the chunks of a new version."""
    if node is None or node.kind != NodeKind.FILE:
        return None
    return BaseFinder(partial(file_refs, reader, node))


def find_similar(
    level: Level,
    vanished: Vanished,
    name: bytes,
    status: os.stat_result,
    parent_node: Node | None,
) -> tuple[Node | None, Node | None]:
    """What was there before, and if nothing was, what this may be a version of.

    In this order: what stands at this name in the directory that this one is
    like; what had this inode, was moved and then changed; a neighbour with a name
    much like this, as yesterday's dump has beside today's.
    """
    if parent_node is not None or not vanished.has_parent:
        return parent_node, None
    kind = kind_of(status.st_mode)
    if kind is None:
        return None, None
    beside = None if level.similar is None else level.similar.take(name)
    if beside is not None and beside.kind == kind:
        return None, beside
    moved = vanished.find(kind, status.st_ino)
    return None, moved or _neighbour(level, name, kind)


def _neighbour(level: Level, name: bytes, kind: int) -> Node | None:
    near = [node for node in level.before.neighbours() if node and node.kind == kind]
    nearest = max(near, key=lambda node: _likeness(node.name, name), default=None)
    if nearest is None or _likeness(nearest.name, name) < _LEAST_LIKENESS:
        return None
    return nearest


def _likeness(left: bytes, right: bytes) -> float:
    """Which part of the longer name is the common beginning."""
    common = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        common += 1
    return common / max(len(left), len(right))
