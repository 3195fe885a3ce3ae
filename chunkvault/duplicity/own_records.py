"""What duplicity cannot hold, carried past it in pax records.

duplicity reads over records of a pax header whose keywords it does not know. So an
exported archive can hold what its format lacks, at no cost to whoever restores it
with duplicity, and an import gets it back::

    CHUNKVAULT.node=MTIME,CTIME,INODE,DEVICE,LINKS,FLAGS    times in nanoseconds
    CHUNKVAULT.holes=OFFSET+LENGTH,OFFSET+LENGTH,…          of a sparse file
    SCHILY.xattr.NAME=VALUE                                 as star and GNU tar do

The time is no ``mtime=`` record with a fraction: duplicity would read that as a
floating-point number, which may round up to the next second.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from chunkvault.errors import FormatError
from chunkvault.format.node import FIRST_TIME_NS, LAST_TIME_NS, Node

__all__ = ["OwnFields", "decode_own_records", "encode_own_records"]

_NODE = b"CHUNKVAULT.node"
_HOLES = b"CHUNKVAULT.holes"
_XATTR = b"SCHILY.xattr."
_MAX_HOLES_BYTES = 256 << 10
_MAX_XATTR_BYTES = 1 << 20
_LIMITS = (
    (FIRST_TIME_NS, LAST_TIME_NS),
    (FIRST_TIME_NS, LAST_TIME_NS),
    (0, 2**64 - 1),
    (0, 2**64 - 1),
    (0, 2**64 - 1),
    (0, 2**32 - 1),
)


class OwnFields(NamedTuple):
    """What the records of one entry say; for the meaning see `Node`.

    Attributes:
        holes: (offset, length) of each, in order and apart from each other.
    """

    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    links: int
    flags: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    holes: tuple[tuple[int, int], ...] = ()


def encode_own_records(
    node: Node, holes: Iterable[tuple[int, int]] = ()
) -> Iterator[tuple[bytes, bytes]]:
    """Keywords and values for a node.

    Attributes whose names no keyword can hold are left out, and so are all if they
    are larger than a megabyte; so are the holes if there are too many to list.
    """
    numbers = (node.mtime_ns, node.ctime_ns, node.inode, node.device)
    yield _NODE, b"%d,%d,%d,%d,%d,%d" % (*numbers, node.links, node.flags)
    text = b",".join(b"%d+%d" % hole for hole in holes)
    if 0 < len(text) <= _MAX_HOLES_BYTES:
        yield _HOLES, text
    if sum(len(name) + len(value) for name, value in node.xattrs) <= _MAX_XATTR_BYTES:
        for name, value in node.xattrs:
            if b"=" not in name:
                yield _XATTR + name, value


def decode_own_records(records: Mapping[bytes, bytes]) -> OwnFields | None:
    """Undo `encode_own_records`; None where there are none, as duplicity writes it.

    Raises:
        FormatError: they make no sense.
    """
    text = records.get(_NODE)
    if text is None:
        return None
    fields = [_number(word) for word in text.split(b",")]
    if len(fields) != len(_LIMITS):
        raise FormatError("a record of chunkvault has the wrong number of fields")
    for value, (lowest, highest) in zip(fields, _LIMITS, strict=True):
        if not lowest <= value <= highest:
            raise FormatError("a record of chunkvault has a number out of range")
    xattrs = sorted(
        (keyword.removeprefix(_XATTR), value)
        for keyword, value in records.items()
        if keyword.startswith(_XATTR) and len(keyword) > len(_XATTR)
    )
    holes = tuple(_holes(records.get(_HOLES, b"")))
    mtime_ns, ctime_ns, inode, device, links, flags = fields
    return OwnFields(
        mtime_ns, ctime_ns, inode, device, links, flags, tuple(xattrs), holes
    )


def _holes(text: bytes) -> Iterator[tuple[int, int]]:
    end = -1
    for word in text.split(b",") if text else ():
        offset, plus, length = word.partition(b"+")
        hole = _number(offset), _number(length)
        if not plus or hole[0] <= end or hole[1] <= 0:
            raise FormatError("a record of chunkvault lists holes out of order")
        end = sum(hole)
        yield hole


def _number(text: bytes) -> int:
    if not text.removeprefix(b"-").isdigit() or len(text) > 20:
        raise FormatError("a record of chunkvault has a number that is none")
    return int(text)
