"""Format chapter 5, continued: a volume's directory.

A msgpack array, compressed as one Zstandard frame behind its plain length::

    [frame stored lengths u32[], frame plain lengths u32[], frame codecs u8[],
     blobs per frame u32[], id prefixes 16 bytes each, blob lengths u32[],
     encodings u8[], base prefixes 16 bytes each, expanded lengths u32[]]

Blobs fill their frames in order, without gaps, so their offsets follow from
their lengths. Encoding 0: the blob itself. 1: a delta, whose base and expanded
length stand at the next place of the last two columns.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chunkvault.codec.compression import MAX_EXPANDED_BYTES, Compressor, expand
from chunkvault.codec.packing import pack, unpack_canonical
from chunkvault.errors import FormatError
from chunkvault.format.blob import MAX_BLOB_BYTES, PREFIX_BYTES
from chunkvault.format.columns import decode_u8, decode_u32, encode_u8, encode_u32

__all__ = [
    "CODEC_STORED",
    "CODEC_ZSTD",
    "MAX_FRAME_BYTES",
    "BlobRecord",
    "FrameRecord",
    "decode_directory",
    "encode_directory",
]

CODEC_STORED = 0
CODEC_ZSTD = 1

MAX_FRAME_BYTES = MAX_EXPANDED_BYTES
_COLUMNS = 9
_LENGTH_BYTES = 4


class FrameRecord(NamedTuple):
    """One frame of a volume; frames follow each other from the header on."""

    stored_length: int
    plain_length: int
    codec: int


class BlobRecord(NamedTuple):
    """One blob of a frame.

    Attributes:
        prefix: first 16 bytes of the id of the expanded content.
        frame: number of the frame.
        offset: in the frame's content.
        length: in the frame's content.
        plain_length: of the expanded content; ``length`` unless it is a delta.
        base: prefix of the id that the delta expands against, or None.
    """

    prefix: bytes
    frame: int
    offset: int
    length: int
    plain_length: int
    base: bytes | None


def encode_directory(
    frames: Sequence[FrameRecord], blobs: Sequence[BlobRecord]
) -> bytes:
    """The directory's plain bytes; blobs in the order of frames and offsets."""
    # By columns, at the speed of C: this runs while other threads want to go on.
    prefixes, places, _, lengths, plain_lengths, bases = (
        zip(*blobs, strict=True) if blobs else [()] * 6
    )
    counts = Counter(places)
    deltas = [
        (base, plain_length)
        for base, plain_length in zip(bases, plain_lengths, strict=True)
        if base is not None
    ]
    packed = pack(
        [
            encode_u32(frame.stored_length for frame in frames),
            encode_u32(frame.plain_length for frame in frames),
            encode_u8(frame.codec for frame in frames),
            encode_u32(counts[number] for number in range(len(frames))),
            b"".join(prefixes),
            encode_u32(lengths),
            encode_u8(base is not None for base in bases),
            b"".join(base for base, _ in deltas),
            encode_u32(plain_length for _, plain_length in deltas),
        ]
    )
    return len(packed).to_bytes(_LENGTH_BYTES, "little") + Compressor().compress(packed)


def decode_directory(data: bytes) -> tuple[list[FrameRecord], list[BlobRecord]]:
    """Undo `encode_directory`.

    Raises:
        DamageError: the bytes are not a directory, or contradict themselves.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    columns = unpack_canonical(expand(data[_LENGTH_BYTES:], length))
    if not isinstance(columns, list) or len(columns) != _COLUMNS:
        raise FormatError("a volume's directory makes no sense")
    frames = _decode_frames(columns)
    return frames, list(_decode_blobs(columns, frames))


def _decode_frames(columns: list[object]) -> list[FrameRecord]:
    count = _rows(columns[2], 1)
    frames = [
        FrameRecord(*row)
        for row in zip(
            decode_u32(columns[0], count),
            decode_u32(columns[1], count),
            decode_u8(columns[2], count),
            strict=True,
        )
    ]
    for frame in frames:
        if frame.codec not in (CODEC_STORED, CODEC_ZSTD):
            raise FormatError("a frame is compressed in an unknown way")
        if max(frame.plain_length, frame.stored_length) > MAX_FRAME_BYTES:
            raise FormatError("a frame is too long")
    return frames


def _decode_blobs(
    columns: list[object], frames: list[FrameRecord]
) -> Iterator[BlobRecord]:
    counts = decode_u32(columns[3], len(frames))
    count = _rows(columns[6], 1)
    prefixes = decode_u8(columns[4], count * PREFIX_BYTES)
    lengths = iter(decode_u32(columns[5], count))
    encodings = iter(decode_u8(columns[6], count))
    deltas = _decode_deltas(columns)
    if sum(counts) != count:
        raise FormatError("a volume's directory counts its blobs wrongly")
    position = 0
    for number, frame in enumerate(frames):
        offset = 0
        for _ in range(counts[number]):
            length = next(lengths)
            base, plain = _expansion(next(encodings), length, deltas)
            prefix = prefixes[position : position + PREFIX_BYTES]
            yield BlobRecord(prefix, number, offset, length, plain, base)
            position += PREFIX_BYTES
            offset += length
        if offset != frame.plain_length:
            raise FormatError("the blobs of a frame do not fill it")
    if next(deltas, None) is not None:
        raise FormatError("a volume's directory has a delta too many")


def _decode_deltas(columns: list[object]) -> Iterator[tuple[bytes, int]]:
    count = _rows(columns[8], 4)
    bases = decode_u8(columns[7], count * PREFIX_BYTES)
    lengths = decode_u32(columns[8], count)
    for number, length in enumerate(lengths):
        start = number * PREFIX_BYTES
        yield bases[start : start + PREFIX_BYTES], length


def _expansion(
    encoding: int, length: int, deltas: Iterator[tuple[bytes, int]]
) -> tuple[bytes | None, int]:
    if encoding == 0:
        return None, length
    base, plain_length = next(deltas, (None, 0))
    if encoding != 1 or base is None or plain_length > MAX_BLOB_BYTES:
        raise FormatError("a blob is encoded in an unknown way")
    return base, plain_length


def _rows(column: object, width: int) -> int:
    if not isinstance(column, bytes) or len(column) % width:
        raise FormatError("a column has the wrong length")
    return len(column) // width
