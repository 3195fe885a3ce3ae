"""How much of the plan is worked on in one go."""

from collections.abc import Iterator

from chunkvault.operations.restore.plan import PieceGroup
from chunkvault.repository import FrameLocation

__all__ = ["batched"]

_NEAR_BYTES = 5 << 20
"""Content opened in one go, so that all threads have something to do."""

_FAR_BYTES = 16 << 20
"""As much of it as one request brings, where that costs a way across the network."""

_FAR_STORED_BYTES = 9 << 20
"""Of a request, as it is stored: half a volume."""

_AHEAD_BYTES = 48 << 20
"""Content held at once, however many connections there are."""

_BATCH_PIECES = 4096


def batched(
    groups: Iterator[PieceGroup], connections: int
) -> Iterator[list[PieceGroup]]:
    """What is read and opened in one go.

    Args:
        groups: of the plan.
        connections: requests that may be under way at once; 0 for a near storage.
    """
    limit = _NEAR_BYTES
    if connections:
        limit = min(_FAR_BYTES, _AHEAD_BYTES // connections)
    batch: list[PieceGroup] = []
    plain = stored = pieces = 0
    for group in groups:
        more_plain, more_stored = _lengths(group.frame)
        is_full = (
            plain + more_plain > limit
            or stored + more_stored > _FAR_STORED_BYTES
            or pieces >= _BATCH_PIECES
        )
        # A new volume is another request in any case.
        if batch and (is_full or (plain > limit // 2 and _differ(batch[-1], group))):
            yield batch
            batch, plain, stored, pieces = [], 0, 0, 0
        batch.append(group)
        plain += more_plain
        stored += more_stored
        pieces += len(group.pieces)
    if batch:
        yield batch


def _lengths(frame: FrameLocation | None) -> tuple[int, int]:
    return (frame.plain_length, frame.stored_length) if frame else (0, 0)


def _differ(one: PieceGroup, other: PieceGroup) -> bool:
    """Whether they lie in different volumes."""
    volumes = (group.frame and group.frame.volume.volume_id for group in (one, other))
    return len(set(volumes)) > 1
