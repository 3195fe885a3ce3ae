"""The answers of SFTP version 3, from bytes; nothing here receives or waits.

Source: draft-ietf-secsh-filexfer-02, and the file PROTOCOL of OpenSSH for the
extensions. Everything that comes from a server is checked before it is believed:
lengths against what is there, counts against the room that they would need.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from chunkvault.backends.sftp_requests import VERSION, Kind

__all__ = [
    "LENGTH_BYTES",
    "MAX_PACKET_BYTES",
    "Attributes",
    "AttributesReply",
    "DataReply",
    "ExtendedReply",
    "HandleReply",
    "Limits",
    "MalformedPacketError",
    "NameEntry",
    "NamesReply",
    "Reply",
    "Space",
    "Status",
    "StatusReply",
    "decode_length",
    "decode_limits",
    "decode_reply",
    "decode_space",
    "decode_version",
]

LENGTH_BYTES = 4
MAX_PACKET_BYTES = 256 * 1024 + 1024
"""The longest packet that is accepted: OpenSSH's own limit, and some room."""

_MAX_HANDLE_BYTES = 256  # the draft's limit
_ENTRY_BYTES = 12  # two empty strings and no attributes: the least a name takes
_BYTE = Struct(">B")
_U32 = Struct(">I")
_U64 = Struct(">Q")


class Status(IntEnum):
    """What became of a request; from 11 on only servers that know later drafts."""

    OK = 0
    END_OF_FILE = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    UNSUPPORTED = 8
    NO_SUCH_PATH = 10
    ALREADY_EXISTS = 11
    WRITE_PROTECTED = 12
    NO_SPACE = 14
    QUOTA_EXCEEDED = 15


class _AttributeFlag(IntEnum):
    SIZE = 1
    OWNERS = 2
    PERMISSIONS = 4
    TIMES = 8
    EXTENDED = 0x80000000


class MalformedPacketError(Exception):
    """Bytes that are no packet of this protocol."""


class Attributes(NamedTuple):
    """What a server tells about a file; ``None`` for what it leaves out.

    Attributes:
        size: in bytes.
        permissions: type and permissions, like ``st_mode``.
        modified_s: when it was last written, in seconds since 1970.
    """

    size: int | None = None
    permissions: int | None = None
    modified_s: int | None = None


class NameEntry(NamedTuple):
    """One line of a listing."""

    name: bytes
    attributes: Attributes


class Limits(NamedTuple):
    """What ``limits@openssh.com`` tells; 0 for no limit.

    Attributes:
        read_bytes: the most that one request reads.
        write_bytes: the most that one request writes.
        open_handles: files and folders that may be open at once; 0 also where
            the server does not say.
    """

    read_bytes: int
    write_bytes: int
    open_handles: int


class Space(NamedTuple):
    """What ``statvfs@openssh.com`` tells of a file system.

    Attributes:
        free_bytes: what this user may still write.
        inodes: of the file system; 0 where it does not count them.
        free_inodes: how many files this user may still create.
    """

    free_bytes: int
    inodes: int
    free_inodes: int


@dataclass(frozen=True, slots=True)
class StatusReply:
    """How a request ended; ``message`` is the server's and may hold anything."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class HandleReply:
    """An open file or directory."""

    handle: bytes


@dataclass(frozen=True, slots=True)
class DataReply:
    """Bytes of a file."""

    data: bytes


@dataclass(frozen=True, slots=True)
class NamesReply:
    """A part of a listing."""

    entries: tuple[NameEntry, ...]


@dataclass(frozen=True, slots=True)
class AttributesReply:
    """What is known of a file."""

    attributes: Attributes


@dataclass(frozen=True, slots=True)
class ExtendedReply:
    """The answer to an extension's request."""

    body: bytes


Reply = (
    StatusReply | HandleReply | DataReply | NamesReply | AttributesReply | ExtendedReply
)


def decode_length(head: bytes | bytearray | memoryview) -> int:
    """How many bytes of a packet follow its first four.

    Raises:
        MalformedPacketError: more than any packet has, or too few.
    """
    (length,) = _U32.unpack_from(head)
    if not 5 <= length <= MAX_PACKET_BYTES:
        raise MalformedPacketError(f"a packet of {length} bytes")
    return int(length)


def decode_version(body: memoryview) -> Mapping[bytes, bytes]:
    """The answer to `encode_init`: the extensions that the server offers.

    Raises:
        MalformedPacketError: it is something else, or another version.
    """
    cursor = _Cursor(body)
    if cursor.byte() != Kind.VERSION:
        raise MalformedPacketError("no version in the first packet")
    version = cursor.u32()
    if version != VERSION:
        raise MalformedPacketError(f"version {version} of the protocol")
    extensions = {}
    while cursor.left:
        name = cursor.string()
        extensions[name] = cursor.string()
    return extensions


def decode_reply(body: memoryview) -> tuple[int, Reply]:
    """Number of the request and the answer, from all of a packet but its length.

    Raises:
        MalformedPacketError: lengths that do not fit, or no kind of reply.
    """
    cursor = _Cursor(body)
    kind = cursor.byte()
    request_id = cursor.u32()
    decode = _DECODERS.get(kind)
    if decode is None:
        raise MalformedPacketError(f"a packet of kind {kind}")
    return request_id, decode(cursor)


def decode_limits(body: bytes) -> Limits:
    """What the extension ``limits@openssh.com`` answers."""
    cursor = _Cursor(memoryview(body))
    cursor.u64()  # of a packet: what is read or written in one is less
    read_bytes, write_bytes = cursor.u64(), cursor.u64()
    return Limits(read_bytes, write_bytes, cursor.u64() if cursor.left else 0)


def decode_space(body: bytes) -> Space:
    """What the extension ``statvfs@openssh.com`` answers."""
    cursor = _Cursor(memoryview(body))
    _, fragment_bytes, _, _, available = (cursor.u64() for _ in range(5))
    inodes, _, free_inodes = (cursor.u64() for _ in range(3))
    return Space(fragment_bytes * available, inodes, free_inodes)


class _Cursor:
    """Reads fields one after the other; never beyond the packet."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def byte(self) -> int:
        return int(_BYTE.unpack(self._take(1))[0])

    def u32(self) -> int:
        return int(_U32.unpack(self._take(4))[0])

    def u64(self) -> int:
        return int(_U64.unpack(self._take(8))[0])

    def string(self) -> bytes:
        return bytes(self._take(self.u32()))

    def rest(self) -> bytes:
        return bytes(self._take(self.left))

    def _take(self, length: int) -> memoryview:
        if length > self.left:
            raise MalformedPacketError("a field that is longer than its packet")
        self._at += length
        return self._body[self._at - length : self._at]


def _decode_status(cursor: _Cursor) -> StatusReply:
    code = cursor.u32()
    # Old servers send no message.
    message = cursor.string() if cursor.left else b""
    return StatusReply(code, message[:200].decode("utf-8", "replace"))


def _decode_handle(cursor: _Cursor) -> HandleReply:
    handle = cursor.string()
    if len(handle) > _MAX_HANDLE_BYTES:
        raise MalformedPacketError(f"a handle of {len(handle)} bytes")
    return HandleReply(handle)


def _decode_data(cursor: _Cursor) -> DataReply:
    return DataReply(cursor.string())


def _decode_names(cursor: _Cursor) -> NamesReply:
    count = cursor.u32()
    if count * _ENTRY_BYTES > cursor.left:
        raise MalformedPacketError(f"{count} names in {cursor.left} bytes")
    return NamesReply(tuple(_decode_entry(cursor) for _ in range(count)))


def _decode_entry(cursor: _Cursor) -> NameEntry:
    name = cursor.string()
    cursor.string()  # a line as "ls -l" prints it
    return NameEntry(name, _decode_attribute_fields(cursor))


def _decode_attributes(cursor: _Cursor) -> AttributesReply:
    return AttributesReply(_decode_attribute_fields(cursor))


def _decode_attribute_fields(cursor: _Cursor) -> Attributes:
    flags = cursor.u32()
    size = permissions = modified_s = None
    if flags & _AttributeFlag.SIZE:
        size = cursor.u64()
    if flags & _AttributeFlag.OWNERS:
        cursor.u64()
    if flags & _AttributeFlag.PERMISSIONS:
        permissions = cursor.u32()
    if flags & _AttributeFlag.TIMES:
        cursor.u32()
        modified_s = cursor.u32()
    if flags & _AttributeFlag.EXTENDED:
        _skip_pairs(cursor)
    return Attributes(size, permissions, modified_s)


def _skip_pairs(cursor: _Cursor) -> None:
    for _ in range(cursor.u32()):  # ends at the packet's end, however large
        cursor.string()
        cursor.string()


def _decode_extended(cursor: _Cursor) -> ExtendedReply:
    return ExtendedReply(cursor.rest())


_DECODERS: dict[int, Callable[[_Cursor], Reply]] = {
    Kind.STATUS: _decode_status,
    Kind.HANDLE: _decode_handle,
    Kind.DATA: _decode_data,
    Kind.NAME: _decode_names,
    Kind.ATTRS: _decode_attributes,
    Kind.EXTENDED_REPLY: _decode_extended,
}
