"""Vectors of chapter 6: index runs, their blocks and fence."""

import struct
from collections.abc import Iterator

from chunkvault.codec.compression import Compressor
from chunkvault.codec.packing import pack
from chunkvault.format.columns import encode_u32
from chunkvault.format.directory import FrameRecord
from chunkvault.format.index_blocks import (
    IndexRow,
    VolumeRecord,
    encode_blob_block,
    encode_volume_block,
)
from chunkvault.format.index_run import RunSealer, build_run, build_run_sealer
from chunkvault.ids import VolumeId
from tools.vectors.case import FIXED_INPUTS, KEYRING, ZSTD, Case, fixed
from tools.vectors.volumes import fixed_header

__all__ = ["cases"]

_FENCE = 1 << 33
_FOOTER = 40
"""The sealed part of it."""

_HEADER = fixed_header().header
_FRAMES = (FrameRecord(116, 100, 0), FrameRecord(70, 400, 1))


def cases() -> Iterator[Case]:
    """All vectors of this chapter."""
    yield from _runs()
    yield from _headers()
    yield from _sections()
    yield from _blob_blocks()
    yield from _volume_blocks()
    yield from _fences()


def _rows(count: int, volumes: int) -> list[IndexRow]:
    rows = []
    for number in range(count):
        prefix = struct.pack(">QQ", number * 7, number)
        base = fixed("base", 16) if number % 100 == 3 else None
        plain = 5000 if base else 100 + number % 10
        place = (number % volumes, number % 2, number, 100 + number % 10, plain, base)
        rows.append(IndexRow(prefix, *place))
    return rows


def _volumes(count: int) -> list[VolumeRecord]:
    return [
        VolumeRecord(VolumeId(fixed(f"volume {n}")), 1, 4096 + n, _HEADER, _FRAMES)
        for n in range(count)
    ]


def _sealer() -> RunSealer:
    return build_run_sealer(KEYRING, fixed("run salt"))


def _built(rows: int, volumes: int, replaces: tuple[bytes, ...] = ()) -> bytes:
    pieces = build_run(_sealer(), _rows(rows, volumes), _volumes(volumes), replaces)
    return b"".join(pieces)


def _case(
    name: str, comment: str, data: bytes, expect: str = "DamageError", **inputs: str
) -> Case:
    return Case("6-runs", name, comment, data, FIXED_INPUTS | inputs, expect, ZSTD)


def _runs() -> Iterator[Case]:
    replaced = (fixed("run 1"), fixed("run 2"))
    yield _case("ok", "four rows, a delta, two volumes", _built(4, 2), "ok")
    comment = "two blob blocks, two volume blocks, replaces two runs"
    yield _case("blocks", comment, _built(1030, 66, replaced), "ok")
    other = fixed("other repository").hex()
    comment = "read as a run of another repository"
    yield _case("repository", comment, _built(4, 2), repository=other)
    other = fixed("other master").hex()
    yield _case("master", "read with another key", _built(4, 2), masters=other)


def _headers() -> Iterator[Case]:
    good = _built(4, 2)
    fields = {
        "magic": (0, b"X", "FormatError"),
        "suite": (8, b"\2", "UnsupportedFormat"),
        "reserved": (9, b"\1", "FormatError"),
        "epoch": (12, b"\1", "UnsupportedFormat"),
        "salt": (16, b"\0", "FormatError"),
    }
    for name, (offset, value, expect) in fields.items():
        data = good[:offset] + value + good[offset + 1 :]
        yield _case(f"header-{name}", f"byte {offset} of the header", data, expect)
    yield _case("header-short", "half a header", good[:24], "FormatError")
    yield _case("nothing", "no bytes", b"", "FormatError")
    yield _case("truncated", "the last byte is missing", good[:-1], "FormatError")
    yield _case("long", "one byte too many", good + b"\0", "FormatError")


def _sections() -> Iterator[Case]:
    sealer, good = _sealer(), _built(4, 2)
    offset, length, padding = struct.unpack(
        "<QQQ", sealer.open_section(_FENCE + 1, good[-_FOOTER:])
    )
    fence = sealer.open_fence(good[offset : offset + length], offset)
    places = {
        "blob-block": 48,
        "volume-block": fence.blob_ends[0],
        "fence": offset,
        "footer": len(good) - _FOOTER,
        "footer-header": len(good) - 50,
        "filter": fence.volume_ends[0],
    }
    for name, place in places.items():
        data = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        expect = "FormatError" if name == "footer-header" else "DamageError"
        yield _case(f"{name}-flipped", "one bit of it", data, expect)
    start, end = fence.blob_ends[0], fence.volume_ends[0]
    plain = sealer.open_section(1 << 32, good[start:end])
    moved = good[:start] + sealer.seal_section((1 << 32) + 1, plain) + good[end:]
    yield _case("volume-block-number", "sealed as block 1", moved)
    plain = sealer.open_section(0, good[48:start])
    moved = good[:48] + sealer.seal_section(1, plain) + good[start:]
    yield _case("blob-block-number", "sealed as block 1", moved)
    wrong = {
        "footer-beyond": (offset, length + 1, padding),
        "footer-inside": (offset, length - 1, padding),
        "footer-huge": (2**64 - 1, length, padding),
        "footer-padding-none": (offset, length, 15),
        "footer-padding-huge": (offset, length, (2 << 20) + 1),
        "footer-padding-over-header": (offset, length, offset - 47),
    }
    for name, fields in wrong.items():
        data = good[:-88] + sealer.seal_footer(*fields)
        yield _case(name, f"footer {fields}", data, "FormatError")


def _packed(value: object, length: int | None = None) -> bytes:
    packed = pack(value)
    stated = len(packed) if length is None else length
    return stated.to_bytes(4, "little") + Compressor().compress(packed)


def _block(
    chapter: str, name: str, data: bytes, expect: str = "FormatError", **inputs: str
) -> Case:
    comment = name.replace("-", " ")
    return Case(chapter, name, comment, data, inputs, expect, ZSTD)


def _blob_blocks() -> Iterator[Case]:
    chapter = "6-blob-blocks"
    columns: list[object] = [
        fixed("prefixes", 48),
        encode_u32([0, 1, 0]),
        encode_u32([0, 0, 1]),
        encode_u32([0, 0, 100]),
        encode_u32([100, 50, 20]),
        b"\0\0\1",
        fixed("base", 16),
        encode_u32([4000]),
    ]
    changes: dict[str, tuple[int, object]] = {
        "prefixes-short": (0, fixed("prefixes", 47)),
        "prefixes-text": (0, "x" * 48),
        "volumes-short": (1, encode_u32([0, 1])),
        "frames-short": (2, encode_u32([0, 1])),
        "offsets-short": (3, encode_u32([0, 1])),
        "lengths-short": (4, encode_u32([0, 1])),
        "no-rows": (5, b""),
        "encodings-number": (5, 3),
        "encoding-unknown": (5, b"\0\0\2"),
        "delta-too-many": (5, b"\0\0\0"),
        "delta-missing": (5, b"\0\1\1"),
        "bases-short": (6, fixed("base", 15)),
        "plain-lengths-short": (7, b"\0\0"),
        "plain-length-too-long": (7, encode_u32([(16 << 20) + 1])),
    }
    yield _block(chapter, "ok", _packed(columns), "ok")
    for name, (number, value) in changes.items():
        changed = [*columns]
        changed[number] = value
        yield _block(chapter, name, _packed(changed))
    many = encode_blob_block(_rows(1025, 1))
    yield _block(chapter, "too-many-rows", many)
    yield _block(chapter, "seven-columns", _packed(columns[:7]))
    yield _block(chapter, "not-an-array", _packed({}))
    yield _block(chapter, "says-17-mib", _packed(columns, 17 << 20))
    yield _block(chapter, "says-less", _packed(columns, 4), "DamageError")
    yield _block(chapter, "nothing", b"", "DamageError")


def _volume_blocks() -> Iterator[Case]:
    chapter = "6-volume-blocks"
    row: list[object] = [
        fixed("volume id"),
        4096,
        _HEADER,
        encode_u32([116, 70]),
        encode_u32([100, 400]),
        b"\0\1",
    ]
    changes: dict[str, tuple[int, object, str]] = {
        "id-short": (0, fixed("volume id", 31), "FormatError"),
        "id-text": (0, "x" * 32, "FormatError"),
        "size-text": (1, "4096", "FormatError"),
        "header-short": (2, _HEADER[:127], "FormatError"),
        "header-magic": (2, b"X" + _HEADER[1:], "FormatError"),
        "header-kind": (2, _HEADER[:10] + b"\7" + _HEADER[11:], "FormatError"),
        "header-suite": (2, _HEADER[:8] + b"\2" + _HEADER[9:], "UnsupportedFormat"),
        "stored-lengths-short": (3, encode_u32([116]), "FormatError"),
        "plain-lengths-short": (4, encode_u32([116]), "FormatError"),
        "codecs-short": (5, b"\0", "FormatError"),
        "codecs-number": (5, 2, "FormatError"),
    }
    yield _block(chapter, "ok", _packed([row]), "ok")
    for name, (number, value, expect) in changes.items():
        changed = [*row]
        changed[number] = value
        yield _block(chapter, name, _packed([changed]), expect)
    yield _block(chapter, "no-volumes", _packed([]))
    yield _block(chapter, "too-many", encode_volume_block(_volumes(65)))
    yield _block(chapter, "row-is-a-number", _packed([1]))
    yield _block(chapter, "five-fields", _packed([row[:5]]))


def _fences() -> Iterator[Case]:
    fence: list[object] = [
        fixed("firsts", 32),
        [1000, 2000],
        [3000],
        [3500],
        1500,
        64,
        [fixed("run")],
        [],
    ]
    changes: dict[str, tuple[int, object]] = {
        "firsts-short": (0, fixed("firsts", 31)),
        "firsts-text": (0, "x" * 32),
        "block-ends-equal": (1, [1000, 1000]),
        "block-ends-disorder": (1, [2000, 1000]),
        "block-in-the-header": (1, [48, 2000]),
        "block-ends-text": (1, ["1000", "2000"]),
        "block-ends-number": (1, 2000),
        "volume-block-before-blob-block": (2, [2000]),
        "volume-block-behind-the-filter": (2, [3501]),
        "volume-ends-number": (2, 3000),
        "filter-none": (3, []),
        "filter-too-many": (3, [3500, 3600]),
        "filter-in-the-fence": (3, [4001]),
        "rows-negative": (4, -1),
        "rows-too-few": (4, 1024),
        "rows-too-many": (4, 2049),
        "rows-text": (4, "1500"),
        "volumes-negative": (5, -1),
        "volumes-too-many": (5, 65),
        "replaces-number": (6, 1),
        "replaces-short-name": (6, [fixed("run", 31)]),
        "replaces-text": (6, ["run"]),
        "parts-number": (7, 1),
        "part-empty": (7, [[fixed("part"), 0]]),
        "part-short-name": (7, [[fixed("part", 31), 9]]),
        "part-without-size": (7, [[fixed("part")]]),
    }

    def case(name: str, value: object, expect: str = "FormatError") -> Case:
        data = _packed(value)
        return _block("6-fences", name, data, expect, fence_offset="4000")

    yield case("ok", fence, "ok")
    yield case("empty", [b"", [], [], [], 0, 0, [], []], "ok")
    parts = [fixed("part 1"), 5000], [fixed("part 2"), 6000]
    long = [*fence[:3], [15_000], *fence[4:7], list(parts)]
    yield case("parts", long, "ok")
    yield case("seven-fields", fence[:7])
    yield case("not-an-array", {})
    for name, (number, value) in changes.items():
        changed = [*fence]
        changed[number] = value
        yield case(name, changed)
