"""Headers put together by hand equal those of ``tarfile``."""

import io
import os
import random
import tarfile

import pytest

from chunkvault.duplicity.own_records import decode_own_records, encode_own_records
from chunkvault.duplicity.tar_reader import TarReader
from chunkvault.duplicity.tar_writer import (
    deleted_header,
    end_of_archive,
    header_mtime,
    node_header,
    padding,
)
from chunkvault.errors import FormatError
from chunkvault.format.node import EMPTY_DIRECTORY, NodeKind

TYPES = {
    NodeKind.FILE: tarfile.REGTYPE,
    NodeKind.DIRECTORY: tarfile.DIRTYPE,
    NodeKind.SYMLINK: tarfile.SYMTYPE,
    NodeKind.FIFO: tarfile.FIFOTYPE,
    NodeKind.CHARACTER_DEVICE: tarfile.CHRTYPE,
    NodeKind.BLOCK_DEVICE: tarfile.BLKTYPE,
}
DEVICES = (NodeKind.CHARACTER_DEVICE, NodeKind.BLOCK_DEVICE)
SECOND = 10**9


def random_node(draw):
    kind = draw.choice(list(TYPES))
    return EMPTY_DIRECTORY._replace(
        kind=kind,
        mode=draw.randrange(0o10000),
        uid=draw.choice([0, 5, 2097151, 2097152, 2**32 - 1]),
        gid=draw.choice([0, 2097152]),
        user=draw.choice([b"", b"root", "jürg".encode(), b"x" * 33]),
        group=draw.choice([b"staff", b"\xe9"]),
        mtime_ns=draw.choice([0, -5, 1_700_000_000, 2**33, 2**34]) * SECOND,
        rdev=os.makedev(3, draw.randrange(900)) if kind in DEVICES else 0,
        target=draw.choice([b"x", b"y" * 150, b"\xff"])
        if kind == NodeKind.SYMLINK
        else b"",
    )


def as_tarinfo(name, node, size):
    info = tarfile.TarInfo(os.fsdecode(name))
    info.size, info.mode, info.mtime = size, node.mode, header_mtime(node.mtime_ns)
    info.uid, info.gid = node.uid, node.gid
    info.uname, info.gname = os.fsdecode(node.user), os.fsdecode(node.group)
    info.type, info.linkname = TYPES[node.kind], os.fsdecode(node.target)
    if node.kind in DEVICES:
        info.devmajor, info.devminor = os.major(node.rdev), os.minor(node.rdev)
    return info


def read_by_tarfile(header):
    file = io.BytesIO(header + bytes(1024))
    return tarfile.open(fileobj=file, errors="surrogateescape").next()


@pytest.mark.parametrize("seed", range(200))
def test_header_says_what_tarfile_reads(seed):
    draw = random.Random(seed)
    letters = b"abc\xe9\xff\xc3\xa9/ \n"
    name = b"snapshot/x" + bytes(draw.choices(letters, k=draw.randrange(140))) + b"y"
    node = random_node(draw)
    header = node_header(name, node, 0)
    expected = as_tarinfo(name, node, 0)
    found = read_by_tarfile(header)
    for field in ("name", "size", "mode", "uid", "gid", "uname", "gname", "mtime"):
        assert getattr(found, field) == getattr(expected, field), field
    assert (found.type, found.linkname) == (expected.type, expected.linkname)
    if len(header) == 512 and node.kind != NodeKind.DIRECTORY:
        assert header == expected.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def test_deleted_header_has_no_attributes():
    header = deleted_header(b"deleted/gone")
    expected = tarfile.TarInfo("deleted/gone")
    expected.mode = 0
    assert header == expected.tobuf(tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("time_ns", "seconds"),
    [
        (1_700_000_000_000_000_000, 1_700_000_000),
        (1_700_000_000_500_000_000, 1_700_000_000),
        (1_700_000_000_999_999_999, 1_700_000_001),
        (-1, 0),
    ],
)
def test_time_is_what_python_and_so_duplicity_sees_on_the_disk(time_ns, seconds):
    assert header_mtime(time_ns) == seconds


@pytest.mark.parametrize("size", [0, 512, 10240, 10241, 123456])
def test_archive_ends_with_zeros_up_to_a_whole_record(size):
    end = end_of_archive(size)
    assert not any(end)
    assert len(end) >= 512
    assert (size + len(end)) % 10240 == 0
    assert (size + len(padding(size))) % 512 == 0


@pytest.mark.parametrize("length", [1, 80, 85, 86, 87, 980, 985, 990])
def test_lengths_of_pax_records_count_their_own_digits(length):
    header = node_header(b"f" * 120, EMPTY_DIRECTORY, 0, ((b"K.x", b"v" * length),))
    found = read_by_tarfile(header)
    assert found.pax_headers["K.x"] == "v" * length


def test_what_duplicity_cannot_hold_is_read_back():
    node = EMPTY_DIRECTORY._replace(
        kind=NodeKind.FILE,
        mtime_ns=-5,
        ctime_ns=2**63,
        inode=7,
        device=2**40,
        links=2,
        flags=1,
        xattrs=((b"user.a", b"\0\xff\n=x"), (b"user.b", b"")),
    )
    holes = ((0, 5), (10, 2**40))
    records = tuple(encode_own_records(node, holes))
    reader = TarReader(io.BytesIO(node_header(b"snapshot/f", node, 0, records)).read)
    member = reader.next()
    assert member is not None
    own = decode_own_records(member.records)
    assert own is not None
    assert own.holes == holes
    assert node._replace(
        **{k: v for k, v in own._asdict().items() if k != "holes"}
    ) == (node)


@pytest.mark.parametrize(
    "records",
    [
        {b"CHUNKVAULT.node": b""},
        {b"CHUNKVAULT.node": b"1,2,3"},
        {b"CHUNKVAULT.node": b"1,2,-3,4,5,6"},
        {b"CHUNKVAULT.node": b"1,2,3,4,5,6,7"},
        {b"CHUNKVAULT.node": b"1,2,3,4,5,x"},
        {b"CHUNKVAULT.node": b"1,2,3,4,5,6", b"CHUNKVAULT.holes": b"5+1,5+1"},
        {b"CHUNKVAULT.node": b"1,2,3,4,5,6", b"CHUNKVAULT.holes": b"5+0"},
        {b"CHUNKVAULT.node": b"1,2,3,4,5,6", b"CHUNKVAULT.holes": b"5"},
    ],
)
def test_own_records_that_make_no_sense_are_damage(records):
    with pytest.raises(FormatError):
        decode_own_records(records)


def test_entry_of_duplicity_has_no_own_records():
    assert decode_own_records({b"mtime": b"5"}) is None
