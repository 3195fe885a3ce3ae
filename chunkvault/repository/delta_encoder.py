"""Deltas: a new blob as its difference to one that stood in its place before.

Depth one: the base is always stored whole, so that any blob is read with at most
one frame more (docs/decisions/0007).
"""

from collections.abc import Callable

from chunkvault.codec.compression import Compressor, expand_delta
from chunkvault.errors import DamageError
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.ids import BlobId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.blob_reader import BlobReader
from chunkvault.repository.volume_builder import faulty_machine

__all__ = ["DeltaEncoder"]

_SMALL_SHARE = 16
"""A delta of at most one sixteenth of the blob is taken without comparing."""

_WORTH = 0.6
"""A longer one is taken if it is below this part of the blob compressed alone."""


class DeltaEncoder:
    """Finds bases and makes deltas. `root_of` for one thread, `encode` for any."""

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

    def root_of(self, blob_id: BlobId) -> bytes | None:
        """Prefix of the whole blob that stands for this one as a base.

        It is the blob itself, or the base of the delta that it is stored as; None
        if that is not there, as far as is known.
        """
        location = self._index.find_listed(blob_id[:PREFIX_BYTES])
        if location is None:
            return None
        root = location.base or blob_id[:PREFIX_BYTES]
        return root if self._index.is_stored_whole(root) else None

    def encode(
        self, compressor: Compressor, kind: int, data: bytes, root: bytes
    ) -> bytes | None:
        """The delta of ``data`` against a base; None if it is not worth it.

        A base that cannot be read, or is not what its id says, is no reason to
        fail: then there is no delta.

        Raises:
            ChunkvaultError: the delta does not expand to ``data`` again.
        """
        base = self._load_base(kind, root)
        if base is None:
            return None
        delta = compressor.compress_delta(data, base)
        if len(delta) * _SMALL_SHARE > len(data):
            whole = compressor.compress(data)
            if len(delta) >= len(whole) * _WORTH:
                return None
        if self._extra_verify:
            _verify(delta, base, data)
        return delta

    def _load_base(self, kind: int, root: bytes) -> bytes | None:
        try:
            base = self._reader.load_base(root)
        except DamageError:
            return None
        # A delta against a base with a flipped bit would never expand again.
        if base is None or self._identify(kind, base)[:PREFIX_BYTES] != root:
            return None
        return base


def _verify(delta: bytes, base: bytes, data: bytes) -> None:
    try:
        expanded = expand_delta(delta, base, len(data))
    except DamageError as error:
        raise faulty_machine() from error
    if expanded != data:
        raise faulty_machine()
