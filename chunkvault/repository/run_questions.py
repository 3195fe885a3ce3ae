"""What one index run is asked: where is a blob, which volumes are missing.

And which run is best asked first.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from chunkvault.backends.base import ObjectInfo
from chunkvault.errors import DamageError
from chunkvault.format import names
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
    stay together, and so on back; then the largest, which knows most; then what
    is read in one request, and the others, of which each takes two.
    """

    def __init__(self) -> None:
        self._hits: Counter[str] = Counter()
        self._changes = 0
        self._last: StoredRun | None = None
        self._order: tuple[Sequence[StoredRun], list[StoredRun]] | None = None

    def note_hit(self, run: StoredRun) -> None:
        """This one knew a blob."""
        if run is not self._last:
            self._last, self._order = run, None
            self._changes += 1
            self._hits[run.name] = self._changes

    def likeliest(self, runs: Sequence[StoredRun]) -> list[StoredRun]:
        """The runs in their order; they come the largest first."""
        if self._order is None or self._order[0] != runs:
            self._order = runs, sorted(runs, key=partial(self._rank, runs[:1]))
        return self._order[1]

    def _rank(
        self, largest: Sequence[StoredRun], run: StoredRun
    ) -> tuple[bool, int, bool, bool]:
        hit = self._hits[run.name]
        return not run.is_at_hand, -hit, run not in largest, not run.is_short


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
