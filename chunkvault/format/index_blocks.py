"""Format chapter 6, continued: the blocks of an index run.

Every block is a msgpack array, compressed as one Zstandard frame behind its plain
length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, NamedTuple

from chunkvault.codec.compression import Compressor, expand
from chunkvault.codec.packing import pack, unpack_canonical
from chunkvault.errors import FormatError
from chunkvault.format.blob import MAX_BLOB_BYTES, PREFIX_BYTES
from chunkvault.format.columns import decode_u8, decode_u32, encode_u8, encode_u32
from chunkvault.format.directory import FrameRecord
from chunkvault.format.volume import HEADER_BYTES, parse_kind
from chunkvault.ids import ID_BYTES, VolumeId

__all__ = [
    "ROWS_PER_BLOCK",
    "RUN_HEADER_BYTES",
    "VOLUMES_PER_BLOCK",
    "BlobBlock",
    "EncodedBlock",
    "IndexRow",
    "VolumeBlock",
    "VolumeRecord",
    "decode_blob_block",
    "decode_section",
    "decode_volume_block",
    "encode_blob_block",
    "encode_rows",
    "encode_section",
    "encode_volume_block",
]

RUN_HEADER_BYTES = 48
ROWS_PER_BLOCK = 1024
VOLUMES_PER_BLOCK = 64
_MAX_SECTION_BYTES = 16 << 20


class IndexRow(NamedTuple):
    """Where one blob is.

    Attributes:
        prefix: first 16 bytes of its id.
        volume: number of its volume in the run.
        frame: number of its frame in the volume.
        offset: in the frame's content.
        length: in the frame's content.
        plain_length: of the blob; ``length`` unless it is a delta.
        base: prefix of the id that a delta expands against, or None.
    """

    prefix: bytes
    volume: int
    frame: int
    offset: int
    length: int
    plain_length: int
    base: bytes | None


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A volume as the index knows it.

    Attributes:
        volume_id: hash of its stored bytes.
        kind: of its blobs.
        size: stored bytes.
        header: its first 128 bytes.
        frames: in order, the first right behind the header.
    """

    volume_id: VolumeId
    kind: int
    size: int
    header: bytes = field(repr=False, compare=False)
    frames: tuple[FrameRecord, ...] = field(repr=False, compare=False)


class BlobBlock(NamedTuple):
    """A decoded block; columns of equal length, sorted by prefix.

    ``deltas`` gives (base prefix, plain length) by row number.
    """

    prefixes: bytes
    volumes: Sequence[int]
    frames: Sequence[int]
    offsets: Sequence[int]
    lengths: Sequence[int]
    deltas: dict[int, tuple[bytes, int]]

    def row(self, number: int) -> IndexRow:
        """The row of this number."""
        start = number * PREFIX_BYTES
        length = self.lengths[number]
        base, plain = self.deltas.get(number, (None, length))
        return IndexRow(
            self.prefixes[start : start + PREFIX_BYTES],
            self.volumes[number],
            self.frames[number],
            self.offsets[number],
            length,
            plain,
            base,
        )


class EncodedBlock(NamedTuple):
    """A block that is ready to be sealed.

    Attributes:
        prefixes: of its rows, joined.
        plain: the section.
    """

    prefixes: bytes
    plain: bytes


class VolumeBlock:
    """A block of volumes; each is decoded when it is asked for.

    Thousands are held, and of most only the id and the size are wanted.
    """

    def __init__(self, rows: list[list[Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> VolumeRecord:
        return _decode_volume(self._rows[number])

    def sizes(self) -> Iterator[tuple[VolumeId, int, int]]:
        """Id, kind and size of each."""
        for row in self._rows:
            yield VolumeId(row[0]), parse_kind(row[2]), row[1]


def decode_blob_block(plain: bytes) -> BlobBlock:
    """The rows of a block.

    Raises:
        FormatError: the columns contradict each other.
    """
    columns = decode_section(plain)
    if not isinstance(columns, list) or len(columns) != 8:
        raise FormatError("a block of an index run makes no sense")
    count = len(columns[5]) if isinstance(columns[5], bytes) else 0
    flags = decode_u8(columns[5], count)
    if not 0 < count <= ROWS_PER_BLOCK or flags.count(0) + flags.count(1) != count:
        raise FormatError("a block of an index run has the wrong number of rows")
    return BlobBlock(
        decode_u8(columns[0], count * PREFIX_BYTES),
        decode_u32(columns[1], count),
        decode_u32(columns[2], count),
        decode_u32(columns[3], count),
        decode_u32(columns[4], count),
        _decode_deltas(flags, columns[6], columns[7]),
    )


def decode_volume_block(plain: bytes) -> VolumeBlock:
    """The volumes of a block.

    Raises:
        FormatError: a record makes no sense.
    """
    rows = decode_section(plain)
    if not isinstance(rows, list) or not 0 < len(rows) <= VOLUMES_PER_BLOCK:
        raise FormatError("a block of volumes makes no sense")
    for row in rows:
        _check_volume(row)
    return VolumeBlock(rows)


def encode_blob_block(rows: Sequence[IndexRow]) -> bytes:
    """Undone by `decode_blob_block`."""
    return encode_rows(rows).plain


def encode_rows(rows: Sequence[IndexRow]) -> EncodedBlock:
    """A block of these rows, sorted by prefix."""
    # By columns, at the speed of C: this runs while other threads want to go on.
    prefixes, volumes, frames, offsets, lengths, plain_lengths, bases = zip(
        *rows, strict=True
    )
    deltas = [
        (base, plain_length)
        for base, plain_length in zip(bases, plain_lengths, strict=True)
        if base is not None
    ]
    joined = b"".join(prefixes)
    columns = [
        joined,
        encode_u32(volumes),
        encode_u32(frames),
        encode_u32(offsets),
        encode_u32(lengths),
        encode_u8(base is not None for base in bases),
        b"".join(base for base, _ in deltas),
        encode_u32(plain_length for _, plain_length in deltas),
    ]
    return EncodedBlock(joined, encode_section(columns))


def _decode_deltas(
    flags: bytes, bases: object, lengths: object
) -> dict[int, tuple[bytes, int]]:
    numbers = list(compress(range(len(flags)), flags))
    joined = decode_u8(bases, len(numbers) * PREFIX_BYTES)
    plain_lengths = decode_u32(lengths, len(numbers))
    if max(plain_lengths, default=0) > MAX_BLOB_BYTES:
        raise FormatError("a blob of the index is too long")
    starts = range(0, len(joined), PREFIX_BYTES)
    prefixes = [joined[start : start + PREFIX_BYTES] for start in starts]
    return dict(zip(numbers, zip(prefixes, plain_lengths, strict=True), strict=True))


def encode_volume_block(volumes: Sequence[VolumeRecord]) -> bytes:
    """Undone by `decode_volume_block`."""
    return encode_section(
        [
            [
                volume.volume_id,
                volume.size,
                volume.header,
                encode_u32(frame.stored_length for frame in volume.frames),
                encode_u32(frame.plain_length for frame in volume.frames),
                encode_u8(frame.codec for frame in volume.frames),
            ]
            for volume in volumes
        ]
    )


def _check_volume(row: object) -> None:
    if not isinstance(row, list) or len(row) != 6:
        raise FormatError("a volume of the index makes no sense")
    volume_id, size, header, stored, plain, codecs = row
    count = len(codecs) if isinstance(codecs, bytes) else 0
    if (
        not isinstance(volume_id, bytes)
        or len(volume_id) != ID_BYTES
        or not isinstance(size, int)
        or not isinstance(header, bytes)
        or len(header) != HEADER_BYTES
    ):
        raise FormatError("a volume of the index makes no sense")
    parse_kind(header)
    decode_u8(codecs, count)
    decode_u32(stored, count)
    decode_u32(plain, count)


def _decode_volume(row: list[Any]) -> VolumeRecord:
    volume_id, size, header, stored, plain, codecs = row
    count = len(codecs)
    frames = zip(
        decode_u32(stored, count), decode_u32(plain, count), codecs, strict=True
    )
    return VolumeRecord(
        VolumeId(volume_id),
        parse_kind(header),
        size,
        header,
        tuple(FrameRecord(*frame) for frame in frames),
    )


def encode_section(value: object) -> bytes:
    """A block or fence: msgpack, compressed behind its plain length."""
    packed = pack(value)
    return len(packed).to_bytes(4, "little") + Compressor().compress(packed)


def decode_section(plain: bytes) -> object:
    """Undo `encode_section`.

    Raises:
        DamageError: it does not expand, or is not msgpack.
    """
    length = int.from_bytes(plain[:4], "little")
    if length > _MAX_SECTION_BYTES:
        raise FormatError("a section of an index run is too long")
    return unpack_canonical(expand(plain[4:], length))
