"""Format chapter 8: snapshots, the commit point.

::

    0    8   magic "CVSNAPSH"
    8    1   cipher suite: 1
    9    3   zero
    12   4   epoch of the keys, little-endian
    16   24  nonce
    40   …   sealed: u32 length of the record, the record (msgpack), zeros

The object's name carries the time, so that the newest snapshot not after a date
is found in one listing, and a keyed tag of host and paths. A reader compares
both with the record: an object under another's name is not taken for it.
"""

import struct
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chunkvault.codec.hashing import content_hash
from chunkvault.codec.packing import pack, typed, unpack_canonical
from chunkvault.codec.sealing import NONCE_BYTES, TAG_BYTES, open_sealed, seal
from chunkvault.errors import FormatError, UnsupportedFormat
from chunkvault.format.padding import padded_size
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import ID_BYTES, BlobId, SnapshotId

__all__ = [
    "MAX_TIME_NS",
    "Snapshot",
    "StoredSnapshot",
    "Totals",
    "decode_snapshot",
    "encode_snapshot",
]

MAX_TIME_NS = 2**64 - 1
"""The latest time of a snapshot, in July of 2554."""

_HEADER = struct.Struct("<8sB3sI24s")
_MAGIC = b"CVSNAPSH"
_SUITE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a snapshot holds: counts of entries, bytes of file content."""

    files: int
    directories: int
    others: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One backup.

    Attributes:
        time_ns: when it was begun, nanoseconds since the epoch.
        host: the machine.
        user: who ran it.
        paths: what was asked for, absolute.
        tree: stands for "/" and leads to every path.
        parent: the snapshot that unchanged files were taken from.
        tags: as given.
        program: what wrote it.
        excludes: the patterns, as given.
        totals: of the whole snapshot.
        hints: where some of its trees are: nothing, or a blob block and a volume
            block, as in index runs; may be out of date.
    """

    time_ns: int
    host: str
    user: str
    paths: tuple[bytes, ...]
    tree: BlobId
    parent: SnapshotId | None
    tags: tuple[str, ...]
    program: str
    excludes: tuple[str, ...]
    totals: Totals
    hints: tuple[bytes, ...] = field(default=(), repr=False, compare=False)


class StoredSnapshot(NamedTuple):
    """A snapshot with its place on the backend."""

    snapshot_id: SnapshotId
    snapshot: Snapshot
    object_name: str


def encode_snapshot(snapshot: Snapshot, keyring: Keyring, nonce: bytes) -> bytes:
    """The bytes of the snapshot object; its id is their BLAKE3 hash.

    Raises:
        FormatError: the time is before 1970, or more than an integer holds.
    """
    if not 0 <= snapshot.time_ns <= MAX_TIME_NS:
        raise FormatError("a snapshot's time must lie between 1970 and 2554")
    header = _HEADER.pack(_MAGIC, _SUITE, bytes(3), keyring.epoch, nonce)
    record = pack(_to_map(snapshot))
    plain = len(record).to_bytes(4, "little") + record
    unpadded = len(header) + len(plain) + TAG_BYTES
    plain += bytes(padded_size(unpadded) - unpadded)
    key = keyring.of_epoch(keyring.epoch).snapshot
    aad = content_hash(keyring.repository_id, header)
    return header + seal(plain, aad, nonce, key)


def decode_snapshot(data: bytes, keyring: Keyring) -> Snapshot:
    """Undo `encode_snapshot`.

    Raises:
        UnsupportedFormat: a newer version wrote it.
        DamageError: not a snapshot of this repository.
    """
    if len(data) < _HEADER.size or data[:8] != _MAGIC:
        raise FormatError("not a snapshot")
    header, sealed = data[: _HEADER.size], data[_HEADER.size :]
    _, suite, _, epoch, nonce = _HEADER.unpack(header)
    if suite != _SUITE:
        raise UnsupportedFormat("a snapshot is sealed in a way this program lacks")
    aad = content_hash(keyring.repository_id, header)
    plain = open_sealed(sealed, aad, nonce, keyring.of_epoch(epoch).snapshot)
    length = int.from_bytes(plain[:4], "little")
    record, padding = plain[4 : 4 + length], plain[4 + length :]
    if len(record) != length or any(padding):
        raise FormatError("the content of a snapshot makes no sense")
    return _from_map(unpack_canonical(bytes(record)))


assert _HEADER.size == 16 + NONCE_BYTES


def _to_map(snapshot: Snapshot) -> dict[str, Any]:
    totals = snapshot.totals
    hints = {"hints": list(snapshot.hints)} if snapshot.hints else {}
    return {
        "time_ns": snapshot.time_ns,
        "host": _to_bytes(snapshot.host),
        "user": _to_bytes(snapshot.user),
        "paths": list(snapshot.paths),
        "tree": snapshot.tree,
        "parent": snapshot.parent,
        "tags": [_to_bytes(tag) for tag in snapshot.tags],
        "program": snapshot.program,
        "excludes": [_to_bytes(text) for text in snapshot.excludes],
        "totals": [totals.files, totals.directories, totals.others, totals.bytes],
        **hints,
    }


def _from_map(fields: object) -> Snapshot:
    try:
        return _parse(fields)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FormatError("the content of a snapshot makes no sense") from None


def _parse(fields: object) -> Snapshot:
    if not isinstance(fields, dict):
        raise TypeError
    totals = [typed(number, int) for number in fields["totals"]]
    files, directories, others, size = totals
    parent = fields["parent"]
    return Snapshot(
        time_ns=typed(fields["time_ns"], int),
        host=_to_text(fields["host"]),
        user=_to_text(fields["user"]),
        paths=tuple(_checked_path(path) for path in fields["paths"]),
        tree=BlobId(_checked_id(fields["tree"])),
        parent=None if parent is None else SnapshotId(_checked_id(parent)),
        tags=tuple(_to_text(tag) for tag in fields["tags"]),
        program=typed(fields["program"], str),
        excludes=tuple(_to_text(text) for text in fields["excludes"]),
        totals=Totals(files=files, directories=directories, others=others, bytes=size),
        hints=tuple(typed(hint, bytes) for hint in fields.get("hints", [])),
    )


def _checked_id(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise ValueError
    return value


def _checked_path(value: object) -> bytes:
    if not isinstance(value, bytes) or value[:1] != b"/" or b"\0" in value:
        raise ValueError
    return value


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _to_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
