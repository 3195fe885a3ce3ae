"""Identifiers: hashes as bytes, hex only at the edges.

Each kind of identifier is a ``NewType`` of ``bytes``, free at run time, so that
the type checker refuses a volume's name where a blob's id is meant.
"""

from typing import NewType

__all__ = [
    "ID_BYTES",
    "BlobId",
    "RepositoryId",
    "SlotId",
    "SnapshotId",
    "VolumeId",
    "short_hex",
]

ID_BYTES = 32
"""Length of every identifier."""

BlobId = NewType("BlobId", bytes)
"""Keyed hash of a blob's plain content."""

VolumeId = NewType("VolumeId", bytes)
"""Hash of a volume's stored bytes."""

SnapshotId = NewType("SnapshotId", bytes)
"""Hash of a snapshot object's stored bytes."""

SlotId = NewType("SlotId", bytes)
"""Hash of a key slot's stored bytes."""

RepositoryId = NewType("RepositoryId", bytes)
"""Random bytes drawn when the repository was created."""


def short_hex(identifier: bytes) -> str:
    """The first eight hex digits, as people are shown an identifier."""
    return identifier[:4].hex()
