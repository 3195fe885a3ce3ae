"""The checksum that goes with what is uploaded, for the server to compare with.

It protects against accidents only: who may change what is sent could change this as
well, were it not signed.
"""

from base64 import b64encode
from hashlib import md5
from typing import Any
from zlib import crc32

__all__ = ["CRC_HEADER", "algorithm_arguments", "checksum_arguments"]

CRC_HEADER = "x-amz-checksum-crc32"


def checksum_arguments(
    data: bytes | bytearray | memoryview, *, is_kept: bool
) -> dict[str, Any]:
    """What an upload of these bytes says of them, in a header.

    The SDK by itself would send a checksum behind the bytes, in an encoding that few
    servers besides Amazon's read, and that would go around the pace of the line.

    Args:
        data: all that is sent.
        is_kept: whether the server keeps checksums of its own with an object;
            every server compares with an MD5.
    """
    if is_kept:
        return {"ChecksumCRC32": b64encode(crc32(data).to_bytes(4, "big")).decode()}
    digest = md5(data, usedforsecurity=False).digest()
    return {"ContentMD5": b64encode(digest).decode()}


def algorithm_arguments(*, is_kept: bool) -> dict[str, Any]:
    """What the beginning of an upload in parts says of the checksums to come."""
    return {"ChecksumAlgorithm": "CRC32"} if is_kept else {}
