"""Hints of a snapshot: where the trees near its root are, without the index.

They are rows and volumes as index runs have them. All of it may be old: what is not
where a hint says is looked for in the index.
"""

from collections.abc import Callable, Iterable, Sequence

from chunkvault.errors import FormatError
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.index_blocks import (
    IndexRow,
    VolumeRecord,
    decode_blob_block,
    decode_volume_block,
    encode_blob_block,
    encode_volume_block,
)
from chunkvault.ids import BlobId
from chunkvault.repository.frame_ranges import around
from chunkvault.repository.locations import (
    BlobLocation,
    FrameLocation,
    frame_locations,
)

__all__ = ["decode_hints", "encode_hints"]

_MAX_ROWS = 24
_MAX_VOLUMES = 3
"""A row takes 25 bytes and a volume 200, in every snapshot; more save no request."""


def encode_hints(
    blobs: Iterable[BlobId], find: Callable[[bytes], BlobLocation | None]
) -> tuple[bytes, ...]:
    """The hints for trees, as far as they are found; the most useful ones first.

    Those that stand whole beside the first, or beside its base, are found without
    a hint, so others come before them.
    """
    volumes: dict[VolumeRecord, int] = {}
    rows: dict[bytes, IndexRow] = {}
    prefixes = [blob_id[:PREFIX_BYTES] for blob_id in blobs]
    known = _frames_at_hand(prefixes, find)
    places = [(prefix, find(prefix)) for prefix in prefixes]
    found = [(prefix, place) for prefix, place in places if place is not None]
    rest = sorted(
        found[1:], key=lambda each: each[1].base is None and each[1].frame in known
    )
    for prefix, _ in found[:1] + rest:
        if len(rows) < _MAX_ROWS:
            _add(prefix, find, rows, volumes)
    if not rows:
        return ()
    ordered = [rows[prefix] for prefix in sorted(rows)]
    return encode_blob_block(ordered), encode_volume_block(list(volumes))


def _frames_at_hand(
    prefixes: Sequence[bytes], find: Callable[[bytes], BlobLocation | None]
) -> set[FrameLocation]:
    """Frames that are read for the first tree: those beside it, and of its base."""
    first = find(prefixes[0]) if prefixes else None
    if first is None:
        return set()
    base = None if first.base is None else find(first.base)
    return {*around(first.frame), *(() if base is None else (base.frame,))}


def decode_hints(hints: tuple[bytes, ...]) -> dict[bytes, BlobLocation]:
    """Undo `encode_hints`.

    Raises:
        DamageError: they make no sense.
    """
    if not hints:
        return {}
    if len(hints) != 2:
        raise FormatError("the hints of a snapshot make no sense")
    block, volumes = decode_blob_block(hints[0]), decode_volume_block(hints[1])
    frames = [frame_locations(volumes[number]) for number in range(len(volumes))]
    found = {}
    for row in map(block.row, range(len(block.lengths))):
        if row.volume >= len(frames) or row.frame >= len(frames[row.volume]):
            raise FormatError("the hints of a snapshot make no sense")
        place = (row.offset, row.length, row.plain_length, row.base)
        found[row.prefix] = BlobLocation(frames[row.volume][row.frame], *place)
    return found


def _add(
    prefix: bytes,
    find: Callable[[bytes], BlobLocation | None],
    rows: dict[bytes, IndexRow],
    volumes: dict[VolumeRecord, int],
) -> None:
    location = find(prefix)
    if location is None or prefix in rows:
        return
    if location.base is not None:
        _add(location.base, find, rows, volumes)
    volume = location.frame.volume
    if volume not in volumes:
        if len(volumes) >= _MAX_VOLUMES:
            return
        volumes[volume] = len(volumes)
    place = (volumes[volume], location.frame.number, *location[1:])
    rows[prefix] = IndexRow(prefix, *place)
