"""Vectors of chapter 5: volumes, their frames and directories."""

import struct
from collections.abc import Iterator

from chunkvault.codec.compression import Compressor
from chunkvault.codec.hashing import content_hash, derive_key
from chunkvault.codec.packing import pack
from chunkvault.codec.sealing import counter_nonce, seal
from chunkvault.format.blob import BlobKind
from chunkvault.format.columns import encode_u32
from chunkvault.format.directory import (
    CODEC_STORED,
    CODEC_ZSTD,
    BlobRecord,
    FrameRecord,
    encode_directory,
)
from chunkvault.format.subkeys import derive_keyring
from chunkvault.format.volume import HEADER_BYTES, VolumeSealer, build_header
from chunkvault.ids import RepositoryId
from tools.vectors.case import (
    FIXED_INPUTS,
    KEYRING,
    MASTER,
    REPOSITORY,
    ZSTD,
    Case,
    fixed,
)

__all__ = ["cases", "fixed_header"]

_SALT = fixed("volume salt")
_FOOTER_NUMBER = 1
_PADDING_NUMBER = 2

_TEXT = b"All happy families are alike. " * 20
_NOISE = fixed("incompressible", 300)
_EDITED = _NOISE[:100] + b"edited" + _NOISE[110:]


def fixed_header(kind: int = BlobKind.CHUNK, label: str = "volume") -> VolumeSealer:
    """A volume's header with fixed salt, nonce and key."""
    return build_header(
        KEYRING,
        kind,
        salt=_SALT,
        nonce=fixed(f"{label} nonce", 24),
        volume_key=fixed(f"{label} key"),
    )


def cases() -> Iterator[Case]:
    """All vectors of this chapter."""
    yield from _whole()
    yield from _headers()
    yield from _frames()
    yield from _ends()
    yield from _directories()
    yield from _directory_columns()
    yield from _compressed()


def _case(
    name: str, comment: str, data: bytes, expect: str = "DamageError", **inputs: str
) -> Case:
    return Case("5-volumes", name, comment, data, FIXED_INPUTS | inputs, expect, ZSTD)


def _blob(kind: int, content: bytes, place: tuple[int, int]) -> BlobRecord:
    prefix = KEYRING.identify(kind, content)[:16]
    return BlobRecord(prefix, *place, len(content), len(content), None)


def _build(
    sealer: VolumeSealer, directory: bytes | None = None, *, wrong_base: bool = False
) -> tuple[bytes, int]:
    """A volume of three frames, and where they end."""
    kind = sealer.kind
    delta = Compressor().compress_delta(_EDITED, _NOISE)
    payloads = [
        (CODEC_STORED, _NOISE, _NOISE),
        (CODEC_ZSTD, Compressor().compress(_TEXT + b"tiny"), _TEXT + b"tiny"),
        (CODEC_STORED, delta, delta),
    ]
    data, frames = bytearray(sealer.header), []
    for number, (codec, payload, content) in enumerate(payloads):
        start = len(data)
        data += bytes(len(payload) + 16)
        place = (number, codec, len(content))
        sealer.seal_frame_into(data, start, payload, place)
        frames.append(FrameRecord(len(payload) + 16, len(content), codec))
    base = fixed("other blob", 16) if wrong_base else None
    edited = KEYRING.identify(kind, _EDITED)[:16]
    base = base or KEYRING.identify(kind, _NOISE)[:16]
    blobs = [
        _blob(kind, _NOISE, (0, 0)),
        _blob(kind, _TEXT, (1, 0)),
        _blob(kind, b"tiny", (1, len(_TEXT))),
        BlobRecord(edited, 2, 0, len(delta), len(_EDITED), base),
    ]
    if directory is None:
        directory = encode_directory(frames, blobs)
    end = len(data)
    return bytes(data) + sealer.seal_end(end, directory), end


def _whole() -> Iterator[Case]:
    good, _ = _build(fixed_header())
    tree_volume, _ = _build(fixed_header(BlobKind.TREE))
    missing, _ = _build(fixed_header(), wrong_base=True)
    nothing = fixed_header()
    empty = nothing.header + nothing.seal_end(HEADER_BYTES, encode_directory([], []))
    yield _case("ok", "three frames: stored, compressed, a delta", good, "ok")
    yield _case("trees", "the same as a volume of trees", tree_volume, "ok")
    yield _case("no-frames", "a volume of nothing", empty, "ok")
    yield _case("no-base", "a delta against a blob that is elsewhere", missing)
    other = fixed("other repository").hex()
    comment = "read as a volume of another repository"
    yield _case("repository", comment, good, repository=other)
    other = fixed("other master").hex()
    yield _case("master", "read with another master key", good, masters=other)
    comment = "under a second master key: epoch 1"
    rings = derive_keyring((MASTER, fixed("second")), RepositoryId(REPOSITORY))
    sealer = build_header(
        rings, 1, salt=_SALT, nonce=fixed("n", 24), volume_key=fixed("k")
    )
    second = sealer.header + sealer.seal_end(HEADER_BYTES, encode_directory([], []))
    both = (MASTER + fixed("second")).hex()
    yield _case("epoch-1", comment, second, "ok", masters=both)
    comment = "epoch 1, but only one master key is known"
    yield _case("epoch-unknown", comment, second, "UnsupportedFormat")


def _headers() -> Iterator[Case]:
    good, _ = _build(fixed_header())
    fields = {
        "magic": (0, b"X", "FormatError"),
        "suite": (8, b"\2", "UnsupportedFormat"),
        "wrap-public": (9, b"\1", "UnsupportedFormat"),
        "kind-none": (10, b"\0", "FormatError"),
        "kind-unknown": (10, b"\3", "FormatError"),
        "kind-other": (10, b"\2", "DamageError"),
        "parity": (11, b"\1", "UnsupportedFormat"),
        "epoch": (12, b"\1", "UnsupportedFormat"),
        "salt": (16, b"\0", "DamageError"),
        "nonce": (48, b"\0", "DamageError"),
        "wrapped-key": (72, b"\0", "DamageError"),
        "wrapped-key-tag": (119, b"\0", "DamageError"),
        "reserved-first": (120, b"\1", "FormatError"),
        "reserved-last": (127, b"\1", "FormatError"),
    }
    for name, (offset, value, expect) in fields.items():
        data = good[:offset] + value + good[offset + 1 :]
        comment = f"header: byte {offset} is {value[0]}"
        yield _case(f"header-{name}", comment, data, expect)
    yield _case("header-only", "nothing behind the header", good[:128])
    yield _case("header-short", "half a header", good[:64], "FormatError")
    yield _case("nothing", "no bytes", b"", "FormatError")


def _frames() -> Iterator[Case]:
    sealer = fixed_header()
    good, _ = _build(sealer)
    flipped = good[:130] + bytes([good[130] ^ 1]) + good[131:]
    yield _case("frame-flipped", "one bit of frame 0", flipped)
    content, length = b"twelve bytes", 12
    record = _blob(1, content, (0, 0))

    def sealed_as(place: tuple[int, int, int], frame: FrameRecord) -> bytes:
        data = bytearray(sealer.header) + bytearray(length + 16)
        sealer.seal_frame_into(data, HEADER_BYTES, content, place)
        blob = record._replace(
            length=frame.plain_length, plain_length=frame.plain_length
        )
        directory = encode_directory([frame], [blob])
        return bytes(data) + sealer.seal_end(len(data), directory)

    frame = FrameRecord(length + 16, length, CODEC_STORED)
    zstd, longer = frame._replace(codec=CODEC_ZSTD), frame._replace(plain_length=13)
    good = sealed_as((0, 0, 12), frame)
    yield _case("frame", "one stored frame", good, "ok")
    yield _case("frame-number", "sealed as frame 1", sealed_as((1, 0, 12), frame))
    yield _case("frame-codec", "sealed as compressed", sealed_as((0, 1, 12), frame))
    yield _case("frame-length", "sealed as 13 bytes", sealed_as((0, 0, 13), frame))
    comment = "says 13 bytes, has 12"
    yield _case("frame-lies", comment, sealed_as((0, 0, 13), longer), "FormatError")
    comment = "says compressed, is not"
    yield _case("frame-not-zstd", comment, sealed_as((0, 1, 12), zstd))
    cut = bytes(sealer.header) + good[128:140]
    cut += sealer.seal_end(
        140, encode_directory([frame._replace(stored_length=12)], [record])
    )
    yield _case("frame-truncated", "too short for its tag", cut)


def _end_seal(sealer: VolumeSealer, number: int, plain: bytes) -> bytes:
    """As chapter 5 says, without the module's help."""
    key = derive_key(
        "chunkvault v1 directory of a volume", KEYRING.epochs[0].directory + _SALT
    )
    binding = content_hash(REPOSITORY, sealer.header)
    return seal(plain, binding, counter_nonce(number), key)


def _ends() -> Iterator[Case]:
    sealer = fixed_header()
    good, end = _build(sealer)
    size = len(good)
    frames_end, offset, length = struct.unpack(
        "<QQQ",
        sealer._open(good[-40:], 1),  # noqa: SLF001 - the vector's inside
    )

    def footer(*fields: int) -> bytes:
        return good[:-40] + _end_seal(sealer, 1, struct.pack("<QQQ", *fields))

    comment = "footer sealed as chapter 5 says"
    yield _case("footer", comment, footer(frames_end, offset, length), "ok")
    wrong = {
        "footer-beyond": (frames_end, offset, length + 1),
        "footer-inside": (frames_end, offset, length - 1),
        "footer-huge": (frames_end, 2**64 - 1, length),
        "footer-before-header": (0, offset, length),
        "footer-no-padding": (offset, offset, length),
        "footer-backwards": (offset + 1, offset, length),
    }
    for name, fields in wrong.items():
        yield _case(name, f"footer {fields}", footer(*fields), "FormatError")
    comment = "frames end one byte early"
    yield _case("footer-early", comment, footer(end - 1, offset, length))
    yield _case("footer-flipped", "its last byte", good[:-1] + bytes([good[-1] ^ 1]))
    yield _case("truncated", "the last byte is missing", good[:-1])
    yield _case("long", "one byte too many", good + b"\0")
    zeros = bytes(offset - frames_end - 16 - 1)
    padding = _end_seal(sealer, _PADDING_NUMBER, zeros + b"\1")
    data = good[:end] + padding + good[offset:]
    yield _case("padding-not-empty", "a one among the zeros", data, "FormatError")
    data = good[:end] + bytes([good[end] ^ 1]) + good[end + 1 :]
    yield _case("padding-flipped", "one bit of the padding", data)
    data = good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :]
    yield _case("directory-flipped", "one bit of the directory", data)
    one_frame = encode_directory([FrameRecord(16, 0, 0)], [])
    data, _ = _build(sealer, one_frame)
    comment = "the directory lists fewer frames than there are"
    yield _case("directory-short", comment, data, "FormatError")
    assert size == offset + length + 40, "the footer is what it says"


def _directory(name: str, comment: str, data: bytes, expect: str) -> Case:
    return Case("5-directories", name, comment, data, {}, expect, ZSTD)


def _compress(packed: bytes, length: int | None = None) -> bytes:
    stated = len(packed) if length is None else length
    return stated.to_bytes(4, "little") + Compressor().compress(packed)


_COLUMNS: list[object] = [
    encode_u32([116, 70]),
    encode_u32([100, 50]),
    b"\0\1",
    encode_u32([1, 2]),
    fixed("prefixes", 48),
    encode_u32([100, 20, 30]),
    b"\0\0\1",
    fixed("base", 16),
    encode_u32([1000]),
]


def _directories() -> Iterator[Case]:
    packed = pack(_COLUMNS)
    yield _directory("ok", "two frames, a delta", _compress(packed), "ok")
    empty = encode_directory([], [])
    yield _directory("empty", "no frames", empty, "ok")
    wrong: dict[str, tuple[str, bytes, str]] = {
        "length-more": ("longer", _compress(packed, len(packed) + 1), "DamageError"),
        "length-less": ("shorter", _compress(packed, len(packed) - 1), "DamageError"),
        "length-huge": ("4 GiB", _compress(packed, 2**32 - 1), "DamageError"),
        "length-missing": ("two bytes", b"\0\0", "DamageError"),
        "trailing": ("a byte too many", _compress(packed) + b"\0", "DamageError"),
        "nothing": ("no bytes", b"", "DamageError"),
        "not-an-array": ("a map", _compress(pack({})), "FormatError"),
        "wide-array": (
            "not canonical",
            _compress(b"\xdc\0\x09" + packed[1:]),
            "FormatError",
        ),
        "eight-columns": ("too few", _compress(pack(_COLUMNS[:8])), "FormatError"),
        "ten-columns": (
            "too many",
            _compress(pack([*_COLUMNS, b""])),
            "FormatError",
        ),
        "bomb": (
            "an array of 2^32 - 1",
            _compress(b"\xdd\xff\xff\xff\xff"),
            "FormatError",
        ),
        "nested": ("arrays in arrays", _compress(b"\x91" * 1_000), "FormatError"),
        "zstd-bomb": (
            "31 MiB of zeros in a few bytes, not msgpack",
            _compress(bytes(31 << 20)),
            "FormatError",
        ),
        "zstd-too-large": ("33 MiB", _compress(bytes(33 << 20)), "DamageError"),
    }
    for name, (comment, data, expect) in wrong.items():
        yield _directory(name, comment, data, expect)


def _directory_columns() -> Iterator[Case]:
    huge = (32 << 20) + 1
    changes: dict[str, tuple[int, object]] = {
        "stored-lengths-short": (0, encode_u32([116])),
        "plain-lengths-short": (1, encode_u32([100])),
        "frame-too-long": (0, encode_u32([116, huge])),
        "frame-plain-too-long": (1, encode_u32([100, huge])),
        "codec-unknown": (2, b"\0\2"),
        "codecs-not-bytes": (2, 1),
        "counts-less": (3, encode_u32([1, 1])),
        "counts-more": (3, encode_u32([1, 3])),
        "counts-short": (3, encode_u32([3])),
        "prefixes-short": (4, fixed("prefixes", 47)),
        "prefixes-text": (4, "x" * 48),
        "lengths-short": (5, encode_u32([100, 50])),
        "frame-not-filled": (5, encode_u32([100, 20, 29])),
        "frame-overfull": (5, encode_u32([100, 20, 31])),
        "encoding-unknown": (6, b"\0\0\2"),
        "delta-too-many": (6, b"\0\0\0"),
        "delta-missing": (6, b"\0\1\1"),
        "base-short": (7, fixed("base", 15)),
        "expanded-length-odd": (8, b"\0\0\0"),
        "expanded-too-long": (8, encode_u32([(16 << 20) + 1])),
    }
    for name, (column, value) in changes.items():
        columns = [*_COLUMNS]
        columns[column] = value
        data = _compress(pack(columns))
        yield _directory(name, f"column {column + 1}", data, "FormatError")


def _compressed() -> Iterator[Case]:
    def case(name: str, comment: str, data: bytes, length: int, expect: str) -> Case:
        inputs = {"plain_length": str(length)}
        return Case("5-frames", name, comment, data, inputs, expect, ZSTD)

    good, length = Compressor().compress(_TEXT), len(_TEXT)
    bomb = Compressor().compress(bytes(40 << 20))
    stated = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 40) + b"\3\0\0a"
    unstated = b"\x28\xb5\x2f\xfd\x00\x50\x09\x00\x00a"
    wrong = {
        "shorter": ("is a byte longer than said", good, length - 1),
        "longer": ("is a byte shorter than said", good, length + 1),
        "truncated": ("the last byte is missing", good[:-1], length),
        "trailing": ("one byte too many", good + b"\0", length),
        "two-frames": ("two frames", good + good, 2 * length),
        "empty": ("no bytes", b"", 0),
        "bomb": ("expands to 40 MiB as said, too large", bomb, 40 << 20),
        "bomb-lies": ("expands to 40 MiB, said to be 100 bytes", bomb, 100),
        "stated-1-tib": ("states 1 TiB", stated, 1 << 40),
        "unstated": ("does not state its size", unstated, 1),
        "no-frame": ("not Zstandard", b"frame of a volume", 17),
    }
    yield case("ok", "one frame of Zstandard", good, length, "ok")
    for name, (comment, data, said) in wrong.items():
        yield case(name, comment, data, said, "DamageError")
