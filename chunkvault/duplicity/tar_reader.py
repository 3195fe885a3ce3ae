"""Read tar archives as a stream, believing nothing.

The dialects that duplicity has written: POSIX pax (IEEE Std 1003.1-2008, "pax
interchange format") and GNU tar ("Basic Tar Format" of its manual), both as
Python's ``tarfile`` writes them. The end is a block of zeros, whatever follows it,
or simply the end of the stream.

Two kinds of wrong: a header that makes no sense ends the reading, since nobody can
tell where the next one begins; a value that makes no sense spoils its member only,
which carries the reason in `TarMember.fault`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from chunkvault.errors import FormatError
from chunkvault.format.node import FIRST_TIME_NS, LAST_TIME_NS, MODE_BITS, NodeKind

__all__ = ["TarMember", "TarReader"]

BLOCK_BYTES = 512
_READ_BYTES = 256 << 10
_MAX_EXTENSION_BYTES = 8 << 20
"""Long names and pax records of one member: they are held in memory."""

_MAX_SIZE = 2**63 - 1
_ZEROS = bytes(BLOCK_BYTES)
_KINDS = {
    b"0": NodeKind.FILE,
    b"\0": NodeKind.FILE,
    b"7": NodeKind.FILE,
    b"2": NodeKind.SYMLINK,
    b"3": NodeKind.CHARACTER_DEVICE,
    b"4": NodeKind.BLOCK_DEVICE,
    b"5": NodeKind.DIRECTORY,
    b"6": NodeKind.FIFO,
}
_WITHOUT_DATA = frozenset(b"123456")
_NS_PER_SECOND = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class TarMember:
    """One member of an archive.

    Attributes:
        name: as it is written there.
        kind: see `NodeKind`; 0 for a type that has no place in these archives.
        mode: permission bits.
        uid: owner's number.
        gid: group's number.
        user: owner's name.
        group: group's name.
        mtime_ns: time of last modification.
        size: bytes of data.
        target: of a symbolic link.
        device: numbers (major, minor) of a device.
        records: what the member's pax header says, last value of each keyword.
        fault: why the values are not to be used; empty where they are.
    """

    name: bytes
    kind: int
    mode: int = 0
    uid: int = 0
    gid: int = 0
    user: bytes = b""
    group: bytes = b""
    mtime_ns: int = 0
    size: int = 0
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    records: dict[bytes, bytes] = field(default_factory=dict)
    fault: str = ""


class _Fault(Exception):
    """A value of one member makes no sense."""


class TarReader:
    """The members of an archive in their order; data is read as it is asked for.

    Args:
        read: gives up to so many bytes, none at the end of the stream.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._left = 0
        self._padding = 0

    def next(self) -> TarMember | None:
        """The next member, None at the end; data not read is passed over.

        Raises:
            FormatError: the stream is no archive, or ends in the middle.
        """
        for _ in self.data():
            pass
        records: dict[bytes, bytes] = {}
        while (header := self._header()) is not None:
            kind = header[156:157]
            if kind == b"x":
                records |= _parse_records(self._extension(header))
            elif kind in (b"L", b"K"):
                name = b"path" if kind == b"L" else b"linkpath"
                records[name] = self._extension(header).partition(b"\0")[0]
            elif kind == b"g":
                self._extension(header)
            else:
                return self._member(header, records)
        if records:
            raise FormatError("a tar archive ends after the header of a header")
        return None

    def data(self) -> Iterator[bytes]:
        """The data of the last member piece by piece, as far as it was not read.

        Raises:
            FormatError: the stream ends in the middle.
        """
        while self._left:
            piece = self._read(min(self._left, _READ_BYTES))
            if not piece:
                raise FormatError("a tar archive ends in the middle of a file")
            self._left -= len(piece)
            yield piece
        padding, self._padding = self._padding, 0
        self._exactly(padding)

    def _member(self, header: bytes, records: dict[bytes, bytes]) -> TarMember:
        size = _size(header, records)
        if header[156] not in _WITHOUT_DATA:
            self._left = size
            self._padding = -size % BLOCK_BYTES
        name = records.get(b"path")
        member = TarMember(
            name=_header_name(header) if name is None else name,
            kind=_KINDS.get(header[156:157], 0),
            size=self._left,
            records=records,
        )
        try:
            return _with_values(member, header)
        except _Fault as fault:
            return replace(member, fault=str(fault))

    def _header(self) -> bytes | None:
        header = self._up_to(BLOCK_BYTES)
        if not header or header == _ZEROS:
            return None
        if len(header) < BLOCK_BYTES:
            raise FormatError("a tar archive ends in the middle of a header")
        if not _is_whole(header):
            raise FormatError("a header of a tar archive is damaged")
        return header

    def _extension(self, header: bytes) -> bytes:
        size = _size(header, {})
        if size > _MAX_EXTENSION_BYTES:
            raise FormatError(f"a tar archive has a header of {size} bytes")
        data = self._exactly(size)
        self._exactly(-size % BLOCK_BYTES)
        return data

    def _exactly(self, size: int) -> bytes:
        data = self._up_to(size)
        if len(data) < size:
            raise FormatError("a tar archive ends in the middle")
        return data

    def _up_to(self, size: int) -> bytes:
        data = self._read(size) if size else b""
        if not data or len(data) == size:
            return data
        pieces = [data]
        missing = size - len(data)
        while missing and (data := self._read(missing)):
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)


def _is_whole(header: bytes) -> bool:
    """Whether the sum of all bytes, its own taken as blanks, is as it says."""
    expected = _octal(header[148:156])
    found = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if found == expected:
        return True
    # Some tars took bytes as signed.
    others = header[:148] + header[156:]
    return found - 256 * sum(byte >= 0x80 for byte in others) == expected


def _octal(field: bytes) -> int | None:
    """A number in octal digits; None if it is none."""
    digits = field.partition(b"\0")[0].strip()
    try:
        return int(digits or b"0", 8) if b"_" not in digits else None
    except ValueError:
        return None


def _number(field: bytes) -> int | None:
    """A number in octal digits or, as GNU tar has it, in base 256."""
    if field[0] not in (0x80, 0xFF):
        return _octal(field)
    number = int.from_bytes(field[1:], "big")
    return number - (1 << 8 * (len(field) - 1)) if field[0] == 0xFF else number


def _size(header: bytes, records: dict[bytes, bytes]) -> int:
    """How much data follows: without it the next header cannot be found."""
    text = records.get(b"size")
    size = _number(header[124:136]) if text is None else _decimal(text)
    if size is None or not 0 <= size <= _MAX_SIZE:
        raise FormatError("a tar archive has a member of an impossible size")
    return size


def _decimal(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) < 20 else None


def _header_name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    if header[257:263] != b"ustar\0":
        return name
    prefix = header[345:500].partition(b"\0")[0]
    return prefix + b"/" + name if prefix else name


def _with_values(member: TarMember, header: bytes) -> TarMember:
    records = member.records
    target = records.get(b"linkpath")
    return replace(
        member,
        mode=_within(_number(header[100:108]), MODE_BITS, "mode", mask=True),
        uid=_owner(header[108:116], records.get(b"uid"), "owner"),
        gid=_owner(header[116:124], records.get(b"gid"), "group"),
        user=_text(records.get(b"uname", header[265:297])),
        group=_text(records.get(b"gname", header[297:329])),
        mtime_ns=_mtime(header[136:148], records.get(b"mtime")),
        target=_text(header[157:257]) if target is None else _whole(target),
        device=(
            _within(_number(header[329:337]), 2**32 - 1, "device number"),
            _within(_number(header[337:345]), 2**32 - 1, "device number"),
        ),
    )


def _owner(field: bytes, record: bytes | None, what: str) -> int:
    number = _number(field) if record is None else _decimal(record)
    return _within(number, 2**32 - 1, what)


def _within(number: int | None, highest: int, what: str, *, mask: bool = False) -> int:
    if number is not None and number >= 0 and mask:
        return number & highest
    if number is None or not 0 <= number <= highest:
        raise _Fault(f"its {what} makes no sense")
    return number


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _whole(value: bytes) -> bytes:
    if b"\0" in value:
        raise _Fault("the target of the link makes no sense")
    return value


def _mtime(field: bytes, record: bytes | None) -> int:
    if record is None:
        seconds = _number(field)
        time_ns = None if seconds is None else seconds * _NS_PER_SECOND
    else:
        time_ns = _fraction(record)
    if time_ns is None or not FIRST_TIME_NS <= time_ns <= LAST_TIME_NS:
        raise _Fault("its time makes no sense")
    return time_ns


def _fraction(text: bytes) -> int | None:
    """Decimal seconds as nanoseconds, exactly."""
    sign = -1 if text.startswith(b"-") else 1
    whole, _, fraction = text.removeprefix(b"-").partition(b".")
    if not (whole + fraction).isdigit() or len(whole) > 20 or len(fraction) > 30:
        return None
    nanoseconds = int(fraction[:9].ljust(9, b"0"))
    return sign * (int(whole or b"0") * _NS_PER_SECOND + nanoseconds)


def _parse_records(data: bytes) -> dict[bytes, bytes]:
    """The records ``length keyword=value`` of a pax header.

    Raises:
        FormatError: one is not as long as it says.
    """
    records: dict[bytes, bytes] = {}
    place = 0
    while place < len(data):
        digits, blank, _ = data[place : place + 20].partition(b" ")
        length = _decimal(digits) or 0
        record = data[place : place + length]
        start = len(digits) + 1
        key, equals, value = record[start:-1].partition(b"=")
        if not (blank and key and equals) or record[-1:] != b"\n":
            raise FormatError("a pax header of a tar archive makes no sense")
        if len(record) != length:
            raise FormatError("a pax header of a tar archive makes no sense")
        records[key] = value
        place += length
    return records
