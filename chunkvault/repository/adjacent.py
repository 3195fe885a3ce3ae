"""Which frames come in one ranged read."""

from collections.abc import Iterator, Sequence

from chunkvault.repository.locations import FrameLocation

__all__ = ["adjacent_frames"]

_RANGE_BYTES = 9 << 20
"""Frames that follow each other are read in ranges up to this: half a volume."""

_RANGE_PLAIN_BYTES = 16 << 20
"""The same of what they hold: several ranges are in memory at once."""


def adjacent_frames(
    frames: Sequence[FrameLocation],
) -> Iterator[list[FrameLocation]]:
    """The frames in groups that one ranged read brings, in the order given."""
    group: list[FrameLocation] = []
    plain_bytes = 0
    for frame in frames:
        plain_bytes += frame.plain_length
        if group and not (_follows(group, frame) and plain_bytes <= _RANGE_PLAIN_BYTES):
            yield group
            group, plain_bytes = [], frame.plain_length
        group.append(frame)
    if group:
        yield group


def _follows(group: list[FrameLocation], frame: FrameLocation) -> bool:
    last = group[-1]
    return (
        frame.volume.volume_id == last.volume.volume_id
        and frame.offset == last.offset + last.stored_length
        and frame.offset + frame.stored_length - group[0].offset <= _RANGE_BYTES
    )
