"""Format chapter 7: trees. The nodes of one directory, column by column.

A msgpack array ``[1, number of nodes, {column: values}]``. A column is an array
with a value for every node, or with one value that all nodes share; a column
whose values are all the default is left out. Nodes are sorted by name. Of numbers
that change from one backup to the next the steps are stored, the differences to
the node before: they compress to about half of the numbers themselves.

A directory of more than `MAX_LEAF_NODES` nodes is cut into several such trees,
after names whose BLAKE3 hash starts with a byte below `_CUT_BELOW` (and before a
blob would grow too large, where nodes have much in extended attributes), and a
tree of trees ``[2, [[first name, id], …]]`` lists them (again cut if need be): one
more file among a million changes two or three small blobs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from operator import lt
from typing import Any, NamedTuple, cast

from chunkvault.codec.hashing import content_hash
from chunkvault.codec.packing import pack, unpack, unpack_canonical
from chunkvault.errors import FormatError
from chunkvault.format.content import REF_BYTES
from chunkvault.format.node import (
    FIRST_TIME_NS,
    LAST_TIME_NS,
    MODE_BITS,
    Node,
    NodeKind,
    new_node,
)
from chunkvault.format.steps import add_steps, to_steps
from chunkvault.ids import ID_BYTES, BlobId

__all__ = [
    "MAX_LEAF_NODES",
    "ChildTree",
    "TreeBuilder",
    "decode_tree",
    "encode_leaf",
    "find_node",
    "is_node_name",
    "is_tree_of_trees",
    "iterate_nodes",
]

MAX_LEAF_NODES = 1024
_CUT_BELOW = 1
_MAX_CUT_NODES = 4096
_MAX_CUT_BYTES = 4 << 20
"""Link targets and extended attributes of one leaf: it must fit into a blob."""

_MAX_LEVELS = 8
_LEAF = 1
_INNER = 2

_DEFAULTS: dict[str, Any] = {
    "name": None,
    "kind": NodeKind.FILE,
    "mode": 0o644,
    "uid": 0,
    "gid": 0,
    "user": b"",
    "group": b"",
    "mtime_ns": 0,
    "ctime_ns": 0,
    "inode": 0,
    "device": 0,
    "links": 1,
    "size": 0,
    "rdev": 0,
    "target": b"",
    "xattrs": (),
    "content": b"",
    "content_list": None,
    "subtree": None,
    "flags": 0,
}
assert tuple(_DEFAULTS) == Node._fields

_U64 = (0, 2**64)
_TIME = (FIRST_TIME_NS, LAST_TIME_NS + 1)
_RANGES = {
    "kind": (NodeKind.FILE, NodeKind.BLOCK_DEVICE + 1),
    "mode": (0, MODE_BITS + 1),
    "uid": (0, 2**32),
    "gid": (0, 2**32),
    "mtime_ns": _TIME,
    "ctime_ns": _TIME,
    "inode": _U64,
    "device": _U64,
    "links": _U64,
    "size": (0, 2**63),
    "rdev": _U64,
    "flags": (0, 2**32),
}
_BYTES = ("name", "user", "group", "target", "content")
_IDS = ("content_list", "subtree")


class ChildTree(NamedTuple):
    """One part of a large directory, and the first name in it."""

    first_name: bytes
    blob_id: BlobId


def is_node_name(name: bytes) -> bool:
    """Whether this can be one name in a directory."""
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name


def encode_leaf(nodes: Sequence[Node]) -> bytes:
    """The bytes of a tree with these nodes, which must be sorted by name."""
    columns: dict[str, list[Any]] = {}
    for (field, default), values in zip(
        _DEFAULTS.items(), zip(*nodes, strict=True), strict=False
    ):
        first = values[0]
        if values.count(first) < len(values):
            name, column = to_steps(field, values)
            columns[name] = column
        elif first != default:
            columns[field] = [first]
    return pack([_LEAF, len(nodes), columns])


class TreeBuilder:
    """Stores one directory, node by node; holds no more than one leaf of it.

    Args:
        save: stores a blob and gives its id; is told the first name in it.
    """

    def __init__(self, save: Callable[[bytes, bytes], BlobId]) -> None:
        self._save = save
        self._pending: list[Node] = []
        self._pending_bytes = 0
        self._children: list[ChildTree] = []

    def add(self, node: Node) -> None:
        """The next node; nodes come sorted by name."""
        if self._children:
            self._add_cutting(node)
            return
        self._pending.append(node)
        if node.target or node.xattrs:
            self._pending_bytes += _bulk(node)
        if len(self._pending) > MAX_LEAF_NODES or self._pending_bytes > _MAX_CUT_BYTES:
            self._cut_pending()

    def finish(self) -> BlobId:
        """The id of the directory's tree."""
        if not self._children:
            first_name = self._pending[0].name if self._pending else b""
            return self._save(encode_leaf(self._pending), first_name)
        if self._pending:
            self._save_leaf()
        return _save_children(self._children, self._save)

    def _cut_pending(self) -> None:
        # Only now is the directory known to be large: cut what is there as if that
        # had been known from the start, so that equal directories are equal blobs.
        nodes, self._pending = self._pending, []
        self._pending_bytes = 0
        for node in nodes:
            self._add_cutting(node)
        if not self._children:
            # No name cuts so far: go on as if one had, at the next name that does.
            self._save_leaf()

    def _add_cutting(self, node: Node) -> None:
        self._pending.append(node)
        self._pending_bytes += _bulk(node)
        is_full = self._pending_bytes > _MAX_CUT_BYTES
        if is_full or _is_cut(node.name, len(self._pending)):
            self._save_leaf()

    def _save_leaf(self) -> None:
        nodes, self._pending = self._pending, []
        self._pending_bytes = 0
        blob_id = self._save(encode_leaf(nodes), nodes[0].name)
        self._children.append(ChildTree(nodes[0].name, blob_id))


def decode_tree(data: bytes) -> list[Node] | list[ChildTree]:
    """The nodes of a directory, or the parts of a large one.

    Raises:
        FormatError: the blob is not a tree, or one that no writer makes: names
            unsorted, doubled or not single path components, numbers out of range.
    """
    value = unpack(data)
    leaf = _leaf_of(value)
    if leaf is not None:
        return _decode_leaf(*leaf)
    if isinstance(value, list) and len(value) == 2 and value[0] == _INNER:
        return _decode_inner(unpack_canonical(data)[1])
    raise FormatError("not a tree")


def iterate_nodes(tree: BlobId, load: Callable[[BlobId], bytes]) -> Iterator[Node]:
    """All nodes of a directory in order; holds one part at a time.

    Raises:
        DamageError: a part is missing or broken, or out of order.
    """
    last = b""
    for leaf in _iterate_leaves(tree, load, 0):
        if leaf[0].name <= last:
            raise FormatError("the parts of a directory are out of order")
        last = leaf[-1].name
        yield from leaf


def find_node(
    tree: BlobId, name: bytes, load: Callable[[BlobId], bytes]
) -> Node | None:
    """The node of that name, reading only the parts that lead to it.

    Raises:
        DamageError: a part is missing or broken.
    """
    for _ in range(_MAX_LEVELS):
        data = load(tree)
        leaf = _leaf_of(unpack(data))
        if leaf is not None:
            return _pick_node(*leaf, name)
        children = cast("list[ChildTree]", decode_tree(data))
        before = [child for child in children if child.first_name <= name]
        if not before:
            return None
        tree = before[-1].blob_id
    raise FormatError("a directory is nested too deeply")


def is_tree_of_trees(data: bytes) -> bool:
    """Whether these bytes of a tree are one."""
    return data[1:2] == bytes((_INNER,))


def _iterate_leaves(
    tree: BlobId, load: Callable[[BlobId], bytes], level: int
) -> Iterator[list[Node]]:
    """The parts of a directory that are not empty; names ascend within each."""
    if level >= _MAX_LEVELS:
        raise FormatError("a directory is nested too deeply")
    items = decode_tree(load(tree))
    if items and isinstance(items[0], Node):
        yield items
        return
    for child in cast("list[ChildTree]", items):
        yield from _iterate_leaves(child.blob_id, load, level + 1)


def _bulk(node: Node) -> int:
    """Bytes that only some nodes have, so that they are counted for those alone."""
    return len(node.target) + sum(len(name) + len(value) for name, value in node.xattrs)


def _is_cut(name: bytes, count: int) -> bool:
    return content_hash(name)[0] < _CUT_BELOW or count == _MAX_CUT_NODES


def _save_children(
    children: list[ChildTree], save: Callable[[bytes, bytes], BlobId]
) -> BlobId:
    while len(children) > MAX_LEAF_NODES:
        groups: list[ChildTree] = []
        pending: list[ChildTree] = []
        for child in children:
            pending.append(child)
            if child.blob_id[0] < _CUT_BELOW or len(pending) == MAX_LEAF_NODES:
                groups.append(_save_inner(pending, save))
                pending = []
        if pending:
            groups.append(_save_inner(pending, save))
        children = groups
    return _save_inner(children, save).blob_id


def _save_inner(
    children: list[ChildTree], save: Callable[[bytes, bytes], BlobId]
) -> ChildTree:
    first_name = children[0].first_name
    blob_id = save(pack([_INNER, [list(child) for child in children]]), first_name)
    return ChildTree(first_name, blob_id)


def _decode_inner(rows: object) -> list[ChildTree]:
    if not isinstance(rows, list) or not rows:
        raise FormatError("a tree of trees is empty")
    children = []
    for row in rows:
        if not isinstance(row, list) or [type(cell) for cell in row] != [bytes, bytes]:
            raise FormatError("a tree of trees makes no sense")
        if len(row[1]) != ID_BYTES:
            raise FormatError("a tree of trees makes no sense")
        children.append(ChildTree(row[0], BlobId(row[1])))
    if any(left[0] >= right[0] for left, right in zip(children, children[1:])):  # noqa: B905, RUF007
        raise FormatError("a tree of trees is out of order")
    return children


_Columns = dict[str, list[Any]]


def _leaf_of(value: object) -> tuple[int, _Columns] | None:
    """How many nodes a leaf has, and its columns; None if it is no leaf."""
    if not isinstance(value, list) or len(value) != 3 or value[0] != _LEAF:
        return None
    count, columns = value[1:]
    if not isinstance(count, int) or not isinstance(columns, dict):
        raise FormatError("a tree makes no sense")
    if not 0 <= count <= _MAX_CUT_NODES:
        raise FormatError("a tree has too many nodes")
    if count and "name" not in columns:
        raise FormatError("a tree has no names")
    add_steps(columns)
    for field, values in columns.items() if count else ():
        lengths = (count,) if field == "name" else (1, count)
        if not isinstance(values, list) or len(values) not in lengths:
            raise FormatError(f"the column {field} of a tree has the wrong length")
    return count, columns


def _pick_node(count: int, columns: _Columns, name: bytes) -> Node | None:
    """One node of a leaf; the others are neither made nor looked at."""
    if not count or name not in columns["name"]:
        return None
    place = columns["name"].index(name)
    picked = {
        field: values[place : place + 1] if len(values) == count else values
        for field, values in columns.items()
    }
    return _decode_leaf(1, picked)[0]


def _decode_leaf(count: int, columns: _Columns) -> list[Node]:
    if count == 0:
        return []
    ordered = [
        _decode_column(field, columns[field], count)
        if field in columns
        else repeat(default, count)
        for field, default in _DEFAULTS.items()
    ]
    return list(map(new_node, zip(*ordered, strict=False)))


def _decode_column(field: str, values: list[Any], count: int) -> Iterable[Any]:
    if field == "xattrs":
        values = [_decode_xattrs(value) for value in values]
    else:
        _check_column(field, values)
    return values if len(values) == count else repeat(values[0], count)


def _check_column(field: str, values: list[Any]) -> None:
    types = set(map(type, values))
    if field in _BYTES:
        is_right = types == {bytes} and _are_right_bytes(field, values)
    elif field in _IDS:
        is_right = types <= {bytes, type(None)} and all(
            value is None or len(value) == ID_BYTES for value in values
        )
    else:
        low, high = _RANGES[field]
        is_right = types == {int} and min(values) >= low and max(values) < high
    if not is_right:
        raise FormatError(f"the column {field} of a tree makes no sense")


def _are_right_bytes(field: str, values: list[bytes]) -> bool:
    if field == "content":
        return not any(length % REF_BYTES for length in set(map(len, values)))
    if field != "name":
        return b"\0" not in b"".join(values)
    joined = b"\0".join(values)
    return (
        joined.count(b"\0") == len(values) - 1
        and b"/" not in joined
        and {b"", b".", b".."}.isdisjoint(values)
        and all(map(lt, values, values[1:]))
    )


def _decode_xattrs(value: object) -> tuple[tuple[bytes, bytes], ...]:
    if not isinstance(value, list):
        raise FormatError("the extended attributes in a tree make no sense")
    pairs = []
    for pair in value:
        if not isinstance(pair, list) or [type(part) for part in pair] != [bytes] * 2:
            raise FormatError("the extended attributes in a tree make no sense")
        if not pair[0] or b"\0" in pair[0]:
            raise FormatError("the name of an extended attribute makes no sense")
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)
