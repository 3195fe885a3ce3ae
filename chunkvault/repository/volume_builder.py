"""One volume being filled: frames are sealed in place, by several threads."""

from dataclasses import dataclass, field
from typing import NamedTuple

from chunkvault.codec.hashing import content_hash
from chunkvault.codec.sealing import NONCE_BYTES, TAG_BYTES, random_bytes
from chunkvault.errors import ChunkvaultError
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.directory import BlobRecord, FrameRecord, encode_directory
from chunkvault.format.index_blocks import IndexRow, VolumeRecord
from chunkvault.format.subkeys import Keyring
from chunkvault.format.volume import (
    HEADER_BYTES,
    SALT_BYTES,
    VOLUME_KEY_BYTES,
    VolumeSealer,
    build_header,
)
from chunkvault.ids import BlobId, VolumeId

__all__ = [
    "FrameBlob",
    "Reservation",
    "VolumeBuilder",
    "faulty_machine",
    "start_volume",
]

_MAX_BLOBS = 65_536
"""Bounds the directory, which is read whole."""


class FrameBlob(NamedTuple):
    """A blob in a frame that is about to be stored; see `BlobRecord`."""

    blob_id: BlobId
    length: int
    plain_length: int
    base: bytes | None


class Reservation(NamedTuple):
    """A frame's place in the volume."""

    number: int
    offset: int
    codec: int
    plain_length: int


@dataclass(slots=True)
class VolumeBuilder:
    """An unfinished volume.

    `reserve` is called, and the attributes are changed, under the writer's lock;
    `seal` and `open` touch only the reserved range and need none.

    Attributes:
        buffer: holds the header and the frames; grown by `finish`.
        in_flight: frames reserved and not yet released.
        is_closed: whether no more frames come.
    """

    sealer: VolumeSealer
    buffer: bytearray
    capacity: int
    frames: list[FrameRecord] = field(default_factory=list)
    blobs: list[BlobRecord] = field(default_factory=list)
    end: int = HEADER_BYTES
    in_flight: int = 0
    is_closed: bool = False

    def has_room(self, payload_length: int) -> bool:
        """Whether a frame fits; the first one always does."""
        if not self.frames:
            return True
        fits = self.end + payload_length + TAG_BYTES <= self.capacity
        return fits and len(self.blobs) < _MAX_BLOBS

    def reserve(
        self, payload_length: int, codec: int, blobs: list[FrameBlob]
    ) -> Reservation:
        """A place for a frame with these blobs."""
        number, offset = len(self.frames), self.end
        stored_length = payload_length + TAG_BYTES
        plain_length = self._add_blobs(number, blobs)
        self.frames.append(FrameRecord(stored_length, plain_length, codec))
        self.end += stored_length
        if len(self.buffer) < self.end:
            self.buffer.extend(bytes(self.end - len(self.buffer)))
        self.in_flight += 1
        return Reservation(number, offset, codec, plain_length)

    def seal(self, place: Reservation, payload: bytes | memoryview) -> None:
        """Put the frame where it was promised to be."""
        triple = (place.number, place.codec, place.plain_length)
        self.sealer.seal_frame_into(self.buffer, place.offset, payload, triple)

    def open(self, place: Reservation) -> bytearray:
        """The payload again, from the bytes that will be uploaded.

        Raises:
            DamageError: memory or processor changed a bit.
        """
        end = place.offset + self.frames[place.number].stored_length
        sealed = memoryview(self.buffer)[place.offset : end]
        triple = (place.number, place.codec, place.plain_length)
        return self.sealer.open_frame(sealed, triple)

    def finish(self) -> tuple[VolumeRecord, memoryview]:
        """The finished volume and its bytes, which stay in `buffer`."""
        self.buffer[:HEADER_BYTES] = self.sealer.header
        directory = encode_directory(self.frames, self.blobs)
        tail = self.sealer.seal_end(self.end, directory)
        self.buffer[self.end : self.end + len(tail)] = tail
        data = memoryview(self.buffer)[: self.end + len(tail)]
        record = VolumeRecord(
            VolumeId(content_hash(data)),
            self.sealer.kind,
            len(data),
            self.sealer.header,
            tuple(self.frames),
        )
        return record, data

    def rows(self, volume: int) -> list[IndexRow]:
        """The index rows of the volume's blobs, under this number in a run."""
        return [
            IndexRow(
                blob.prefix,
                volume,
                blob.frame,
                blob.offset,
                blob.length,
                blob.plain_length,
                blob.base,
            )
            for blob in self.blobs
        ]

    def _add_blobs(self, frame: int, blobs: list[FrameBlob]) -> int:
        offset = 0
        for blob_id, length, plain_length, base in blobs:
            place = (frame, offset, length, plain_length, base)
            self.blobs.append(BlobRecord(blob_id[:PREFIX_BYTES], *place))
            offset += length
        return offset


def start_volume(
    keyring: Keyring, kind: int, capacity: int, buffer: bytearray
) -> VolumeBuilder:
    """A new volume with a fresh random key, into a buffer that may be reused."""
    sealer = build_header(
        keyring,
        kind,
        salt=random_bytes(SALT_BYTES),
        nonce=random_bytes(NONCE_BYTES),
        volume_key=random_bytes(VOLUME_KEY_BYTES),
    )
    return VolumeBuilder(sealer, buffer, capacity)


def faulty_machine() -> ChunkvaultError:
    """What is about to be uploaded does not give back what went into it."""
    return ChunkvaultError(
        "data changed between reading and storing it",
        hint="this machine's memory or processor is faulty: test it before "
        "you trust a backup made on it",
    )
