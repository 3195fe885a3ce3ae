"""The versions of one path: when it changed, and which snapshots have which.

Snapshots are gone through newest first. Trees are addressed by content, so where
a directory on the way has the id it had in the snapshot before, everything below
it is the same and is not looked at: a snapshot in which nothing near the path
changed costs no read beyond its own root.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from chunkvault.errors import DamageError
from chunkvault.format.node import EMPTY_DIRECTORY, Node
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.snapshots.comparison import same_version
from chunkvault.snapshots.paths import may_hold, split_path
from chunkvault.snapshots.tree_reader import OnDamage, TreeReader

__all__ = ["Version", "versions"]


class Version(NamedTuple):
    """One version of a path.

    Attributes:
        node: as the newest of ``snapshots`` has it; None where the path is absent
            from snapshots between or after ones that have it: it was deleted.
        snapshots: consecutive ones that have this version, newest first.
    """

    node: Node | None
    snapshots: tuple[StoredSnapshot, ...]


def versions(
    repository: Repository,
    snapshots: Iterable[StoredSnapshot],
    path: bytes,
    on_damage: OnDamage,
) -> Iterator[Version]:
    """The distinct versions of ``path``, newest first.

    Snapshots whose paths cannot hold ``path`` do not count. Absence is a version
    only where an older snapshot has the path; so nothing at all comes for a path
    that no snapshot has. A snapshot in which the way to it is damaged is passed over,
    and ``on_damage`` told why.
    """
    candidates = [kept for kept in snapshots if may_hold(kept.snapshot.paths, path)]
    candidates.sort(key=lambda kept: kept.snapshot.time_ns, reverse=True)
    finder = _PathFinder(repository, path)
    absent: Version | None = None
    for version in _grouped(_found(finder, candidates, on_damage)):
        if version.node is None:
            absent = version
            continue
        if absent is not None:
            yield absent
        absent = None
        yield version


def _found(
    finder: "_PathFinder", newest_first: Sequence[StoredSnapshot], on_damage: OnDamage
) -> Iterator[tuple[StoredSnapshot, Node | None]]:
    for kept in newest_first:
        try:
            yield kept, finder.find(kept.snapshot.tree)
        except DamageError as error:
            on_damage(error)


def _grouped(
    newest_first: Iterable[tuple[StoredSnapshot, Node | None]],
) -> Iterator[Version]:
    node: Node | None = None
    group: list[StoredSnapshot] = []
    for kept, found in newest_first:
        if group and not _is_same(node, found):
            yield Version(node, tuple(group))
            group = []
        if not group:
            node = found
        group.append(kept)
    if group:
        yield Version(node, tuple(group))


def _is_same(left: Node | None, right: Node | None) -> bool:
    if left is None or right is None:
        return left is right
    return left is right or same_version(left, right)


class _PathFinder:
    """Looks one path up in one root after another."""

    def __init__(self, repository: Repository, path: bytes) -> None:
        self._reader = TreeReader(repository.reader)
        self._names = split_path(path)
        self._trees: list[BlobId] = []
        self._found: Node | None = None

    def find(self, root: BlobId) -> Node | None:
        """The node at the path, or None.

        Goes down only as far as the trees differ from those of the last call.
        """
        # No directory lists "/": it gets a node of our own.
        node: Node | None = EMPTY_DIRECTORY._replace(subtree=root)
        trees: list[BlobId] = []
        for depth, name in enumerate(self._names):
            tree = node.subtree if node is not None else None
            if tree is None:
                node = None
                break
            if self._trees[depth : depth + 1] == [tree]:
                trees += self._trees[depth:]
                node = self._found
                break
            trees.append(tree)
            node = self._reader.find(tree, name)
        self._trees, self._found = trees, node
        return node
