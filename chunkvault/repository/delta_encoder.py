"""Deltas: a new blob as its difference to one that stood in its place before.

Depth one: the base is always stored whole, so that any blob is read with at most
one frame more. Content drifts away from its base with every version; it is stored
whole again, and is a base from then on, once the deltas since then cost more than
that (docs/decisions/0008).
"""

from collections.abc import Callable
from typing import NamedTuple

from chunkvault.codec.compression import Compressor, expand_delta
from chunkvault.errors import DamageError
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.ids import BlobId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.blob_reader import BlobReader
from chunkvault.repository.volume_builder import faulty_machine

__all__ = ["Base", "DeltaEncoder"]

_LEVEL = 9
"""Of Zstandard: a fifth smaller than at level 3, and few bytes are left to do."""

_TRIAL_LEVEL = 1
"""Tells content that is like its base from other content. Lower levels do not."""

_SMALL_SHARE = 16
"""A delta of at most one sixteenth of the blob is taken without comparing."""

_WORTH = 0.9
"""A longer one is taken if it is below this part of the blob compressed alone."""

_ROW_BYTES = 40
"""What naming the base costs in directory and index."""

_DRIFT_FACTOR = 64
"""A delta whose square is below so many times the blob has not drifted far."""


_PATIENCE = 4
"""Two would be best if the content went on changing for ever. Four costs 6 % more
then, and less where it does not."""


class Base(NamedTuple):
    """What a blob may be stored as a delta against, by prefixes of ids.

    Attributes:
        root: a blob that is stored whole.
        before: what stood in the blob's place, if that is itself a delta
            against ``root``; else None.
    """

    root: bytes
    before: bytes | None


class DeltaEncoder:
    """Finds bases and makes deltas. `find_base` for one thread, `encode` for any.

    Args:
        index: where blobs are.
        reader: of bases; what it cannot read is no base.
        identify: gives the id of a blob.
        extra_verify: expand each delta again and compare.
    """

    def __init__(
        self,
        index: BlobIndex,
        reader: BlobReader,
        identify: Callable[[int, bytes], BlobId],
        *,
        extra_verify: bool,
    ) -> None:
        self._index = index
        self._reader = reader
        self._identify = identify
        self._extra_verify = extra_verify

    def find_base(self, blob_id: BlobId) -> Base | None:
        """What stands for this blob as a base: itself, or the base that it has.

        None if that is not there, as far as is known.
        """
        prefix = blob_id[:PREFIX_BYTES]
        location = self._index.find_listed(prefix)
        if location is None:
            return None
        base = Base(prefix, None)
        if location.base is not None:
            base = Base(location.base, prefix)
        return base if self._index.is_stored_whole(base.root) else None

    def encode(
        self, compressor: Compressor, kind: int, data: bytes, base: Base
    ) -> bytes | None:
        """The delta of ``data`` against a base; None if it is not worth it.

        A base that cannot be read, or is not what its id says, is no reason to
        fail: then there is no delta.

        Raises:
            ChunkvaultError: the delta does not expand to ``data`` again.
        """
        content = self._load(kind, base.root)
        if content is None:
            return None
        limit = _limit(compressor, data, content)
        if limit is None:
            return None
        delta = compressor.compress_delta(data, content, _LEVEL)
        if len(delta) + _ROW_BYTES > limit:
            return None
        if base.before is not None and len(delta) ** 2 > len(data) * _DRIFT_FACTOR:
            before = self._load_before(base.before)
            if before is not None and _has_drifted(compressor, data, delta, before):
                return None
        if self._extra_verify:
            _verify(delta, content, data)
        return delta

    def _load(self, kind: int, root: bytes) -> bytes | None:
        try:
            content = self._reader.load_base(kind, root)
        except DamageError:
            return None
        # A delta against a base with a flipped bit would never expand again.
        if content is None or self._identify(kind, content)[:PREFIX_BYTES] != root:
            return None
        return content

    def _load_before(self, prefix: bytes) -> bytes | None:
        try:
            return self._reader.load_known(prefix)
        except DamageError:
            return None


def _limit(compressor: Compressor, data: bytes, base: bytes) -> float | None:
    """How long a delta may be; None if the content is not like its base.

    Quick trials tell, so that content that was replaced is not compressed
    thoroughly twice.
    """
    trial = len(compressor.compress_delta(data, base, _TRIAL_LEVEL))
    if trial * _SMALL_SHARE <= len(data):
        return len(data)
    if trial >= len(data) * _WORTH:
        return None
    alone = len(compressor.compress_delta(data, b"", _TRIAL_LEVEL))
    return alone * _WORTH if trial < alone * _WORTH else None


def _has_drifted(
    compressor: Compressor, data: bytes, delta: bytes, before: bytes
) -> bool:
    """Whether the deltas of these versions have cost as much as a whole blob.

    Each is longer than the one before by about the step, what is new in it. So
    what the age of the base has cost is a triangle over the excess of this delta
    over the step.
    """
    step = len(compressor.compress_delta(data, before, _LEVEL))
    excess = max(0, len(delta) - step)
    return excess * excess > _PATIENCE * step * len(compressor.compress(data))


def _verify(delta: bytes, base: bytes, data: bytes) -> None:
    try:
        expanded = expand_delta(delta, base, len(data))
    except DamageError as error:
        raise faulty_machine() from error
    if expanded != data:
        raise faulty_machine()
