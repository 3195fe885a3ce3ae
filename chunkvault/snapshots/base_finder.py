"""Which chunk of a file's last version stood where a new chunk stands."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from chunkvault.errors import DamageError
from chunkvault.format.content import ChunkRef, ListRef
from chunkvault.ids import BlobId

__all__ = ["BaseFinder"]

_AHEAD = 256
"""References looked at beyond the place: data that moved by up to some 16 MiB."""

_LISTS = 64
"""Content lists remembered, of those that list chunks and of the others each."""

_Span = tuple[int, int, BlobId | None]


class BaseFinder:
    """Goes through an old version of a file in step with the new one.

    Content that was inserted or removed shifts what follows; whenever a new chunk
    is one of the old ones nearby, the distance is known again. Holds a bounded
    number of references.

    Args:
        open_refs: gives the references of the old version, and tells of each
            content list before its first one.
    """

    def __init__(
        self, open_refs: Callable[[Callable[[ListRef], None]], Iterator[ChunkRef]]
    ) -> None:
        self._window: deque[_Span] = deque()
        self._places: dict[BlobId, int] = {}
        self._lists: dict[bool, deque[_Span]] = {
            is_leaf: deque(maxlen=_LISTS) for is_leaf in (True, False)
        }
        self._end = 0
        self._shift = 0
        self._is_over = False
        self._refs = open_refs(self._note_list)

    def find(self, offset: int, length: int = 1) -> BlobId | None:
        """The old chunk that had most of what is now at ``offset``."""
        place = offset - self._shift
        self._forget_before(place)
        self._look_ahead()
        found, most = None, 0
        for start, end, blob_id in self._window:
            if start >= place + length:
                break
            common = min(end, place + length) - max(start, place)
            if common > most and blob_id is not None:
                found, most = blob_id, common
        return found

    def find_list(self, offset: int, length: int, *, is_leaf: bool) -> BlobId | None:
        """The old content list of about the same range of the file."""
        start = offset - self._shift
        end = start + length
        spans = self._lists[is_leaf]
        nearest = min(
            spans,
            key=lambda span: abs(span[0] - start) + abs(span[1] - end),
            default=None,
        )
        return None if nearest is None else nearest[2]

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
        if missing < _AHEAD // 2 or self._is_over:
            return
        before = self._end
        try:
            for length, blob_id in islice(self._refs, missing):
                self._window.append((self._end, self._end + length, blob_id))
                if blob_id is not None:
                    self._places[blob_id] = self._end
                self._end += length
        except DamageError:
            self._refs = iter(())  # without the old version there are no bases
        self._is_over = self._end == before

    def _note_list(self, noted: ListRef) -> None:
        span = (self._end, self._end + noted.length, noted.blob_id)
        self._lists[noted.is_leaf].append(span)
