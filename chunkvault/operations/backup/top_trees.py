"""The directories of a snapshot that are most often on the way, for its hints."""

from heapq import heappop, heappush

from chunkvault.ids import BlobId

__all__ = ["TopTrees"]

_KEPT = 48


class TopTrees:
    """Keeps some trees: those with the most entries below them.

    Whoever wants one of the entries wants these first. Nothing has more below it
    than what it stands in, so the ways from the root are whole.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, BlobId]] = []
        self._count = 0

    def add(self, path: bytes, tree: BlobId | None, entries: int) -> None:
        """The tree of the directory at a path, with so many entries below it."""
        if tree is None:
            return
        self._count += 1
        depth = path.count(b"/") if path != b"/" else 0
        heappush(self._heap, (entries, -depth, -self._count, tree))
        if len(self._heap) > _KEPT:
            heappop(self._heap)

    def ids(self) -> tuple[BlobId, ...]:
        """Most entries first, the root before all."""
        return tuple(tree for *_, tree in sorted(self._heap, reverse=True))
