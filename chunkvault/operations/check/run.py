"""The check as a whole: three questions, one summary."""

from chunkvault.format import names
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import VolumeId
from chunkvault.operations.check.chunks import ChunkJudge
from chunkvault.operations.check.data import choose_volumes, read_volumes
from chunkvault.operations.check.ledger import Ledger
from chunkvault.operations.check.objects import (
    ObjectsFound,
    check_objects,
    load_snapshots,
    snapshots_gone,
)
from chunkvault.operations.check.records import CheckOptions, CheckSummary
from chunkvault.operations.check.sieve import Sieve
from chunkvault.operations.check.structure import StructureCheck
from chunkvault.operations.check.survey import ChunkSurvey
from chunkvault.report import Progress, Reporter, SilentReporter
from chunkvault.repository import Repository

__all__ = ["check"]


def check(
    repository: Repository, options: CheckOptions, reporter: Reporter
) -> CheckSummary:
    """Look for damage, and for the files and snapshots that suffer from it.

    Everything is looked at whatever is found. The repository should have been
    opened without a cache: what a local copy can still give is not on the
    backend for certain. Memory does not grow with the data, only by some bytes
    for each distinct directory.
    """
    ledger = Ledger(reporter)
    found = check_objects(repository, ledger)
    snapshots = load_snapshots(repository, ledger)
    gone = snapshots_gone(repository, options.remembered)
    chosen, read_bytes = choose_volumes(repository, options, found.missing)
    damaged = _read(repository, ledger, reporter, (chosen, read_bytes))
    structure, files = _check_files(
        repository, ledger, reporter, snapshots, (found, damaged)
    )
    return CheckSummary(
        snapshots=len(snapshots),
        trees=structure.trees,
        files=files,
        chunks=structure.chunks,
        volumes=found.volumes,
        stored_bytes=found.stored_bytes,
        read_volumes=len(chosen),
        read_bytes=read_bytes,
        index_runs=found.index_runs,
        key_slots=found.key_slots,
        notes=tuple(ledger.notes),
        gone=gone,
        damage=ledger.damage(),
    )


def _tell_lost_runs(repository: Repository, ledger: Ledger, judge: ChunkJudge) -> None:
    """A snapshot is written after the runs that list what it needs.

    So a volume that snapshots need and no run lists means that a run was lost;
    unless a run is known to be damaged, which explains it.
    """
    broken = {problem.object_name for problem in repository.index.problems}
    if any(name.startswith(names.INDEX) for name in broken):
        return
    for name in sorted(judge.needed_unlisted):
        what = f"an index run is missing: none lists volume {name}"
        ledger.damaged(names.INDEX, f"{what}; the next backup lists it again")


def _read(
    repository: Repository,
    ledger: Ledger,
    reporter: Reporter,
    chosen: tuple[frozenset[VolumeId], int],
) -> frozenset[bytes]:
    if not chosen[0]:
        return frozenset()
    progress = Progress(
        task="read the volumes", total_files=len(chosen[0]), total_bytes=chosen[1]
    )
    reporter.begin(progress)
    try:
        return read_volumes(repository, ledger, chosen[0], progress)
    finally:
        reporter.end()


def _check_files(
    repository: Repository,
    ledger: Ledger,
    reporter: Reporter,
    snapshots: list[StoredSnapshot],
    doubts: tuple[ObjectsFound, frozenset[bytes]],
) -> tuple[StructureCheck, int]:
    """Walk all snapshots; where something is doubtful, again and with a closer look.

    Returns:
        The walk that counts, and how many files it has seen.
    """
    found, damaged = doubts
    broken = damaged | found.resized
    survey = ChunkSurvey(Sieve(repository, found.missing | broken | found.unlisted))
    first_look = Ledger(SilentReporter())
    progress = Progress(task="check the files")
    structure = StructureCheck(repository.reader, survey, first_look, progress)
    reporter.begin(progress)
    try:
        _walk(structure, snapshots)
        is_doubtful = survey.finish() or first_look.damage()
    finally:
        reporter.end()
    if is_doubtful:
        judge = ChunkJudge(repository, survey, found.missing, broken, found.unlisted)
        progress = Progress(task="find the files that suffer")
        structure = StructureCheck(repository.reader, judge, ledger, progress)
        reporter.begin(progress)
        try:
            _walk(structure, snapshots)
        finally:
            reporter.end()
        _tell_lost_runs(repository, ledger, judge)
    return structure, progress.done_files


def _walk(structure: StructureCheck, snapshots: list[StoredSnapshot]) -> None:
    for stored in snapshots:
        structure.check(stored)
