"""How much of the plan is worked on in one go."""

from collections.abc import Iterator

from chunkvault.operations.restore.plan import PieceGroup
from chunkvault.repository import FrameLocation

__all__ = ["batched"]

_BATCH_BYTES = 5 << 20
"""Frames of so much content, so that all threads have something to do."""

_FAR_BATCH_BYTES = 9 << 20
"""As they are stored: so many come in one request, half a volume."""

_BATCH_PIECES = 4096


def batched(
    groups: Iterator[PieceGroup], *, is_far: bool
) -> Iterator[list[PieceGroup]]:
    """What is read and written in one go; of a far storage, what one request brings."""
    limit = _FAR_BATCH_BYTES if is_far else _BATCH_BYTES
    batch: list[PieceGroup] = []
    size = pieces = 0
    for group in groups:
        length = _length(group.frame, is_far=is_far)
        is_full = size + length > limit or pieces >= _BATCH_PIECES
        # A new volume is another request in any case.
        if batch and (is_full or (size > limit // 2 and _differ(batch[-1], group))):
            yield batch
            batch, size, pieces = [], 0, 0
        batch.append(group)
        size += length
        pieces += len(group.pieces)
    if batch:
        yield batch


def _length(frame: FrameLocation | None, *, is_far: bool) -> int:
    if frame is None:
        return 0
    return frame.stored_length if is_far else frame.plain_length


def _differ(one: PieceGroup, other: PieceGroup) -> bool:
    """Whether they lie in different volumes."""
    volumes = (group.frame and group.frame.volume.volume_id for group in (one, other))
    return len(set(volumes)) > 1
