"""Second question: are the volumes what was stored?"""

from contextlib import closing
from math import ceil

from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.names import volume_name
from chunkvault.ids import VolumeId
from chunkvault.operations.check.ledger import Ledger
from chunkvault.operations.check.records import CheckOptions
from chunkvault.report import Progress
from chunkvault.repository import Repository
from chunkvault.workers import map_ordered

__all__ = ["choose_volumes", "read_volumes"]


def read_volumes(
    repository: Repository,
    ledger: Ledger,
    wanted: frozenset[VolumeId],
    progress: Progress,
) -> frozenset[bytes]:
    """Read volumes whole; counts them as files of ``progress``.

    Returns:
        The ids of those in which anything is not as it was stored.
    """
    damaged = set()
    volumes = (one for one in repository.volumes() if one.volume_id in wanted)
    threads = repository.connections

    def read(volume: VolumeRecord) -> tuple[VolumeRecord, bool]:
        progress.current = volume_name(volume.kind, volume.volume_id).encode()
        return volume, not repository.verify_volume(volume)

    with closing(map_ordered(read, volumes, threads, max(threads, 1))) as done:
        for volume, is_intact in done:
            if not is_intact and not _is_intact(repository, ledger, volume):
                damaged.add(volume.volume_id)
            progress.done_files += 1
            progress.done_bytes += volume.size
    return frozenset(damaged)


def choose_volumes(
    repository: Repository, options: CheckOptions, missing: frozenset[bytes]
) -> tuple[frozenset[VolumeId], int]:
    """Which volumes to read, and their bytes; those known to be missing not again.

    A part is a run in the order of the ids, round the end, that begins where
    ``subset_start`` says: who moves that on by the part's size reads everything
    in turn, without keeping a record of what was read.
    """
    if not options.read_data and options.read_data_subset is None:
        return frozenset(), 0
    sizes = {
        volume.volume_id: volume.size
        for volume in repository.volumes()
        if volume.volume_id not in missing
    }
    part = 1.0 if options.read_data_subset is None else options.read_data_subset
    ordered = sorted(sizes)
    count = min(len(ordered), ceil(len(ordered) * part))
    first = int(len(ordered) * (options.subset_start % 1.0))
    chosen = [*ordered, *ordered][first : first + count]
    return frozenset(chosen), sum(sizes[volume] for volume in chosen)


def _is_intact(repository: Repository, ledger: Ledger, volume: VolumeRecord) -> bool:
    """Read a volume again: a bad cable shows as damage that is gone then."""
    name = volume_name(volume.kind, volume.volume_id)
    found = repository.verify_volume(volume)
    for error in found:
        ledger.damaged(error.object_name or name, str(error))
    return not found
