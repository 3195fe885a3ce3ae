"""Which chunk of a file's last version stood where a new chunk stands."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from chunkvault.errors import DamageError
from chunkvault.format.content import ChunkRef
from chunkvault.ids import BlobId

__all__ = ["BaseFinder"]

_AHEAD = 256
"""References looked at beyond the place: data that moved by up to some 16 MiB."""


class BaseFinder:
    """Goes through an old version of a file in step with the new one.

    Content that was inserted or removed shifts what follows; whenever a new chunk
    is one of the old ones nearby, the distance is known again. Holds a bounded
    number of references.
    """

    def __init__(self, refs: Iterator[ChunkRef]) -> None:
        self._refs = refs
        self._window: deque[tuple[int, int, BlobId | None]] = deque()
        self._places: dict[BlobId, int] = {}
        self._end = 0
        self._shift = 0

    def find(self, offset: int) -> BlobId | None:
        """The old chunk that covers what is now at ``offset``."""
        place = offset - self._shift
        self._forget_before(place)
        self._look_ahead()
        for start, end, blob_id in self._window:
            if start <= place < end:
                return blob_id
        return None

    def saved(self, offset: int, blob_id: BlobId) -> None:
        """A chunk of the new version that begins at ``offset``."""
        place = self._places.get(blob_id)
        if place is not None:
            self._shift = offset - place

    def _forget_before(self, place: int) -> None:
        # One chunk behind stays: the next match may shift back by a little.
        while len(self._window) > 1 and self._window[1][1] <= place:
            start, _, blob_id = self._window.popleft()
            if blob_id is not None and self._places.get(blob_id) == start:
                del self._places[blob_id]

    def _look_ahead(self) -> None:
        missing = _AHEAD - len(self._window)
        if missing < _AHEAD // 2:
            return
        try:
            for length, blob_id in islice(self._refs, missing):
                self._window.append((self._end, self._end + length, blob_id))
                if blob_id is not None:
                    self._places[blob_id] = self._end
                self._end += length
        except DamageError:
            self._refs = iter(())  # without the old version there are no bases
