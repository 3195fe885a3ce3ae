"""Which of many blobs does the index vouch for? Asked in the index's own order."""

from array import array
from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from chunkvault.errors import ObjectNotFound
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.index_blocks import BlobBlock
from chunkvault.repository import Repository, StoredRun

__all__ = ["Sieve", "Sifted", "split_prefixes"]

_ATTEMPTS = 3


class Sifted(NamedTuple):
    """What the index says of some blobs.

    Attributes:
        unknown: no run has them in a frame of a volume above suspicion.
        bases: of those that are deltas somewhere, by their own prefix.
    """

    unknown: set[bytes]
    bases: dict[bytes, bytes]


class Sieve:
    """Asks all runs about blobs that are near each other in their order."""

    def __init__(self, repository: Repository, suspected: frozenset[bytes]) -> None:
        """Read nothing yet.

        Args:
            repository: whose index is asked.
            suspected: ids of volumes that are missing, damaged, or in no run.
        """
        self._index = repository.index
        self._suspected = suspected
        self._runs: list[tuple[StoredRun, array[int]]] = []

    def sift(self, wanted: set[bytes]) -> Sifted:
        """Look for blobs by their prefixes; every block between them is read once.

        Raises:
            DamageError: a run cannot be read.
            ObjectNotFound: runs vanish faster than they can be read.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._sift(wanted)
            except ObjectNotFound:
                # A backup has just merged it with others: they say the same.
                self._index.refresh()
                self._runs = []
        return self._sift(wanted)

    def _sift(self, wanted: set[bytes]) -> Sifted:
        self._runs = self._runs or [
            (run, self._frame_counts(run)) for run in self._index.runs
        ]
        sifted = Sifted(set(wanted), {})
        for run, frame_counts in self._runs:
            if sifted.unknown:
                _ask(run, frame_counts, sifted)
        return sifted

    def _frame_counts(self, run: StoredRun) -> "array[int]":
        """How many frames each volume has to offer: a suspected one has none."""
        counts = (
            0 if volume.volume_id in self._suspected else len(volume.frames)
            for volume in run.volumes()
        )
        return array("I", counts)


def split_prefixes(joined: bytes | bytearray) -> Sequence[bytes]:
    """Prefixes that stand in ``joined`` one after the other."""
    count = len(joined) // PREFIX_BYTES
    return Struct(f"{PREFIX_BYTES}s" * count).unpack(joined)


def _ask(run: StoredRun, frame_counts: Sequence[int], sifted: Sifted) -> None:
    """Take out of the unknown what a run vouches for."""
    unknown, bases = sifted
    for block in run.blocks_between(min(unknown), max(unknown)):
        prefixes = split_prefixes(block.prefixes)
        numbers = dict(zip(prefixes, range(len(prefixes)), strict=True))
        for prefix in unknown.intersection(numbers):
            number = numbers[prefix]
            if _is_sound(block, number, frame_counts):
                unknown.remove(prefix)
            if number in block.deltas:
                bases[prefix] = block.deltas[number][0]


def _is_sound(block: BlobBlock, number: int, frame_counts: Sequence[int]) -> bool:
    volume = block.volumes[number]
    return volume < len(frame_counts) and block.frames[number] < frame_counts[volume]
