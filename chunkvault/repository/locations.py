"""Where blobs are: a frame of a volume, and a place in the frame's content."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from chunkvault.format.directory import BlobRecord
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.names import volume_name
from chunkvault.format.volume import HEADER_BYTES

__all__ = [
    "BlobLocation",
    "FrameLocation",
    "distinct",
    "frame_locations",
    "place_blob",
]


class FrameLocation(NamedTuple):
    """One sealed frame: a range of a volume, and how to open it."""

    volume: VolumeRecord
    number: int
    offset: int
    stored_length: int
    plain_length: int
    codec: int

    @property
    def object_name(self) -> str:
        """The volume's name on the backend."""
        return volume_name(self.volume.kind, self.volume.volume_id)


class BlobLocation(NamedTuple):
    """One blob in a frame's content.

    Attributes:
        frame: that holds it.
        offset: in the frame's content.
        length: in the frame's content.
        plain_length: of the blob; ``length`` unless it is a delta.
        base: prefix of the id of the blob it is a delta against, or None.
    """

    frame: FrameLocation
    offset: int
    length: int
    plain_length: int
    base: bytes | None


def frame_locations(volume: VolumeRecord) -> list[FrameLocation]:
    """All frames of a volume, in order."""
    lengths = [frame.stored_length for frame in volume.frames]
    offsets = accumulate(lengths, initial=HEADER_BYTES)
    return [
        FrameLocation(volume, number, offset, *frame)
        for number, (offset, frame) in enumerate(
            zip(offsets, volume.frames, strict=False)
        )
    ]


def place_blob(frames: list[FrameLocation], blob: BlobRecord) -> BlobLocation:
    """The location of a blob that a volume's directory lists."""
    frame = frames[blob.frame]
    return BlobLocation(frame, blob.offset, blob.length, blob.plain_length, blob.base)


def distinct(locations: Iterable[BlobLocation]) -> Iterator[BlobLocation]:
    """Each place once, as it comes: several records may tell of the same one."""
    seen = set()
    for location in locations:
        frame, *place = location
        key = (frame.volume.volume_id, frame.number, *place)
        if key not in seen:
            seen.add(key)
            yield location
