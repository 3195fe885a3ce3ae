"""The requests of SFTP version 3, as bytes; nothing here sends or waits.

Source: draft-ietf-secsh-filexfer-02. `sftp_replies` has what comes back.
"""

from enum import IntEnum
from struct import Struct

__all__ = [
    "VERSION",
    "Kind",
    "OpenFlag",
    "encode_attributes",
    "encode_init",
    "encode_number",
    "encode_offset",
    "encode_request",
    "encode_string",
    "encode_write_head",
]

VERSION = 3

_HAS_PERMISSIONS = 4
_BYTE = Struct(">B")
_U32 = Struct(">I")
_U64 = Struct(">Q")


class Kind(IntEnum):
    """What a packet is."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class OpenFlag(IntEnum):
    """How a file is opened; to be added."""

    READ = 1
    WRITE = 2
    CREATE = 8
    EXCLUSIVE = 32


def encode_init() -> bytes:
    """The first packet of all."""
    return _U32.pack(5) + _BYTE.pack(Kind.INIT) + _U32.pack(VERSION)


def encode_request(kind: Kind, request_id: int, *fields: bytes) -> bytes:
    """A whole packet, from fields that are encoded already."""
    body = b"".join(fields)
    return _head(kind, request_id, len(body)) + body


def encode_write_head(
    request_id: int, handle: bytes, offset: int, data_bytes: int
) -> bytes:
    """A request to write, but for the data itself, which follow."""
    fields = encode_string(handle) + encode_offset(offset) + encode_number(data_bytes)
    return _head(Kind.WRITE, request_id, len(fields) + data_bytes) + fields


def encode_string(value: bytes) -> bytes:
    """Length and bytes."""
    return _U32.pack(len(value)) + value


def encode_number(value: int) -> bytes:
    """32 bits."""
    return _U32.pack(value)


def encode_offset(value: int) -> bytes:
    """64 bits."""
    return _U64.pack(value)


def encode_attributes(permissions: int | None = None) -> bytes:
    """Attributes for something new."""
    if permissions is None:
        return _U32.pack(0)
    return _U32.pack(_HAS_PERMISSIONS) + _U32.pack(permissions)


def _head(kind: Kind, request_id: int, body_bytes: int) -> bytes:
    return _U32.pack(5 + body_bytes) + _BYTE.pack(kind) + _U32.pack(request_id)
