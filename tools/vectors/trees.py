"""Vectors of chapter 7: trees and the content of files."""

from collections.abc import Iterator

from chunkvault.codec.packing import pack
from chunkvault.format.content import ChunkRef, encode_content_list, encode_refs
from chunkvault.format.node import FLAG_CHANGED, Node, NodeKind
from chunkvault.format.tree import encode_leaf
from chunkvault.ids import BlobId
from tools.vectors.case import Case, fixed

__all__ = ["cases"]

_CHUNK, _TREE = BlobId(fixed("chunk")), BlobId(fixed("tree"))
_REFS = encode_refs([ChunkRef(100, _CHUNK), ChunkRef(1 << 40, None)])
_ACL = ((b"security.capability", bytes(20)), (b"user.note", b"\xff\0"))


def cases() -> Iterator[Case]:
    """All vectors of this chapter."""
    yield from _good_trees()
    yield from _wrong_names()
    yield from _wrong_columns()
    yield from _wrong_trees()
    yield from _trees_of_trees()
    yield from _contents()
    yield from _content_lists()


def _case(name: str, comment: str, data: bytes, expect: str = "FormatError") -> Case:
    return Case("7-trees", name, comment, data, {}, expect)


def _node(name: bytes, kind: int = NodeKind.FILE) -> Node:
    content = _REFS if kind == NodeKind.FILE else b""
    return Node(
        name=name,
        kind=kind,
        mode=0o4755,
        uid=1000,
        gid=100,
        user=b"anna",
        group=b"users",
        mtime_ns=1_790_000_000_123_456_789,
        ctime_ns=-1,
        inode=2**64 - 1,
        device=2049,
        links=1,
        size=(1 << 40) + 100 if content else 0,
        rdev=0,
        target=b"",
        xattrs=(),
        content=content,
        content_list=None,
        subtree=None,
        flags=0,
    )


def _good_trees() -> Iterator[Case]:
    nodes = [
        _node(b"\xff not UTF-8\n")._replace(name=b"\x01 control"),
        _node(b"block", NodeKind.BLOCK_DEVICE)._replace(rdev=0x0800),
        _node(b"character", NodeKind.CHARACTER_DEVICE)._replace(rdev=0x0103),
        _node(b"directory", NodeKind.DIRECTORY)._replace(subtree=_TREE),
        _node(b"fifo", NodeKind.FIFO),
        _node(b"file")._replace(xattrs=_ACL, links=2),
        _node(b"large")._replace(content=b"", content_list=_TREE, flags=FLAG_CHANGED),
        _node(b"link", NodeKind.SYMLINK)._replace(target=b"../\xff", mode=0o777),
        _node(b"\xff not UTF-8\n"),
    ]
    alike = [_node(name) for name in (b"a", b"b", b"c")]
    plain = Node(
        b"default", 1, 0o644, *(0, 0, b"", b"", 0, 0, 0, 0, 1, 0, 0, b""), *_REST
    )
    yield _case("kinds", "every kind of node", encode_leaf(nodes), "ok")
    yield _case("constant", "columns that all nodes share", encode_leaf(alike), "ok")
    yield _case("default", "only a name", encode_leaf([plain]), "ok")
    yield _case("empty", "an empty directory", encode_leaf([]), "ok")
    times = [
        node._replace(mtime_ns=10**9 * 3**number, ctime_ns=0, inode=1000 - number)
        for number, node in enumerate(alike)
    ]
    yield _case("steps", "times and inodes as steps", encode_leaf(times), "ok")
    places = (2**64 - 1, 0, 1)
    far = [
        node._replace(inode=place) for node, place in zip(alike, places, strict=True)
    ]
    yield _case("steps-too-far", "inodes without steps", encode_leaf(far), "ok")
    unknown = pack([1, 1, {"name": [b"a"], "colour": [1]}])
    yield _case("column-unknown", "a column of a later version", unknown, "ok")


_REST = ((), b"", None, None, 0)


def _wrong_names() -> Iterator[Case]:
    wrong: dict[str, list[object]] = {
        "unsorted": [b"b", b"a"],
        "doubled": [b"a", b"a"],
        "sorted-as-text": [b"\xff", b"a"],
        "slash": [b"a", b"a/b"],
        "absolute": [b"/etc"],
        "nul": [b"a\0b"],
        "nul-between": [b"a", b"b\0c"],
        "empty-name": [b""],
        "dot": [b"."],
        "dot-dot": [b"..", b"a"],
        "text": ["a"],
        "number": [1],
        "nothing": [None],
    }
    for name, values in wrong.items():
        data = pack([1, len(values), {"name": values}])
        yield _case(f"name-{name}", "names", data)
    shared = pack([1, 2, {"name": [b"a"]}])
    yield _case("name-shared", "two nodes of one name", shared)
    yield _case("name-missing", "no names", pack([1, 2, {"uid": [7]}]))


def _wrong_columns() -> Iterator[Case]:
    wrong: dict[str, tuple[str, object]] = {
        "kind-0": ("kind", [0]),
        "kind-7": ("kind", [7]),
        "kind-true": ("kind", [True]),
        "mode-negative": ("mode", [-1]),
        "mode-with-type": ("mode", [0o100644]),
        "uid-negative": ("uid", [-1]),
        "uid-large": ("uid", [2**32]),
        "gid-large": ("gid", [2**32]),
        "mtime-text": ("mtime_ns", ["0"]),
        "ctime-fraction": ("ctime_ns", [1.5]),
        "inode-negative": ("inode", [-1]),
        "device-negative": ("device", [-1]),
        "links-text": ("links", ["1"]),
        "size-negative": ("size", [-1]),
        "size-large": ("size", [2**63]),
        "rdev-nothing": ("rdev", [None]),
        "flags-large": ("flags", [2**32]),
        "user-text": ("user", ["anna"]),
        "user-nul": ("user", [b"a\0b"]),
        "group-number": ("group", [0]),
        "target-nul": ("target", [b"a\0b"]),
        "target-nothing": ("target", [None]),
        "content-partial": ("content", [bytes(39)]),
        "content-text": ("content", ["x" * 40]),
        "content-list-short": ("content_list", [bytes(31)]),
        "subtree-long": ("subtree", [bytes(33)]),
        "subtree-text": ("subtree", ["x" * 32]),
        "xattrs-map": ("xattrs", [{}]),
        "xattrs-triple": ("xattrs", [[[b"a", b"b", b"c"]]]),
        "xattrs-text": ("xattrs", [[["a", b"b"]]]),
        "xattrs-nul": ("xattrs", [[[b"a\0b", b""]]]),
        "xattrs-no-name": ("xattrs", [[[b"", b""]]]),
        "steps-text": ("mtime_steps", ["0", "1", "2"]),
        "steps-bare": ("ctime_steps", 0),
        "steps-short": ("mtime_steps", [1, 2]),
        "steps-negative": ("inode_steps", [3, -2, -2]),
        "steps-large": ("ctime_steps", [2**63, 2**63, 2**63]),
        "column-short": ("uid", [1, 2]),
        "column-long": ("uid", [1, 2, 3, 4]),
        "column-empty": ("uid", []),
        "column-bare": ("uid", 0),
        "column-bytes": ("uid", b"\0\0\0"),
        "mixed-types": ("uid", [1, None, 3]),
    }
    for name, (column, values) in wrong.items():
        fields = {"name": [b"a", b"b", b"c"], column: values}
        yield _case(name, f"the column {column}", pack([1, 3, fields]))
    both = {"name": [b"a", b"b"], "inode": [1, 2], "inode_steps": [1, 1]}
    yield _case("steps-doubled", "inodes twice", pack([1, 2, both]))


def _wrong_trees() -> Iterator[Case]:
    good = pack([1, 1, {"name": [b"a"]}])
    many = [f"{number:05}".encode() for number in range(4097)]
    yield _case("count-more", "says two nodes", pack([1, 2, {"name": [b"a"]}]))
    yield _case("count-less", "says one node, has none", pack([1, 1, {"name": []}]))
    yield _case("count-negative", "minus one", pack([1, -1, {"name": [b"a"]}]))
    yield _case("count-text", "a text", pack([1, "1", {"name": [b"a"]}]))
    yield _case("count-large", "4,097 nodes", pack([1, 4097, {"name": many}]))
    huge = pack([1, 2**63, {"name": [b"a"]}])
    yield _case("count-huge", "claims 2^63 nodes", huge)
    yield _case("form-0", "an unknown form", pack([0, 1, {"name": [b"a"]}]))
    yield _case("form-3", "a content list", pack([3, b""]))
    yield _case("not-an-array", "a map", pack({"name": [b"a"]}))
    yield _case("columns-array", "columns as an array", pack([1, 1, [b"a"]]))
    yield _case("trailing", "one byte too many", good + b"\0")
    yield _case("truncated", "the last byte is missing", good[:-1])
    yield _case("nothing", "no bytes", b"")
    yield _case("bomb", "an array of 2^32 - 1", b"\xdd\xff\xff\xff\xff")
    nested = b"\xdd\x00\x0f\xff\xff" * 1_000
    yield _case("nested", "arrays in arrays", nested)


def _trees_of_trees() -> Iterator[Case]:
    rows = [[b"a", fixed("tree 1")], [b"m", fixed("tree 2")]]
    good = pack([2, rows])
    yield _case("inner", "a tree of two trees", good, "ok")
    wrong: dict[str, object] = {
        "empty": [],
        "rows-bytes": b"",
        "unsorted": rows[::-1],
        "doubled": [rows[0], rows[0]],
        "id-short": [[b"a", fixed("tree 1")[:31]]],
        "id-text": [[b"a", "x" * 32]],
        "name-text": [["a", fixed("tree 1")]],
        "row-short": [[b"a"]],
        "row-number": [1],
    }
    for name, value in wrong.items():
        yield _case(f"inner-{name}", "a tree of trees", pack([2, value]))
    wide = b"\xdc\0\2" + good[1:]
    yield _case("inner-wide-array", "not canonical", wide)


def _contents() -> Iterator[Case]:
    def case(name: str, comment: str, data: bytes, expect: str = "FormatError") -> Case:
        return Case("7-content", name, comment, data, {}, expect)

    empty = (0).to_bytes(8, "little") + _CHUNK
    yield case("ok", "a chunk and a hole of 1 TiB", _REFS, "ok")
    yield case("empty", "a file of no bytes", b"", "ok")
    yield case("partial", "a reference cut short", _REFS[:-1])
    yield case("no-length", "a chunk of no bytes", empty)
    yield case("no-hole", "a hole of no bytes", _REFS + bytes(40))


def _content_lists() -> Iterator[Case]:
    def case(name: str, comment: str, data: bytes, expect: str = "FormatError") -> Case:
        return Case("7-content-lists", name, comment, data, {}, expect)

    inner = encode_refs([ChunkRef(100, _TREE), ChunkRef(200, BlobId(fixed("list")))])
    leaf = encode_content_list(_REFS, is_leaf=True)
    yield case("leaf", "references of chunks", leaf, "ok")
    upper = encode_content_list(inner, is_leaf=False)
    yield case("inner", "references of lists", upper, "ok")
    yield case("inner-hole", "a hole among lists", pack([4, _REFS]))
    yield case("partial", "a reference cut short", pack([3, _REFS[:-1]]))
    yield case("no-length", "a hole of no bytes", pack([3, bytes(40)]))
    yield case("form-2", "an unknown form", pack([2, _REFS]))
    yield case("form-text", "a text as form", pack(["3", _REFS]))
    yield case("refs-text", "text as references", pack([3, "x" * 40]))
    yield case("three-fields", "one field too many", pack([3, _REFS, 0]))
    yield case("not-an-array", "a map", pack({}))
    yield case("wide-number", "not canonical", b"\x92\xcc\x03" + leaf[2:])
    yield case("trailing", "one byte too many", leaf + b"\0")
    yield case("nothing", "no bytes", b"")
