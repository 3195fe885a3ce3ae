"""Format chapter 6: index runs. Which volume and frame hold which blob.

A sorted table in the manner of an SSTable (Chang et al., "Bigtable", 2006): rows
sorted by the first 16 bytes of the blob's id, in blocks that are sealed one by
one, so that a lookup reads the fence and one block, not the run::

    header         48 bytes
    blob blocks    up to 1,024 rows each
    volume blocks  up to 64 volumes each: header, size and frames of each
    padding        sealed zeros
    fence          first prefix and end of each blob block, end of each volume block
    footer         where the fence is, the last 40 bytes

Header::

    0    8   magic "CVINDEXR"
    8    1   cipher suite: 1
    9    3   zero
    12   4   epoch of the keys, little-endian
    16   32  salt

Blocks and fence are msgpack, compressed, behind their plain length, sealed under
a key of the run; the nonce is the number of the section. A row names its volume
by its place in the run, and the header of each volume is kept with it: reading a
blob takes no request for a header.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeVar

from chunkvault.codec.compression import Compressor, expand
from chunkvault.codec.hashing import content_hash, derive_key
from chunkvault.codec.packing import pack, unpack_canonical
from chunkvault.codec.sealing import TAG_BYTES, counter_nonce, open_sealed, seal
from chunkvault.errors import FormatError, UnsupportedFormat
from chunkvault.format.blob import MAX_BLOB_BYTES, PREFIX_BYTES
from chunkvault.format.columns import decode_u8, decode_u32, encode_u8, encode_u32
from chunkvault.format.directory import FrameRecord
from chunkvault.format.padding import MAX_PADDING, padded_size
from chunkvault.format.subkeys import Keyring
from chunkvault.format.volume import HEADER_BYTES, parse_kind
from chunkvault.ids import ID_BYTES, VolumeId

__all__ = [
    "RUN_FOOTER_BYTES",
    "RUN_HEADER_BYTES",
    "BlobBlock",
    "Fence",
    "IndexRow",
    "RunSealer",
    "VolumeRecord",
    "build_run",
    "build_run_sealer",
    "decode_blob_block",
    "decode_volume_block",
    "open_run_header",
]

RUN_HEADER_BYTES = 48
RUN_FOOTER_BYTES = 24 + TAG_BYTES
SALT_BYTES = 32
ROWS_PER_BLOCK = 1024
VOLUMES_PER_BLOCK = 64

_MAGIC = b"CVINDEXR"
_HEADER = struct.Struct("<8sB3sI32s")
_FOOTER = struct.Struct("<QQQ")
_SUITE = 1
_VOLUME_SECTION = 1 << 32
_FENCE_SECTION = 1 << 33
_FOOTER_SECTION = _FENCE_SECTION + 1
_PADDING_SECTION = _FENCE_SECTION + 2
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


@dataclass(frozen=True, slots=True)
class Fence:
    """Where the blocks of a run are.

    Attributes:
        first_prefixes: of each blob block, joined.
        blob_ends: offset behind each blob block.
        volume_ends: offset behind each volume block.
        row_count: blobs in the run.
        volume_count: volumes in the run.
        replaces: hashes of runs that this one was merged from.
    """

    first_prefixes: bytes
    blob_ends: Sequence[int]
    volume_ends: Sequence[int]
    row_count: int
    volume_count: int
    replaces: tuple[bytes, ...]


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


@dataclass(frozen=True, slots=True)
class RunSealer:
    """Seals and opens the sections of one run; any thread."""

    header: bytes
    _binding: bytes = field(repr=False)
    _key: bytes = field(repr=False)

    def seal_footer(self, fence_offset: int, fence_length: int, padding: int) -> bytes:
        """The last `RUN_FOOTER_BYTES`."""
        footer = _FOOTER.pack(fence_offset, fence_length, padding)
        return self.seal_section(_FOOTER_SECTION, footer)

    def open_footer(self, data: bytes, run_size: int) -> tuple[int, int]:
        """Offset and sealed length of the fence.

        Raises:
            DamageError: it is not the footer of this run.
        """
        offset, length, padding = _FOOTER.unpack(
            self.open_section(_FOOTER_SECTION, data)
        )
        if (
            offset + length + RUN_FOOTER_BYTES != run_size
            or not TAG_BYTES <= padding <= MAX_PADDING
            or offset < RUN_HEADER_BYTES + padding
        ):
            raise FormatError("the footer of an index run points nowhere")
        return offset, length

    def open_fence(self, data: bytes, fence_offset: int) -> Fence:
        """The fence from its sealed bytes.

        Raises:
            DamageError: it is not the fence of this run.
        """
        plain = _unpacked(self.open_section(_FENCE_SECTION, data))
        return _decode_fence(plain, fence_offset)

    def open_blob_block(self, number: int, data: bytes) -> BlobBlock:
        """The rows of a block from its sealed bytes.

        Raises:
            DamageError: it is not that block of this run.
        """
        return decode_blob_block(self.open_section(number, data))

    def open_volume_block(self, number: int, data: bytes) -> list[VolumeRecord]:
        """The volumes of a block from its sealed bytes.

        Raises:
            DamageError: it is not that block of this run.
        """
        return decode_volume_block(self.open_section(_VOLUME_SECTION + number, data))

    def seal_section(self, number: int, plain: bytes) -> bytes:
        """Seal one section; a number is used once in a run."""
        return seal(plain, self._binding, counter_nonce(number), self._key)

    def open_section(self, number: int, data: bytes) -> bytes:
        """Undo `seal_section`.

        Raises:
            DamageError: it is not that section of this run.
        """
        nonce = counter_nonce(number)
        return bytes(open_sealed(data, self._binding, nonce, self._key))


def build_run_sealer(keyring: Keyring, salt: bytes) -> RunSealer:
    """Start a run; the salt is an argument for test vectors."""
    header = _HEADER.pack(_MAGIC, _SUITE, bytes(3), keyring.epoch, salt)
    return open_run_header(keyring, header)


def open_run_header(keyring: Keyring, header: bytes) -> RunSealer:
    """What opens the sections of the run with this header.

    Raises:
        UnsupportedFormat: a newer version wrote it.
        FormatError: it is not the header of an index run.
    """
    if len(header) != RUN_HEADER_BYTES or header[:8] != _MAGIC:
        raise FormatError("not an index run")
    _, suite, _, epoch, salt = _HEADER.unpack(header)
    if suite != _SUITE:
        raise UnsupportedFormat("an index run is sealed in a way this program lacks")
    key = derive_key(
        "chunkvault v1 sections of an index run", keyring.of_epoch(epoch).index + salt
    )
    return RunSealer(header, content_hash(keyring.repository_id, header), key)


def build_run(
    sealer: RunSealer,
    rows: Iterable[IndexRow],
    volumes: Iterable[VolumeRecord],
    replaces: Sequence[bytes] = (),
) -> Iterator[bytes]:
    """The pieces of a run's bytes, in order; ``rows`` sorted by prefix.

    Holds one block at a time, and the fence.
    """
    offset = RUN_HEADER_BYTES
    yield sealer.header
    firsts, blob_ends, row_count = bytearray(), [], 0
    for number, group in enumerate(_groups(rows, ROWS_PER_BLOCK)):
        section = sealer.seal_section(number, _encode_blob_block(group))
        firsts += group[0].prefix
        row_count += len(group)
        offset += len(section)
        blob_ends.append(offset)
        yield section
    volume_ends, volume_count = [], 0
    for number, batch in enumerate(_groups(volumes, VOLUMES_PER_BLOCK)):
        plain = _encode_volume_block(batch)
        section = sealer.seal_section(_VOLUME_SECTION + number, plain)
        volume_count += len(batch)
        offset += len(section)
        volume_ends.append(offset)
        yield section
    fence = Fence(
        bytes(firsts), blob_ends, volume_ends, row_count, volume_count, tuple(replaces)
    )
    yield from _build_end(sealer, offset, fence)


def decode_blob_block(plain: bytes) -> BlobBlock:
    """The rows of a block.

    Raises:
        FormatError: the columns contradict each other.
    """
    columns = _unpacked(plain)
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


def decode_volume_block(plain: bytes) -> list[VolumeRecord]:
    """The volumes of a block.

    Raises:
        FormatError: a record makes no sense.
    """
    rows = _unpacked(plain)
    if not isinstance(rows, list) or not 0 < len(rows) <= VOLUMES_PER_BLOCK:
        raise FormatError("a block of volumes makes no sense")
    return [_decode_volume(row) for row in rows]


def _build_end(sealer: RunSealer, offset: int, fence: Fence) -> Iterator[bytes]:
    sealed_fence = sealer.seal_section(_FENCE_SECTION, _encode_fence(fence))
    unpadded = offset + TAG_BYTES + len(sealed_fence) + RUN_FOOTER_BYTES
    padding = bytes(padded_size(unpadded) - unpadded)
    sealed_padding = sealer.seal_section(_PADDING_SECTION, padding)
    yield sealed_padding
    yield sealed_fence
    yield sealer.seal_footer(
        offset + len(sealed_padding), len(sealed_fence), len(sealed_padding)
    )


def _encode_blob_block(rows: Sequence[IndexRow]) -> bytes:
    deltas = [row for row in rows if row.base is not None]
    return _packed(
        [
            b"".join(row.prefix for row in rows),
            encode_u32(row.volume for row in rows),
            encode_u32(row.frame for row in rows),
            encode_u32(row.offset for row in rows),
            encode_u32(row.length for row in rows),
            encode_u8(row.base is not None for row in rows),
            b"".join(row.base or b"" for row in deltas),
            encode_u32(row.plain_length for row in deltas),
        ]
    )


def _decode_deltas(
    flags: bytes, bases: object, lengths: object
) -> dict[int, tuple[bytes, int]]:
    numbers = [number for number, flag in enumerate(flags) if flag]
    joined = decode_u8(bases, len(numbers) * PREFIX_BYTES)
    plain_lengths = decode_u32(lengths, len(numbers))
    if any(length > MAX_BLOB_BYTES for length in plain_lengths):
        raise FormatError("a blob of the index is too long")
    return {
        number: (joined[place * PREFIX_BYTES : (place + 1) * PREFIX_BYTES], length)
        for place, (number, length) in enumerate(
            zip(numbers, plain_lengths, strict=True)
        )
    }


def _encode_volume_block(volumes: Sequence[VolumeRecord]) -> bytes:
    return _packed(
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


def _decode_volume(row: object) -> VolumeRecord:
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
    frames = zip(
        decode_u32(stored, count),
        decode_u32(plain, count),
        decode_u8(codecs, count),
        strict=True,
    )
    return VolumeRecord(
        VolumeId(volume_id),
        parse_kind(header),
        size,
        header,
        tuple(FrameRecord(*frame) for frame in frames),
    )


def _encode_fence(fence: Fence) -> bytes:
    return _packed(
        [
            fence.first_prefixes,
            list(fence.blob_ends),
            list(fence.volume_ends),
            fence.row_count,
            fence.volume_count,
            list(fence.replaces),
        ]
    )


def _decode_fence(value: object, fence_offset: int) -> Fence:
    if not isinstance(value, list) or len(value) != 6:
        raise FormatError("the fence of an index run makes no sense")
    firsts, blob_ends, volume_ends, row_count, volume_count, replaces = value
    ends = [RUN_HEADER_BYTES, *blob_ends, *volume_ends]
    if (
        not isinstance(firsts, bytes)
        or len(firsts) != len(blob_ends) * PREFIX_BYTES
        or any(left >= right for left, right in pairwise(ends))
        or ends[-1] > fence_offset
        or not 0 <= row_count <= len(blob_ends) * ROWS_PER_BLOCK
        or not 0 <= volume_count <= len(volume_ends) * VOLUMES_PER_BLOCK
    ):
        raise FormatError("the fence of an index run makes no sense")
    return Fence(
        firsts, blob_ends, volume_ends, row_count, volume_count, tuple(replaces)
    )


def _packed(value: object) -> bytes:
    packed = pack(value)
    return len(packed).to_bytes(4, "little") + Compressor().compress(packed)


def _unpacked(plain: bytes) -> object:
    length = int.from_bytes(plain[:4], "little")
    if length > _MAX_SECTION_BYTES:
        raise FormatError("a section of an index run is too long")
    return unpack_canonical(expand(plain[4:], length))


_Item = TypeVar("_Item")


def _groups(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    group: list[_Item] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
