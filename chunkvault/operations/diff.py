"""What differs between two snapshots.

Two trees are walked side by side. Directories with the same id are the same all
the way down and are not opened, so the cost is that of what changed.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chunkvault.errors import PathNotInSnapshot
from chunkvault.format.node import Node
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.snapshots.comparison import same_content, same_metadata
from chunkvault.snapshots.paths import outermost, split_path
from chunkvault.snapshots.tree_reader import TreeReader

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
) -> Iterator[Difference]:
    """The differences at and below ``path``, or all, in the order of a walk.

    Of a directory that came or went, everything in it is named as well. One that only
    leads to what a snapshot is of is not named for a new time or mode: nobody asked
    for it to be kept.

    Raises:
        PathNotInSnapshot: neither snapshot holds ``path``; raised at once.
        DamageError: a tree cannot be read.
    """
    reader = TreeReader(repository.reader)
    ways = frozenset((*_ways(old.snapshot.paths), *_ways(new.snapshot.paths)))
    names = split_path(path or b"/")
    roots = old.snapshot.tree, new.snapshot.tree
    if not names:
        return _differences(reader, ways, b"", _side_by_side(reader, *roots))
    clean = b"".join(b"/" + name for name in names)
    pair = names[-1], reader.lookup(roots[0], clean), reader.lookup(roots[1], clean)
    if pair[1:] == (None, None):
        shown = clean.decode(errors="backslashreplace")
        raise PathNotInSnapshot(f"neither snapshot holds {shown}")
    return _differences(reader, ways, clean.rpartition(b"/")[0], iter([pair]))


def _ways(paths: Sequence[bytes]) -> Iterator[bytes]:
    """The directories above these paths, but for those that are in one of them."""
    for path in outermost(paths):
        names = split_path(path)
        for depth in range(1, len(names)):
            yield b"".join(b"/" + name for name in names[:depth])


def _differences(
    reader: TreeReader, ways: frozenset[bytes], prefix: bytes, pairs: Iterator[_Pair]
) -> Iterator[Difference]:
    # Levels on a list of our own: trees may be deeper than the interpreter's stack.
    levels = [(prefix, pairs)]
    while levels:
        prefix, pairs = levels[-1]
        pair = next(pairs, None)
        if pair is None:
            levels.pop()
            continue
        name, old, new = pair
        path = prefix + b"/" + name
        change = _change(old, new)
        if change and not (change == Change.METADATA and path in ways):
            yield Difference(path, change, old, new)
        trees = (old and old.subtree), (new and new.subtree)
        if trees[0] != trees[1]:
            levels.append((path, _side_by_side(reader, *trees)))


def _change(old: Node | None, new: Node | None) -> str | None:
    if old is None:
        return Change.ADDED
    if new is None:
        return Change.REMOVED
    if not same_content(old, new):
        return Change.CHANGED
    return None if same_metadata(old, new) else Change.METADATA


def _side_by_side(
    reader: TreeReader, old_tree: BlobId | None, new_tree: BlobId | None
) -> Iterator[_Pair]:
    """The nodes of two directories by name; a missing directory is an empty one."""
    if old_tree == new_tree:
        return
    olds = iter(()) if old_tree is None else reader.entries(old_tree)
    news = iter(()) if new_tree is None else reader.entries(new_tree)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if old is not None and (new is None or old.name < new.name):
            yield old.name, old, None
            old = next(olds, None)
        elif new is not None and (old is None or new.name < old.name):
            yield new.name, None, new
            new = next(news, None)
        elif old is not None:
            yield old.name, old, new
            old, new = next(olds, None), next(news, None)
