"""Where the paths of a snapshot arrive when they are restored.

- Without a choice of paths, a snapshot of one folder puts that folder's content
  into the target, and a snapshot of several paths puts each under its base name.
- With a choice, each path arrives under its base name.
- Paths whose places would touch each other arrive under their whole path,
  without the leading slash.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chunkvault.errors import DamageError, PathNotInSnapshot
from chunkvault.format.node import Node, NodeKind
from chunkvault.format.snapshot import Snapshot
from chunkvault.ids import BlobId
from chunkvault.snapshots.paths import clean_path, lies_in, outermost, split_path
from chunkvault.snapshots.tree_reader import DamagedPath, TreeReader

__all__ = ["Placement", "choose_targets", "place", "place_at_origin"]


class Placement(NamedTuple):
    """One path of a snapshot and its place.

    Attributes:
        target: below the target directory, which itself is ``b""``.
        node: what stands there; None for ``/``, which has no metadata.
        tree: the entries, if it is a directory that arrives with its content;
            None for other things, and for a directory that is only passed
            through on the way to a target.
    """

    target: bytes
    node: Node | None
    tree: BlobId | None


def place(
    trees: TreeReader,
    snapshot: Snapshot,
    paths: Sequence[bytes],
    on_damage: DamagedPath,
) -> list[Placement]:
    """The places of ``paths``, or of the whole snapshot if there are none.

    Directories on the way to a target stand before it.

    Raises:
        PathNotInSnapshot: the snapshot does not hold one of the paths.
    """
    sources = [clean_path(path) for path in paths or outermost(snapshot.paths)]
    lookup = _Lookup(trees, snapshot.tree, on_damage)
    found = {source: lookup.find(source, is_chosen=bool(paths)) for source in sources}
    if not paths and len(found) == 1:
        [(source, placement)] = found.items()
        targets = {source: b"" if placement and placement.tree else _base(source)}
    else:
        targets = choose_targets(list(found))
    placed = [
        placement._replace(target=targets[source])
        for source, placement in found.items()
        if placement is not None and source in targets
    ]
    return lookup.passages(targets) + placed


def place_at_origin(
    trees: TreeReader,
    snapshot: Snapshot,
    paths: Sequence[bytes],
    on_damage: DamagedPath,
) -> list[Placement]:
    """As `place`, but where each path came from, below ``/``.

    Raises:
        PathNotInSnapshot: the snapshot does not hold one of the paths.
    """
    sources = outermost(paths or snapshot.paths)
    lookup = _Lookup(trees, snapshot.tree, on_damage)
    is_chosen = bool(paths)
    found = ((source, lookup.find(source, is_chosen=is_chosen)) for source in sources)
    return [
        placement._replace(target=source[1:])
        for source, placement in found
        if placement is not None
    ]


def choose_targets(sources: Sequence[bytes]) -> dict[bytes, bytes]:
    """The target of each source: its base name, or its whole path in a conflict.

    A source that another one puts into the same place is left out.
    """
    targets = {source: _base(source) for source in sources}
    while conflicts := _conflicts(targets):
        targets.update((source, source[1:]) for source in conflicts)
    return {
        source: target
        for source, target in targets.items()
        if not any(_covers(other, source, targets) for other in targets)
    }


def _conflicts(targets: dict[bytes, bytes]) -> list[bytes]:
    """Sources under their base name whose target touches another's target."""
    return [
        source
        for source, target in targets.items()
        if target != source[1:]
        and any(
            lies_in(target, other) or lies_in(other, target)
            for other_source, other in targets.items()
            if other_source != source
        )
    ]


def _covers(outer: bytes, inner: bytes, targets: dict[bytes, bytes]) -> bool:
    return (
        outer != inner
        and lies_in(inner, outer)
        and targets[outer] == outer[1:]
        and targets[inner] == inner[1:]
    )


class _Lookup:
    """Finds paths in one snapshot."""

    def __init__(self, trees: TreeReader, root: BlobId, on_damage: DamagedPath) -> None:
        self._trees = trees
        self._root = root
        self._on_damage = on_damage

    def find(self, source: bytes, *, is_chosen: bool = True) -> Placement | None:
        """The path, not yet placed; None if damage hides it.

        Also None for a path that the snapshot was to be of, and that could not be
        read; not so where a person has chosen it.
        """
        if source == b"/":
            return Placement(b"", None, self._root)
        try:
            node = self._trees.lookup(self._root, source)
        except DamageError as error:
            self._on_damage(source, error)
            return None
        if node is None and not is_chosen:
            return None
        if node is None:
            shown = source.decode(errors="backslashreplace")
            raise PathNotInSnapshot(f"the snapshot does not hold {shown}")
        return Placement(b"", node, node.subtree)

    def passages(self, targets: dict[bytes, bytes]) -> list[Placement]:
        """The directories on the way to targets that are whole paths."""
        ways = {
            way
            for source, target in targets.items()
            if target == source[1:]
            for way in _ways_to(source)
        }
        found = ((way, self.find(way)) for way in sorted(ways))
        return [
            Placement(way[1:], placement.node, None)
            for way, placement in found
            if placement is not None
            and placement.node is not None
            and placement.node.kind == NodeKind.DIRECTORY
        ]


def _ways_to(source: bytes) -> list[bytes]:
    names = split_path(source)
    return [b"/" + b"/".join(names[:count]) for count in range(1, len(names))]


def _base(source: bytes) -> bytes:
    return source.rpartition(b"/")[2]
