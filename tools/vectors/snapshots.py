"""Vectors of chapter 8: snapshots."""

import struct
from collections.abc import Iterator

from chunkvault.codec.hashing import content_hash
from chunkvault.codec.packing import pack
from chunkvault.codec.sealing import seal
from chunkvault.format.snapshot import Snapshot, Totals, encode_snapshot
from chunkvault.ids import BlobId, SnapshotId
from tools.vectors.case import FIXED_INPUTS, KEYRING, REPOSITORY, Case, fixed

__all__ = ["cases"]

_NONCE = fixed("snapshot nonce", 24)
_SNAPSHOT = Snapshot(
    time_ns=1_790_000_000_000_000_001,
    host="host\udcff",
    user="anna",
    paths=(b"/home/anna", b"/srv/\xff"),
    tree=BlobId(fixed("root")),
    parent=SnapshotId(fixed("parent")),
    tags=("daily", "é"),
    program="chunkvault 0.1.0",
    excludes=("*.tmp",),
    totals=Totals(files=3, directories=2, others=1, bytes=1 << 50),
)
_FIELDS: dict[str, object] = {
    "time_ns": 1,
    "host": b"host",
    "user": b"anna",
    "paths": [b"/home"],
    "tree": fixed("root"),
    "parent": None,
    "tags": [],
    "program": "chunkvault 0.1.0",
    "excludes": [],
    "totals": [0, 1, 0, 0],
}


def cases() -> Iterator[Case]:
    """All vectors of this chapter."""
    yield from _whole()
    yield from _sealing()
    yield from _records()


def _case(
    name: str, comment: str, data: bytes, expect: str = "FormatError", **inputs: str
) -> Case:
    return Case("8-snapshots", name, comment, data, FIXED_INPUTS | inputs, expect)


def _craft(plain: bytes) -> bytes:
    """A snapshot object with any plain content, made from chapter 8 alone."""
    header = struct.pack("<8sB3sI24s", b"CVSNAPSH", 1, bytes(3), 0, _NONCE)
    aad = content_hash(REPOSITORY, header)
    return header + seal(plain, aad, _NONCE, KEYRING.epochs[0].snapshot)


def _framed(record: bytes, padding: bytes = b"\0" * 7) -> bytes:
    return len(record).to_bytes(4, "little") + record + padding


def _whole() -> Iterator[Case]:
    good = encode_snapshot(_SNAPSHOT, KEYRING, _NONCE)
    yield _case("ok", "a snapshot", good, "ok")
    crafted = _craft(_framed(pack(_FIELDS)))
    yield _case("first", "no parent, no tags", crafted, "ok")
    other = fixed("other repository").hex()
    comment = "read as one of another repository"
    yield _case("repository", comment, good, "DamageError", repository=other)
    other = fixed("other master").hex()
    yield _case("master", "another key", good, "DamageError", masters=other)
    fields = {
        "magic": (0, b"X", "FormatError"),
        "suite": (8, b"\2", "UnsupportedFormat"),
        "reserved": (9, b"\1", "DamageError"),
        "epoch": (12, b"\1", "UnsupportedFormat"),
        "nonce": (16, b"\0", "DamageError"),
        "ciphertext": (40, b"\0", "DamageError"),
        "tag": (len(good) - 1, b"\0", "DamageError"),
    }
    for name, (offset, value, expect) in fields.items():
        data = good[:offset] + value + good[offset + 1 :]
        yield _case(name, f"byte {offset} is changed", data, expect)
    yield _case("truncated", "cut short", good[:-1], "DamageError")
    yield _case("trailing", "one byte too many", good + b"\0", "DamageError")
    yield _case("header-only", "nothing sealed", good[:40], "DamageError")
    yield _case("header-short", "half a header", good[:20])
    yield _case("nothing", "no bytes", b"")


def _sealing() -> Iterator[Case]:
    record = pack(_FIELDS)
    plain = _framed(record)
    wrong = {
        "padding": ("a one in the padding", _framed(record, b"\0\1")),
        "length-more": ("longer than there is", b"\xff" + plain[1:4] + b"\xc0"),
        "length-less": ("one byte less", bytes([len(record) - 1, 0, 0, 0]) + record),
        "length-huge": ("4 GiB", b"\xff\xff\xff\xff" + plain[4:]),
        "no-record": ("no record", bytes(4)),
        "no-length": ("two bytes", bytes(2)),
        "wide-map": ("not canonical", _framed(b"\xde\0\x0a" + record[1:])),
        "not-a-map": ("an array", _framed(pack([]))),
        "bomb": ("an array of 2^32 - 1", _framed(b"\xdd\xff\xff\xff\xff")),
    }
    for name, (comment, data) in wrong.items():
        yield _case(name, comment, _craft(data))


def _records() -> Iterator[Case]:
    wrong: dict[str, tuple[str, object]] = {
        "time-text": ("time_ns", "1"),
        "time-infinite": ("time_ns", float("inf")),
        "host-text": ("host", "host"),
        "user-nothing": ("user", None),
        "path-relative": ("paths", [b"home"]),
        "path-empty": ("paths", [b""]),
        "path-nul": ("paths", [b"/a\0b"]),
        "path-text": ("paths", ["/home"]),
        "paths-bytes": ("paths", b"/home"),
        "tree-short": ("tree", fixed("root", 31)),
        "tree-nothing": ("tree", None),
        "tree-text": ("tree", "x" * 32),
        "parent-long": ("parent", fixed("parent", 33)),
        "tag-text": ("tags", ["daily"]),
        "tags-nothing": ("tags", None),
        "program-bytes": ("program", b"chunkvault"),
        "exclude-number": ("excludes", [1]),
        "totals-three": ("totals", [1, 2, 3]),
        "totals-text": ("totals", ["1", "2", "3", "4"]),
        "totals-fraction": ("totals", [1, 2, 3, 4.5]),
    }
    for name, (field, value) in wrong.items():
        data = _craft(_framed(pack(_FIELDS | {field: value})))
        yield _case(name, f"the field {field}", data)
    for field in _FIELDS:
        left = {key: value for key, value in _FIELDS.items() if key != field}
        name = f"without-{field.replace('_', '-')}"
        yield _case(name, f"no field {field}", _craft(_framed(pack(left))))
