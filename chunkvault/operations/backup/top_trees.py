"""The directories nearest to the root of a snapshot, for its hints."""

from heapq import heappop, heappush

from chunkvault.ids import BlobId

__all__ = ["TopTrees"]

_KEPT = 48


class TopTrees:
    """Keeps some trees, those with the shortest paths."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, BlobId]] = []
        self._count = 0

    def add(self, path: bytes, tree: BlobId | None) -> None:
        """The tree of the directory at a path."""
        if tree is None:
            return
        self._count += 1
        depth = path.count(b"/") if path != b"/" else 0
        heappush(self._heap, (-depth, -self._count, tree))
        if len(self._heap) > _KEPT:
            heappop(self._heap)

    def ids(self) -> tuple[BlobId, ...]:
        """Shortest paths first."""
        return tuple(tree for _, _, tree in sorted(self._heap, reverse=True))
