"""Write tar headers as duplicity does: POSIX pax, a header of it only where needed.

This is the hot path of an export, so headers are put together by hand rather than
by ``tarfile``, whose output they equal (but for long paths, which always go into a
pax header). Layout: IEEE Std 1003.1-2008, ustar and pax interchange formats.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from chunkvault.format.node import Node, NodeKind

__all__ = [
    "BLOCK_BYTES",
    "deleted_header",
    "end_of_archive",
    "header_mtime",
    "node_header",
    "padding",
]

BLOCK_BYTES = 512
_RECORD_BYTES = 10240
_NAME_BYTES = 100
_OWNER_NAME_BYTES = 32
_MAX_OCTAL_7 = 0o7777777
_MAX_OCTAL_11 = 0o77777777777
_NS = 10**9
_ZEROS = bytes(_RECORD_BYTES)
_TYPES = {
    NodeKind.FILE: b"0",
    NodeKind.DIRECTORY: b"5",
    NodeKind.SYMLINK: b"2",
    NodeKind.FIFO: b"6",
    NodeKind.CHARACTER_DEVICE: b"3",
    NodeKind.BLOCK_DEVICE: b"4",
}
_DEVICES = (NodeKind.CHARACTER_DEVICE, NodeKind.BLOCK_DEVICE)
_MAGIC = b"ustar\x0000"
_NO_DEVICE = bytes(16)
_END_OF_NAMES = bytes(BLOCK_BYTES - 345)
_FIXED_SUM = sum(_MAGIC) + sum(b" " * 8)

Records = Sequence[tuple[bytes, bytes]]


def node_header(name: bytes, node: Node, size: int, own: Records = ()) -> bytes:
    """The header of a member, with a pax header before it where one is needed.

    Args:
        name: of the member; a directory's ends with a slash.
        node: attributes.
        size: bytes of data that follow.
        own: further pax records; given any, there is a pax header.
    """
    records: list[tuple[bytes, bytes]] = []
    target = node.target if node.kind == NodeKind.SYMLINK else b""
    if len(name) > _NAME_BYTES or not name.isascii():
        _add_name(records, b"path", name)
    if len(target) > _NAME_BYTES or not target.isascii():
        _add_name(records, b"linkpath", target)
    mtime = header_mtime(node.mtime_ns)
    if mtime > _MAX_OCTAL_11:
        records.append((b"mtime", b"%d" % mtime))
        mtime = 0
    owner = _owner(node.uid, node.gid, node.user, node.group)
    records += owner.records
    device = _device(node.rdev) if node.kind in _DEVICES else _NO_DEVICE
    header = _header(
        name, node.mode, owner, (size, mtime), (_TYPES[node.kind], target, device)
    )
    if records or own:
        return _pax_header([*records, *own]) + header
    return header


def deleted_header(name: bytes) -> bytes:
    """The header of a member that stands for an object that is gone."""
    header = _header(name, 0, _NOBODY, (0, 0), (b"0", b"", _NO_DEVICE))
    if len(name) <= _NAME_BYTES and name.isascii():
        return header
    records: list[tuple[bytes, bytes]] = []
    _add_name(records, b"path", name)
    return _pax_header(records) + header


def header_mtime(mtime_ns: int) -> int:
    """A time in whole seconds, as duplicity would take it from the disk.

    Python gives it as a floating-point number, which rounds the last tenth of a
    microsecond up to the next second; other than that it would find files changed
    that are not. Times before 1970 count as 1970.
    """
    seconds, nanoseconds = divmod(mtime_ns, _NS)
    return max(int(seconds + 1e-9 * nanoseconds), 0)


def padding(size: int) -> bytes:
    """What fills the last block of a member's data."""
    return _ZEROS[: -size % BLOCK_BYTES]


def end_of_archive(size: int) -> bytes:
    """What ends an archive of so many bytes."""
    return _ZEROS[: _RECORD_BYTES - size % _RECORD_BYTES]


def _header(
    name: bytes,
    mode: int,
    owner: "_Owner",
    numbers: tuple[int, int],
    rest: tuple[bytes, bytes, bytes],
) -> bytes:
    """One block. The checksum adds up only what is not the same in every header."""
    kind, target, device = rest
    name = _fixed_name(name)
    fields = b"%07o\0%b%011o\0%011o\0" % (mode, owner.ids, *numbers)
    checksum = sum(name) + sum(fields) + kind[0] + owner.names_sum + _FIXED_SUM
    if target:
        target = _fixed_name(target)
        checksum += sum(target)
    if device is not _NO_DEVICE:
        checksum += sum(device)
    return b"%b%b%06o\0 %b%b%b%b%b%b" % (
        name.ljust(_NAME_BYTES, b"\0"),
        fields,
        checksum,
        kind,
        target.ljust(_NAME_BYTES, b"\0"),
        _MAGIC,
        owner.names,
        device,
        _END_OF_NAMES,
    )


def _fixed_name(name: bytes) -> bytes:
    """What stands in a header of a name that may be too long for it, or not ASCII."""
    if not name.isascii():
        name = name.decode("ascii", "replace").replace("\ufffd", "?").encode()
    return name if len(name) <= _NAME_BYTES else name[:_NAME_BYTES]


class _Owner(NamedTuple):
    """The fields of owner and group, and the pax records that they need."""

    ids: bytes
    names: bytes
    names_sum: int
    records: tuple[tuple[bytes, bytes], ...]


@lru_cache(maxsize=1024)
def _owner(uid: int, gid: int, user: bytes, group: bytes) -> _Owner:
    records = []
    for keyword, number in ((b"uid", uid), (b"gid", gid)):
        if number > _MAX_OCTAL_7:
            records.append((keyword, b"%d" % number))
    for keyword, name in ((b"uname", user), (b"gname", group)):
        if len(name) > _OWNER_NAME_BYTES or not name.isascii():
            records.append((keyword, name))
    ids = b"%07o\0%07o\0" % tuple(0 if n > _MAX_OCTAL_7 else n for n in (uid, gid))
    names = b"".join(
        _fixed_name(name)[:_OWNER_NAME_BYTES].ljust(_OWNER_NAME_BYTES, b"\0")
        for name in (user, group)
    )
    return _Owner(ids, names, sum(names), tuple(records))


_NOBODY = _owner(0, 0, b"", b"")


def _device(rdev: int) -> bytes:
    return b"%07o\0%07o\0" % (os.major(rdev), os.minor(rdev))


def _add_name(records: list[tuple[bytes, bytes]], keyword: bytes, value: bytes) -> None:
    """A path as UTF-8, or said to be bytes where it is none."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        if (b"hdrcharset", b"BINARY") not in records:
            records.insert(0, (b"hdrcharset", b"BINARY"))
    records.append((keyword, value))


def _pax_header(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    data = b"".join(_record(keyword, value) for keyword, value in records)
    return b"%b%b%b" % (_pax_start(len(data)), data, padding(len(data)))


@lru_cache(maxsize=1024)
def _pax_start(size: int) -> bytes:
    kind = (b"x", b"", _NO_DEVICE)
    return _header(b"././@PaxHeader", 0, _NOBODY, (size, 0), kind)


def _record(keyword: bytes, value: bytes) -> bytes:
    """``LENGTH KEYWORD=VALUE`` and a line end; the length counts its own digits."""
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    if rest + len(str(length)) != length:
        length += 1
    return b"%d %b=%b\n" % (length, keyword, value)
