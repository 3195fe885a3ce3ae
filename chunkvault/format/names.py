"""Format chapter 1: the names of the objects.

====================  ==========================================================
``config``            identity and version, see `chunkvault.format.config`
``keys/H``            key slot
``chunks/HH/H``       volume of chunks
``trees/HH/H``        volume of trees and content lists
``index/H``           index run
``index/long/H``      index run with parts
``parts/H``           part of a long index run
``snapshots/T-G-H``   snapshot: time, tag of (host, paths), hash
====================  ==========================================================

``H`` is the BLAKE3 hash of the object's bytes in hex, so that anybody can check
a copy without keys; ``HH`` its first two digits.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from chunkvault.codec.hashing import content_hash
from chunkvault.errors import FormatError
from chunkvault.format.blob import BlobKind
from chunkvault.ids import SnapshotId, VolumeId

__all__ = [
    "CONFIG",
    "INDEX",
    "KEYS",
    "LONG_INDEX",
    "PARTS",
    "SNAPSHOTS",
    "TAG_BYTES",
    "VOLUME_FOLDERS",
    "SnapshotName",
    "hash_in_name",
    "is_intact",
    "object_name",
    "parse_snapshot_name",
    "snapshot_name",
    "volume_name",
]

CONFIG = "config"
KEYS = "keys/"
INDEX = "index/"
LONG_INDEX = "index/long/"
PARTS = "parts/"
SNAPSHOTS = "snapshots/"
VOLUME_FOLDERS = {BlobKind.CHUNK: "chunks/", BlobKind.TREE: "trees/"}

TAG_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIME_NS = 253_402_300_800 * 10**9
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_SNAPSHOT = re.compile(
    r"snapshots/(\d{8}-\d{6})-(\d{9})-([0-9a-f]{16})-([0-9a-f]{64})\Z", re.ASCII
)


class SnapshotName(NamedTuple):
    """What a snapshot's object name tells without reading the object."""

    time_ns: int
    tag: bytes
    snapshot_id: SnapshotId
    object_name: str


def object_name(folder: str, identifier: bytes) -> str:
    """``keys/…``, ``index/…`` or ``parts/…`` for an object with this hash."""
    return folder + identifier.hex()


def volume_name(kind: int, volume: VolumeId) -> str:
    """Where the volume with this hash and kind of blobs lies."""
    digits = volume.hex()
    return f"{VOLUME_FOLDERS[kind]}{digits[:2]}/{digits}"


def hash_in_name(name: str) -> bytes | None:
    """The hash that an object's name ends in; None for ``config`` and others."""
    found = _HASH.search(name[-64:])
    return bytes.fromhex(found[0]) if found else None


def is_intact(name: str, data: bytes | bytearray | memoryview) -> bool:
    """Whether these are the bytes that the object of this name was stored with."""
    return hash_in_name(name) == content_hash(data)


def snapshot_name(time_ns: int, tag: bytes, snapshot_id: SnapshotId) -> str:
    """A name that sorts by time.

    Raises:
        FormatError: the time is before 1970 or after 9999.
    """
    if not 0 <= time_ns < _MAX_TIME_NS:
        raise FormatError("a snapshot's time must lie between 1970 and 9999")
    seconds, fraction = divmod(time_ns, 10**9)
    moment = _EPOCH + timedelta(seconds=seconds)
    stamp = f"{moment:%Y%m%d-%H%M%S}-{fraction:09d}"
    return f"{SNAPSHOTS}{stamp}-{tag.hex()}-{snapshot_id.hex()}"


def parse_snapshot_name(name: str) -> SnapshotName | None:
    """Undo `snapshot_name`; None for a name that it does not make."""
    found = _SNAPSHOT.match(name)
    if not found:
        return None
    try:
        moment = datetime.strptime(found[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    if moment < _EPOCH:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return SnapshotName(
        seconds * 10**9 + int(found[2]),
        bytes.fromhex(found[3]),
        SnapshotId(bytes.fromhex(found[4])),
        name,
    )
