"""Format chapter 2: the config object, which says "here is a repository".

::

    offset  bytes
    0       8      magic "CVCONFIG"
    8       4      format version, little-endian
    12      32     repository id, random
    44      32     BLAKE3 of the 44 bytes before

These 76 bytes keep their meaning in every version of the format. Everything else
that a reader must know is sealed in the key slots, so that losing this object
loses nothing (see `chunkvault.format.keys`).
"""

from chunkvault.codec.hashing import content_hash
from chunkvault.errors import FormatError, UnsupportedFormat
from chunkvault.ids import RepositoryId

__all__ = ["FORMAT_VERSION", "check_version", "decode_config", "encode_config"]

FORMAT_VERSION = 1

_MAGIC = b"CVCONFIG"
_LENGTH = 76


def encode_config(repository_id: RepositoryId) -> bytes:
    """The config object of a repository of this version."""
    head = _MAGIC + FORMAT_VERSION.to_bytes(4, "little") + repository_id
    return head + content_hash(head)


def decode_config(data: bytes) -> RepositoryId:
    """The repository's id.

    Raises:
        UnsupportedFormat: a newer version wrote it.
        FormatError: anything else is not as `encode_config` writes it.
    """
    if len(data) != _LENGTH or data[:8] != _MAGIC:
        raise FormatError("not the config of a repository")
    if content_hash(data[:44]) != data[44:]:
        raise FormatError("the checksum of the config is wrong")
    check_version(int.from_bytes(data[8:12], "little"))
    return RepositoryId(data[12:44])


def check_version(version: int) -> None:
    """Refuse what only a newer program can read.

    Raises:
        UnsupportedFormat: for any version but ours.
    """
    if version != FORMAT_VERSION:
        raise UnsupportedFormat(
            f"the repository has format version {version}; "
            f"this program reads version {FORMAT_VERSION}"
        )
