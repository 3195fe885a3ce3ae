"""Names across snapshots: which paths fit a pattern, and which snapshots have them.

All snapshots are walked side by side, so that the versions of a path come
together, each with everybody who has it. Trees are addressed by content: where
several snapshots have the same directory it is read and searched once for all of
them. In memory are the directories between the root and the current path.
"""

import fnmatch
import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from chunkvault.format.node import Node
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.snapshots.comparison import own_version
from chunkvault.snapshots.descent import depth_first
from chunkvault.snapshots.tree_reader import DamagedPath, TreeReader

__all__ = ["Match", "find"]

_Holders = tuple[int, ...]
_Entry = tuple[bytes, int, Node, _Holders]


class Match(NamedTuple):
    """A version of a path that fits.

    Attributes:
        path: absolute.
        node: as the newest of ``snapshots`` has it.
        snapshots: all that have this version, newest first.
    """

    path: bytes
    node: Node
    snapshots: tuple[StoredSnapshot, ...]


def find(
    repository: Repository,
    snapshots: Iterable[StoredSnapshot],
    pattern: bytes,
    on_damage: DamagedPath | None = None,
) -> Iterator[Match]:
    """The paths that fit ``pattern``, in the order of a walk.

    A path comes once for each of its versions, newest first; what changed below a
    directory makes no new version of it.

    ``*``, ``?`` and ``[abc]`` as in a shell. A pattern with a slash is compared
    with the whole path, and its ``*`` also stands for slashes; any other is
    compared with the last name only. Upper and lower case differ.

    Args:
        repository: where the snapshots are.
        snapshots: of which.
        pattern: what to look for.
        on_damage: told of directories that lack entries, for each snapshot that has
            them so; the search goes on.

    Raises:
        DamageError: a tree cannot be read, and nobody is told.
    """
    newest_first = sorted(
        snapshots, key=lambda kept: kept.snapshot.time_ns, reverse=True
    )
    fits = _compile(pattern)
    search = _Search(TreeReader(repository.reader), on_damage)
    for path, group in search.walk([kept.snapshot.tree for kept in newest_first]):
        if fits(path):
            for node, holders in _versions(group):
                yield Match(path, node, tuple(newest_first[one] for one in holders))


def _compile(pattern: bytes) -> Callable[[bytes], bool]:
    # fnmatch only translates text; latin-1 maps each byte to one character.
    expression = fnmatch.translate(pattern.decode("latin-1")).encode("latin-1")
    matches = re.compile(expression).match
    if b"/" in pattern:
        return lambda path: matches(path) is not None
    return lambda path: matches(path, path.rindex(b"/") + 1) is not None


def _versions(group: Iterable[_Entry]) -> Iterator[tuple[Node, list[int]]]:
    """The distinct nodes of one path, and the numbers of who has which."""
    found: dict[tuple[object, ...], tuple[Node, list[int]]] = {}
    for _, _, node, holders in sorted(group, key=itemgetter(1)):
        found.setdefault(own_version(node), (node, []))[1].extend(holders)
    for node, numbers in found.values():
        yield node, sorted(numbers)


class _Search:
    """Goes through several trees side by side."""

    def __init__(self, reader: TreeReader, on_damage: DamagedPath | None) -> None:
        self._reader = reader
        self._on_damage = on_damage

    def walk(self, roots: Sequence[BlobId]) -> Iterator[tuple[bytes, list[_Entry]]]:
        """Each path below any root, with its entries below all of them."""
        trees = [(root, (number,)) for number, root in enumerate(roots)]
        groups = self._side_by_side(b"", trees)
        return depth_first(b"", groups, _name_of, self._below)

    def _below(self, path: bytes, group: list[_Entry]) -> Iterator[list[_Entry]] | None:
        trees = [(node.subtree, who) for _, _, node, who in group if node.subtree]
        return self._side_by_side(path, trees) if trees else None

    def _side_by_side(
        self, path: bytes, trees: Iterable[tuple[BlobId, _Holders]]
    ) -> Iterator[list[_Entry]]:
        """The entries of directories in name order, those of one name together."""
        merged: dict[BlobId, _Holders] = {}
        for tree, holders in trees:
            merged[tree] = merged.get(tree, ()) + holders
        streams = [self._tagged(path, tree, who) for tree, who in merged.items()]
        ordered = heapq.merge(*streams, key=itemgetter(0))
        for _, group in groupby(ordered, key=itemgetter(0)):
            yield list(group)

    def _tagged(self, path: bytes, tree: BlobId, holders: _Holders) -> Iterator[_Entry]:
        newest = min(holders)
        for node in self._reader.entries_at(path, tree, self._on_damage):
            yield node.name, newest, node, holders


def _name_of(group: list[_Entry]) -> bytes:
    return group[0][0]
