"""What differs between two snapshots.

Two trees are walked side by side. Directories with the same id are the same all
the way down and are not opened, so the cost is that of what changed.
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from chunkvault.errors import DamageError, PathNotInSnapshot
from chunkvault.format.node import Node
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.snapshots.comparison import same_content, same_metadata
from chunkvault.snapshots.descent import depth_first
from chunkvault.snapshots.paths import outermost, split_path
from chunkvault.snapshots.tree_reader import DamagedPath, TreeReader

__all__ = ["Change", "Difference", "diff"]

_Pair = tuple[bytes, Node | None, Node | None]
"""A name, its node in the old directory, its node in the new one."""


class Change:
    """What happened to a path; the words stand in the output."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    METADATA = "metadata"


class Difference(NamedTuple):
    """One path that is not the same in both snapshots.

    Attributes:
        path: absolute.
        change: one of `Change`: ``changed`` is another content, target or type,
            ``metadata`` only another owner, mode, time or extended attribute.
        old: its node in the old snapshot; None where it was added.
        new: its node in the new snapshot; None where it was removed.
    """

    path: bytes
    change: str
    old: Node | None
    new: Node | None


def diff(
    repository: Repository,
    old: StoredSnapshot,
    new: StoredSnapshot,
    path: bytes | None = None,
    on_damage: DamagedPath | None = None,
) -> Iterator[Difference]:
    """The differences at and below ``path``, or all, in the order of a walk.

    Of a directory that came or went, everything in it is named as well. One that only
    leads to what a snapshot is of is not named for a new time or mode: nobody asked
    for it to be kept. Of names that damage may hide in one snapshot nothing is said.

    Args:
        repository: where both are.
        old: a snapshot.
        new: another one.
        path: what of them.
        on_damage: told of directories that lack entries in one of them; the
            comparison goes on.

    Raises:
        PathNotInSnapshot: neither snapshot holds ``path``; raised at once.
        DamageError: the way to the path cannot be read, or what is there cannot
            and nobody is told.
    """
    reader = TreeReader(repository.reader)
    ways = frozenset((*_ways(old.snapshot.paths), *_ways(new.snapshot.paths)))
    comparison = _Comparison(reader, ways, on_damage)
    names = split_path(path or b"/")
    roots = old.snapshot.tree, new.snapshot.tree
    if not names:
        return comparison.walk(b"", comparison.side_by_side(b"", *roots))
    clean = b"".join(b"/" + name for name in names)
    pair = names[-1], reader.lookup(roots[0], clean), reader.lookup(roots[1], clean)
    if pair[1:] == (None, None):
        shown = clean.decode(errors="backslashreplace")
        raise PathNotInSnapshot(f"neither snapshot holds {shown}")
    return comparison.walk(clean.rpartition(b"/")[0], iter([pair]))


def _ways(paths: Sequence[bytes]) -> Iterator[bytes]:
    """The directories above these paths, but for those that are in one of them."""
    for path in outermost(paths):
        names = split_path(path)
        for depth in range(1, len(names)):
            yield b"".join(b"/" + name for name in names[:depth])


def _change(old: Node | None, new: Node | None) -> str | None:
    if old is None:
        return Change.ADDED
    if new is None:
        return Change.REMOVED
    if not same_content(old, new):
        return Change.CHANGED
    return None if same_metadata(old, new) else Change.METADATA


class _Comparison:
    """Goes through two trees side by side.

    Args:
        reader: of both.
        ways: directories of which nobody wants to know their new time or mode.
        on_damage: told of directories that lack entries; None to raise it.
    """

    def __init__(
        self,
        reader: TreeReader,
        ways: frozenset[bytes],
        on_damage: DamagedPath | None,
    ) -> None:
        self._reader = reader
        self._ways = ways
        self._on_damage = on_damage

    def walk(self, prefix: bytes, pairs: Iterator[_Pair]) -> Iterator[Difference]:
        """What differs of these pairs, which stand in ``prefix``, and below them."""
        for path, pair in depth_first(prefix, pairs, itemgetter(0), self._below):
            _, old, new = pair
            change = _change(old, new)
            if change and not (change == Change.METADATA and path in self._ways):
                yield Difference(path, change, old, new)

    def side_by_side(
        self, path: bytes, old_tree: BlobId | None, new_tree: BlobId | None
    ) -> Iterator[_Pair]:
        """The nodes of two directories by name; a missing directory is an empty one.

        What one of them has where the other has a gap is left out: nobody knows
        whether it came, went or stayed.
        """
        if old_tree == new_tree:
            return
        old = _Side(self._reader, path, old_tree, self._on_damage)
        new = _Side(self._reader, path, new_tree, self._on_damage)
        while nodes := [side.node for side in (old, new) if side.node is not None]:
            name = min(node.name for node in nodes)
            is_known = not (old.may_lack(name) or new.may_lack(name))
            pair = name, old.take(name), new.take(name)
            if is_known:
                yield pair

    def _below(self, path: bytes, pair: _Pair) -> Iterator[_Pair] | None:
        _, old, new = pair
        trees = (old and old.subtree), (new and new.subtree)
        return None if trees[0] == trees[1] else self.side_by_side(path, *trees)


class _Side:
    """One of two directories: its nodes in order, and where some are missing.

    Attributes:
        node: the next one; None behind the last.
    """

    def __init__(
        self,
        reader: TreeReader,
        path: bytes,
        tree: BlobId | None,
        on_damage: DamagedPath | None,
    ) -> None:
        self.node: Node | None = None
        self._is_behind_gap = False
        self._on_damage = on_damage
        tell = None if on_damage is None else self._tell
        self._nodes = iter(()) if tree is None else reader.entries_at(path, tree, tell)
        self._advance()

    def may_lack(self, name: bytes) -> bool:
        """Whether damage may hide this name, which is not behind the next node's."""
        is_here = self.node is not None and self.node.name == name
        return self._is_behind_gap and not is_here

    def take(self, name: bytes) -> Node | None:
        """The next node, and go on, if this is its name."""
        node = self.node
        if node is None or node.name != name:
            return None
        self._advance()
        return node

    def _advance(self) -> None:
        self._is_behind_gap = False
        self.node = next(self._nodes, None)

    def _tell(self, path: bytes, error: DamageError) -> None:
        self._is_behind_gap = True
        if self._on_damage is not None:
            self._on_damage(path, error)
