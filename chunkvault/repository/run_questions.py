"""What one index run is asked: where is a blob, which volumes are missing.

And which run is best asked first.
"""

from collections.abc import Mapping, Sequence

from chunkvault.errors import DamageError
from chunkvault.format import names
from chunkvault.repository.locations import BlobLocation
from chunkvault.repository.stored_run import StoredRun

__all__ = ["compare_volumes", "digits_to_list", "likeliest", "locate_blob"]

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


def likeliest(runs: Sequence[StoredRun], hits: Mapping[str, int]) -> list[StoredRun]:
    """The runs in the order in which it is best to ask them for one blob.

    Those that cost nothing, then the one that knew the last blob, since files
    stay together, and so on back; then the largest, which knows most; then what
    is read in one request, and the others, of which each takes two.

    Args:
        runs: the largest first.
        hits: when each last knew something, later numbers being greater.
    """
    largest = runs[0] if runs else None

    def rank(run: StoredRun) -> tuple[bool, int, bool, bool]:
        hit = hits.get(run.name, 0)
        return not run.is_at_hand, -hit, run is not largest, not run.is_short

    return sorted(runs, key=rank)


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
