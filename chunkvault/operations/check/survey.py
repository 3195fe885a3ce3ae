"""Which chunks need a closer look? All are compared with the index in its own order.

Ids are random: to look chunks up one after the other reads a block of the index for
each, 300 µs where the index is larger than memory. Here two million are collected
and sorted; then every block is read once for all of them, a few µs for each.
"""

from chunkvault.errors import DamageError, ObjectNotFound
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.ids import BlobId
from chunkvault.operations.check.sieve import Sieve, split_prefixes

__all__ = ["ChunkSurvey"]

_BATCH = 2 << 20
"""Prefixes that are collected before they are looked for: 40 MB."""

_MAX_DOUBTFUL = 200_000
"""So many are remembered, in 20 MB; if there are more, all are doubtful."""


class ChunkSurvey:
    """Collects chunks and trees, and says which need a closer look.

    The others are where the index says, as far as that can be told without reading
    them: in a volume that is there, and if they are deltas, so are their bases,
    which are no deltas. Memory stays flat.
    """

    def __init__(self, sieve: Sieve) -> None:
        self._sieve = sieve
        # By the first byte, so that few are sorted and compared at a time.
        self._collected = [bytearray() for _ in range(256)]
        self._pairs = [bytearray() for _ in range(256)]  # a base, its delta
        self._count = 0
        self._doubtful: set[bytes] = set()
        self._doubts_all = False

    def fault_of(self, chunk: BlobId) -> None:
        """Collect a chunk; nothing is known against it yet."""
        self._collected[chunk[0]] += chunk[:PREFIX_BYTES]
        self._count += 1
        if self._count >= _BATCH:
            self._look_up()

    note_tree = fault_of

    def finish(self) -> bool:
        """Look up what is left; whether anything needs a closer look."""
        while self._count or any(self._pairs):
            self._look_up()
        return self._doubts_all or bool(self._doubtful)

    def is_doubtful(self, chunk: BlobId) -> bool:
        """Whether a chunk that was collected needs a closer look."""
        return self._doubts_all or chunk[:PREFIX_BYTES] in self._doubtful

    def _look_up(self) -> None:
        """Look up what was collected, and the bases of deltas found the last time."""
        pairs, self._pairs = self._pairs, [bytearray() for _ in range(256)]
        self._count = 0
        for first in range(256):
            collected, self._collected[first] = self._collected[first], bytearray()
            if self._doubts_all or not (collected or pairs[first]):
                continue
            try:
                self._sift(set(split_prefixes(collected)), pairs[first])
            except (DamageError, ObjectNotFound):
                self._doubts_all = True  # one by one the index reads round it

    def _sift(self, chunks: set[bytes], pairs: bytearray) -> None:
        joined = split_prefixes(pairs)
        needs = set(joined[::2])
        unknown, bases = self._sieve.sift(chunks | needs)
        self._doubt(unknown & chunks)
        if bad := needs & (unknown | bases.keys()):
            of_bad = zip(joined[::2], joined[1::2], strict=True)
            self._doubt({delta for base, delta in of_bad if base in bad})
        for delta in chunks & bases.keys():
            base = bases[delta]
            self._pairs[base[0]] += base + delta

    def _doubt(self, prefixes: set[bytes]) -> None:
        self._doubtful |= prefixes
        self._doubts_all |= len(self._doubtful) > _MAX_DOUBTFUL
