"""Format chapter 6: index runs. Which volume and frame hold which blob.

A sorted table in the manner of an SSTable (Chang et al., "Bigtable", 2006): rows
sorted by the first 16 bytes of the blob's id, in blocks that are sealed one by
one, so that a lookup reads the fence and one block, not the run::

    header         48 bytes
    blob blocks    1,024 rows each, the last one what is left
    volume blocks  up to 64 volumes each: header, size and frames of each
    filters        two bytes of each row, for 256 blocks each
    padding        sealed zeros
    fence          first prefix and end of each blob block, ends of the others
    footer         the header again, and where the fence is; the last 88 bytes

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

The sections of a long run lie in parts, objects of their own that have nothing but
sections; only padding, fence and footer stand in the run. So a run of any length
is written with flat memory, and opened with one request for its end.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from chunkvault.codec.hashing import content_hash, derive_key
from chunkvault.codec.sealing import TAG_BYTES, counter_nonce, open_sealed, seal
from chunkvault.errors import FormatError, UnsupportedFormat
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.index_blocks import (
    ROWS_PER_BLOCK,
    RUN_HEADER_BYTES,
    VOLUMES_PER_BLOCK,
    BlobBlock,
    EncodedBlock,
    IndexRow,
    VolumeBlock,
    VolumeRecord,
    decode_blob_block,
    decode_volume_block,
    encode_rows,
    encode_volume_block,
)
from chunkvault.format.index_fence import (
    BLOCKS_PER_FILTER,
    Fence,
    RunPart,
    decode_fence,
    encode_fence,
    filter_of,
)
from chunkvault.format.padding import MAX_PADDING, padded_size
from chunkvault.format.subkeys import Keyring

__all__ = [
    "RUN_FOOTER_BYTES",
    "SALT_BYTES",
    "RunSealer",
    "build_run",
    "build_run_of",
    "build_run_sealer",
    "open_run_header",
]

RUN_FOOTER_BYTES = RUN_HEADER_BYTES + 24 + TAG_BYTES
SALT_BYTES = 32

_MAGIC = b"CVINDEXR"
_HEADER = struct.Struct("<8sB3sI32s")
_FOOTER = struct.Struct("<QQQ")
_SUITE = 1
_VOLUME_SECTION = 1 << 32
_FILTER_SECTION = 3 << 32
_FENCE_SECTION = 1 << 33
_FOOTER_SECTION = _FENCE_SECTION + 1
_PADDING_SECTION = _FENCE_SECTION + 2
_PART_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class RunSealer:
    """Seals and opens the sections of one run; any thread."""

    header: bytes
    _binding: bytes = field(repr=False)
    _key: bytes = field(repr=False)

    def seal_footer(self, fence_offset: int, fence_length: int, padding: int) -> bytes:
        """The last `RUN_FOOTER_BYTES`."""
        footer = _FOOTER.pack(fence_offset, fence_length, padding)
        return self.header + self.seal_section(_FOOTER_SECTION, footer)

    def open_footer(self, data: bytes, run_size: int) -> tuple[int, int]:
        """Offset and sealed length of the fence.

        Raises:
            DamageError: it is not the footer of this run.
        """
        if data[:RUN_HEADER_BYTES] != self.header:
            raise FormatError("an index run does not end as it begins")
        sealed = data[RUN_HEADER_BYTES:]
        footer = self.open_section(_FOOTER_SECTION, sealed)
        offset, length, padding = _FOOTER.unpack(footer)
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
        return decode_fence(self.open_section(_FENCE_SECTION, data), fence_offset)

    def open_blob_block(self, number: int, data: bytes) -> BlobBlock:
        """The rows of a block from its sealed bytes.

        Raises:
            DamageError: it is not that block of this run.
        """
        return decode_blob_block(self.open_section(number, data))

    def open_volume_block(self, number: int, data: bytes) -> VolumeBlock:
        """The volumes of a block from its sealed bytes.

        Raises:
            DamageError: it is not that block of this run.
        """
        return decode_volume_block(self.open_section(_VOLUME_SECTION + number, data))

    def open_filter(self, number: int, data: bytes) -> bytes:
        """A filter from its sealed bytes.

        Raises:
            DamageError: it is not that filter of this run.
        """
        return self.open_section(_FILTER_SECTION + number, data)

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
    put_part: Callable[[bytes], bytes] | None = None,
) -> Iterator[bytes]:
    """As `build_run_of`, of rows sorted by prefix."""
    groups = _groups(rows, ROWS_PER_BLOCK)
    yield from build_run_of(
        sealer, map(encode_rows, groups), volumes, replaces, put_part
    )


def build_run_of(
    sealer: RunSealer,
    blocks: Iterable[EncodedBlock],
    volumes: Iterable[VolumeRecord],
    replaces: Sequence[bytes] = (),
    put_part: Callable[[bytes], bytes] | None = None,
) -> Iterator[bytes]:
    """The pieces of a run's bytes, in order.

    Holds one block at a time, the filters, the fence, and one part.

    Args:
        sealer: of this run.
        blocks: what it lists, all but the last of `ROWS_PER_BLOCK` rows.
        volumes: that the rows name by their place here.
        replaces: hashes of the runs that this one makes superfluous.
        put_part: stores a part and gives its hash; without it there are none.
    """
    body = _Body(put_part)
    firsts, filters, row_count = bytearray(), [bytearray()], 0
    for number, block in enumerate(blocks):
        body.add(sealer.seal_section(number, block.plain))
        firsts += block.prefixes[:PREFIX_BYTES]
        row_count += len(block.prefixes) // PREFIX_BYTES
        if number and number % BLOCKS_PER_FILTER == 0:
            filters.append(bytearray())
        filters[-1] += filter_of(block.prefixes)
    blob_ends = body.take_ends()
    volume_count = 0
    for number, batch in enumerate(_groups(volumes, VOLUMES_PER_BLOCK)):
        plain = encode_volume_block(batch)
        body.add(sealer.seal_section(_VOLUME_SECTION + number, plain))
        volume_count += len(batch)
    volume_ends = body.take_ends()
    for number, bits in enumerate(filters if row_count else ()):
        body.add(sealer.seal_section(_FILTER_SECTION + number, bytes(bits)))
    counts = (row_count, volume_count)
    ends = (blob_ends, volume_ends, body.take_ends())
    rest = body.finish()
    fence = Fence(bytes(firsts), *ends, *counts, tuple(replaces), tuple(body.parts))
    yield sealer.header
    yield rest
    yield from _build_end(sealer, RUN_HEADER_BYTES + len(rest), fence)


class _Body:
    """Sections, in parts or in the run itself."""

    def __init__(self, put_part: Callable[[bytes], bytes] | None) -> None:
        self.parts: list[RunPart] = []
        self._put_part = put_part
        self._pending = bytearray()
        self._ends: list[int] = []
        self._end = RUN_HEADER_BYTES

    def add(self, section: bytes) -> None:
        """The next section."""
        self._pending += section
        self._end += len(section)
        self._ends.append(self._end)
        if len(self._pending) >= _PART_BYTES:
            self._flush()

    def take_ends(self) -> list[int]:
        """The ends of the sections since this was last asked."""
        ends, self._ends = self._ends, []
        return ends

    def finish(self) -> bytes:
        """What stands in the run itself: of a run with parts nothing."""
        if self.parts and self._pending:
            self._flush()
        return bytes(self._pending)

    def _flush(self) -> None:
        if self._put_part is not None:
            data = bytes(self._pending)
            self._pending.clear()
            self.parts.append(RunPart(self._put_part(data), len(data)))


def _build_end(sealer: RunSealer, offset: int, fence: Fence) -> Iterator[bytes]:
    sealed_fence = sealer.seal_section(_FENCE_SECTION, encode_fence(fence))
    unpadded = offset + TAG_BYTES + len(sealed_fence) + RUN_FOOTER_BYTES
    padding = bytes(padded_size(unpadded) - unpadded)
    sealed_padding = sealer.seal_section(_PADDING_SECTION, padding)
    yield sealed_padding
    yield sealed_fence
    yield sealer.seal_footer(
        offset + len(sealed_padding), len(sealed_fence), len(sealed_padding)
    )


_Item = TypeVar("_Item")


def _groups(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
