"""What one index run is asked: where is a blob, which volumes are missing.

And which run is best asked first.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from chunkvault.backends.base import ObjectInfo
from chunkvault.errors import DamageError
from chunkvault.format import names
from chunkvault.format.blob import BlobKind
from chunkvault.repository.locations import BlobLocation
from chunkvault.repository.stored_run import StoredRun

__all__ = [
    "RunOrder",
    "compare_volumes",
    "digits_to_list",
    "length_rank",
    "locate_blob",
]

_FEW_VOLUMES = 1000
"""So many names are one page of a listing at most stores."""


def locate_blob(run: StoredRun, prefix: bytes) -> Sequence[BlobLocation]:
    """Every place of a blob that a run knows.

    Raises:
        DamageError: the run names a frame that its volume does not have.
    """
    locations = []
    for row in run.find(prefix):
        frames = run.frames(row.volume)
        if row.frame >= len(frames):
            raise DamageError(
                f"index run {run.name} names a frame that is not there",
                object_name=run.name,
            )
        location = (row.offset, row.length, row.plain_length, row.base)
        locations.append(BlobLocation(frames[row.frame], *location))
    return locations


class RunOrder:
    """The order in which it is best to ask the runs for one blob.

    Those that cost nothing, then the one that knew the last blob, since files
    stay together, and so on back. Then, for a chunk, the largest, which knows most.
    Then those that are read in one request and were there, probably, when the
    snapshot that is read was taken; the large ones, of which each answer takes
    two; at last those that are newer.
    """

    def __init__(self) -> None:
        self._hits: Counter[str] = Counter()
        self._changes = 0
        self._last: StoredRun | None = None
        self._newer = 0.0
        self._orders: dict[int, tuple[Sequence[StoredRun], list[StoredRun]]] = {}

    def note_hit(self, run: StoredRun) -> None:
        """This one knew a blob."""
        if run is not self._last:
            self._last, self._orders = run, {}
            self._changes += 1
            self._hits[run.name] = self._changes

    def note_age(self, newer: float) -> None:
        """Of all snapshots this share is newer than the one that is read."""
        self._newer, self._orders = newer, {}

    def likeliest(
        self, runs: Sequence[StoredRun], kind: int = 0
    ) -> Sequence[StoredRun]:
        """The runs, which come the largest first, in their order for this kind."""
        known = self._orders.get(kind)
        if known is None or known[0] != runs:
            known = self._orders[kind] = runs, self._ordered(runs, kind)
        return known[1]

    def _ordered(self, runs: Sequence[StoredRun], kind: int) -> list[StoredRun]:
        order = _by_age(runs, self._newer)
        if kind != BlobKind.TREE:
            order.sort(key=lambda run: run not in runs[:1])
        return sorted(
            order, key=lambda one: (not one.is_at_hand, -self._hits[one.name])
        )


def _by_age(runs: Sequence[StoredRun], newer: float) -> list[StoredRun]:
    """Short ones, long ones, short ones of sessions after the snapshot that is read.

    Merging leaves runs the longer the older they are: if of all snapshots this share
    is newer than that one, so is the same share of the rows, those of the first
    backup aside, which the longest has.
    """
    short = [run for run in runs[1:] if run.is_short]
    long = [run for run in runs if run not in short]
    ends = accumulate(run.size for run in reversed(short))
    bound = newer * sum(run.size for run in short)
    split = max(sum(end > bound for end in ends), 1)
    return short[:split] + long + short[split:][::-1]


def compare_volumes(
    run: StoredRun, present: dict[str, int], lot: str
) -> tuple[frozenset[str], frozenset[bytes]]:
    """Which of the volumes that are present the run lists, and which it misses."""
    known, gone = set(), set()
    for volume_id, kind, size in run.volume_sizes():
        if lot and not volume_id.hex().startswith(lot):
            continue
        name = names.volume_name(kind, volume_id)
        if name in present:
            known.add(name)
        if present.get(name) != size:
            gone.add(volume_id)
    return frozenset(known), frozenset(gone)


def digits_to_list(volumes: int) -> int:
    """How many first digits of a name leave about a page of so many volumes."""
    digits = 0
    while volumes > _FEW_VOLUMES << 4 * digits and digits < 2:
        digits += 1
    return digits


def length_rank(info: ObjectInfo | StoredRun) -> tuple[bool, int]:
    """What sorts runs by length: long ones have most of it in other objects."""
    return info.name.startswith(names.LONG_INDEX), info.size
