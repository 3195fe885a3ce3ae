"""Which frames are fetched together: one request for what lies side by side."""

from collections.abc import Iterator, Sequence

from chunkvault.repository.locations import FrameLocation, frame_locations

__all__ = ["adjacent", "around"]

_AROUND_BYTES = 64 << 10
_RANGE_BYTES = 9 << 20
"""Frames that follow each other are read in ranges up to this: half a volume."""

_RANGE_PLAIN_BYTES = 16 << 20
"""The same of what they hold: several ranges are in memory at once."""


def around(frame: FrameLocation) -> list[FrameLocation]:
    """The frame, and its neighbours while all are no more than 64 KiB."""
    frames = frame_locations(frame.volume)
    first, last = frame.number, frame.number + 1
    room = _AROUND_BYTES - frame.stored_length
    while last < len(frames) and frames[last].stored_length <= room:
        room -= frames[last].stored_length
        last += 1
    while first and frames[first - 1].stored_length <= room:
        first -= 1
        room -= frames[first].stored_length
    return frames[first:last]


def adjacent(
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
