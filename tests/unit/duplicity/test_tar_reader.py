import io
import tarfile

import pytest

from chunkvault.duplicity.tar_reader import TarReader
from chunkvault.errors import FormatError
from chunkvault.format.node import NodeKind
from tests.support.difftars import member, tar

FORMATS = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}


def read(data, *, piece=1 << 20):
    stream = io.BytesIO(data)
    reader = TarReader(lambda size: stream.read(min(size, piece)))
    found = []
    while (one := reader.next()) is not None:
        found.append((one, b"".join(reader.data())))
    return found


def header(**changes):
    """One member's header, with bytes written over it and the sum put right."""
    data = bytearray(tar({"snapshot/a": b""})[:512])
    for place, value in changes.values():
        data[place : place + len(value)] = value
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


def pax(*records):
    body = b"".join(records)
    info = tarfile.TarInfo("pax")
    info.type, info.size = b"x", len(body)
    return info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)


@pytest.mark.parametrize("dialect", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("piece", [1, 700, 1 << 20])
def test_reads_what_tarfile_writes(dialect, piece):
    members = {
        "snapshot/./": member(tarfile.DIRTYPE, mode=0o1755),
        "snapshot/file": member(data=b"x" * 1000, uid=7, gid=8, uname="u", gname="g"),
        "snapshot/" + "n" * 300: b"long",
        "snapshot/ä\udcff": b"bytes",
        "snapshot/link": member(tarfile.SYMTYPE, linkname="t" * 200),
        "snapshot/fifo": member(tarfile.FIFOTYPE),
        "snapshot/dev": member(tarfile.CHRTYPE, devmajor=1, devminor=3),
        "snapshot/ids": member(uid=3_000_000, gid=2**31, mtime=2**34),
    }
    found = read(tar(members, dialect=dialect), piece=piece)
    names = [name.encode("utf-8", "surrogateescape") for name in members]
    # tarfile takes the slash from directories without a long name, and no others
    assert [one.name.rstrip(b"/") for one, _ in found] == [
        n.rstrip(b"/") for n in names
    ]
    by_name = dict(zip(members, found, strict=True))
    assert by_name["snapshot/./"][0].kind == NodeKind.DIRECTORY
    assert by_name["snapshot/./"][0].mode == 0o1755
    file, data = by_name["snapshot/file"]
    assert (file.uid, file.gid, file.user, file.group) == (7, 8, b"u", b"g")
    assert data == b"x" * 1000
    assert by_name["snapshot/link"][0].target == b"t" * 200
    assert by_name["snapshot/dev"][0].device == (1, 3)
    ids = by_name["snapshot/ids"][0]
    assert (ids.uid, ids.gid, ids.mtime_ns) == (3_000_000, 2**31, 2**34 * 10**9)


def test_what_follows_the_end_is_not_looked_at():
    assert len(read(tar({"snapshot/a": b"1"}) + b"junk" * 9999)) == 1


def test_an_archive_may_end_without_an_end():
    data = tar({"snapshot/a": b"1", "snapshot/b": b"2"}, has_end=False)
    assert len(read(data)) == 2


def test_data_that_nobody_reads_is_passed_over():
    stream = io.BytesIO(tar({"snapshot/a": b"1" * 5000, "snapshot/b": b"2"}))
    reader = TarReader(stream.read)
    assert reader.next().name == b"snapshot/a"
    assert reader.next().name == b"snapshot/b"
    assert b"".join(reader.data()) == b"2"


@pytest.mark.parametrize("length", [1, 511, 513, 600, 1023])
def test_an_archive_cut_off_is_told(length):
    with pytest.raises(FormatError, match="ends in the middle"):
        read(tar({"snapshot/a": b"1" * 1000})[:length])


def test_a_header_with_a_wrong_sum_is_told():
    data = bytearray(tar({"snapshot/a": b"1"}))
    data[3] ^= 1
    with pytest.raises(FormatError, match="damaged"):
        read(bytes(data))


@pytest.mark.parametrize(
    "size", [b"-0000000001\0", b"\xff" * 12, b"\x80" + b"\xff" * 11, b"9" * 12]
)
def test_an_impossible_size_is_told(size):
    with pytest.raises(FormatError, match="impossible size"):
        read(header(size=(124, size)))


@pytest.mark.parametrize("kind", [b"x", b"L", b"K", b"g"])
def test_a_huge_header_of_a_header_is_not_read(kind):
    data = header(kind=(156, kind), size=(124, b"77777777777\0"))
    with pytest.raises(FormatError, match="has a header of"):
        read(data)


@pytest.mark.parametrize(
    "record",
    [
        b"x path=a\n",
        b"99 path=a\n",
        b"7 path=a\n",
        b"10 patha1\n",
        b"00000000000000000000000000010 path=a\n",
        b"10 path=ab",
        b"-1 path=a\n",
    ],
)
def test_a_pax_record_that_lies_is_told(record):
    with pytest.raises(FormatError, match="pax header"):
        read(pax(record) + tar({"snapshot/a": b"1"}))


def test_an_archive_does_not_end_after_a_pax_header():
    with pytest.raises(FormatError, match="ends"):
        read(pax(b"10 path=a\n") + bytes(1024))


@pytest.mark.parametrize(
    ("record", "size"), [(b"13 size=1000\n", 1000), (b"12 size=+1\n\n", None)]
)
def test_pax_size_counts(record, size):
    data = pax(record) + header() + bytes(1024)
    if size is None:
        with pytest.raises(FormatError):
            read(data)
    else:
        assert [len(content) for _, content in read(data)] == [size]


@pytest.mark.parametrize(
    "record",
    [b"16 uid=4294967296\n", b"10 uid=-1\n", b"12 gid=none\n", b"14 mtime=1e99\n"],
)
def test_a_value_out_of_range_spoils_its_member_only(record):
    length = len(record)
    record = b"%d %b" % (length, record.split(b" ", 1)[1])
    record = b"%d %b" % (len(record), record.split(b" ", 1)[1])
    found = read(pax(record) + tar({"snapshot/a": b"1", "snapshot/b": b"2"}))
    assert [bool(one.fault) for one, _ in found] == [True, False]
    assert found[0][1] == b"1"


def test_times_with_a_fraction_and_before_1970():
    first = read(pax(b"23 mtime=-1.0000000015\n") + tar({"snapshot/a": b""}))[0][0]
    assert first.mtime_ns == -1_000_000_001
    data = header(mtime=(136, b"\xff" * 11 + b"\xfe"))
    assert read(data)[0][0].mtime_ns == -2 * 10**9


def test_a_type_without_a_place_has_no_kind():
    found = read(tar({"snapshot/a": member(tarfile.LNKTYPE, linkname="b")}))
    assert found[0][0].kind == 0
