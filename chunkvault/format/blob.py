"""Format chapter 4: blobs. What is addressed by the keyed hash of its content."""

__all__ = ["MAX_BLOB_BYTES", "PREFIX_BYTES", "BlobKind"]

MAX_BLOB_BYTES = 16 << 20
"""No chunk and no tree is longer."""

PREFIX_BYTES = 16
"""How much of an id an index run and a delta's base reference carry.

128 bits of a keyed hash: enough that no two blobs of a repository agree by
accident, and the full id is checked whenever a blob is read.
"""


class BlobKind:
    """What a blob holds; each kind has an id key and volumes of its own.

    Were the keys the same, a file with the content of a tree would *be* that tree.
    """

    CHUNK = 1
    TREE = 2
