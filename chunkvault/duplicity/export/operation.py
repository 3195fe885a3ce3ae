"""The whole export: look at the archive, plan, write set after set.

Each snapshot becomes a backup set: the first one a full set, the others what differs
from the snapshot before. Trees that are equal are skipped by their ids, changed files
go out as deltas made of chunk lists, and only chunks that are new are read.
"""

from chunkvault.duplicity.export.archive_state import ArchiveFiles, ArchiveState
from chunkvault.duplicity.export.archive_writer import ArchiveWriter
from chunkvault.duplicity.export.changes import OldTreeUnreadableError
from chunkvault.duplicity.export.late_signatures import (
    unsigned_set,
    write_signatures,
)
from chunkvault.duplicity.export.origins import SetOrigins
from chunkvault.duplicity.export.plan import Plan, SetPlan, find_snapshot, make_plan
from chunkvault.duplicity.export.records import (
    Counts,
    ExportOptions,
    ExportSummary,
    summarize,
)
from chunkvault.duplicity.export.set_export import SetExport
from chunkvault.duplicity.export.set_writer import SetWriter
from chunkvault.duplicity.export.signature_writer import SetTimes, SignatureWriter
from chunkvault.duplicity.export.source import (
    folder_of,
    host_of,
    require_one_series,
)
from chunkvault.duplicity.folder import ArchiveFolder
from chunkvault.duplicity.gpg import Gpg
from chunkvault.duplicity.manifest import Manifest
from chunkvault.duplicity.names import format_set_time
from chunkvault.errors import ObjectExists
from chunkvault.report import Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["export_archive"]

_NS = 10**9
_MAX_LOST = 1000
_ROOT = (b".",)


def export_archive(
    repository: Repository,
    folder: ArchiveFolder,
    gpg: Gpg | None,
    options: ExportOptions,
    reporter: Reporter,
) -> ExportSummary:
    """Add snapshots to an archive of duplicity, which is made if it is not there.

    What is in the archive is never changed. A set is complete, with manifest and
    signatures, or is not there for duplicity; what an interrupted export left of
    one is removed by the next.

    Args:
        repository: where the snapshots are.
        folder: where the archive is.
        gpg: encrypts it; None for none.
        options: which snapshots, and how.
        reporter: is told of what cannot be read, and of every path if asked for.

    Raises:
        UsageError: the snapshots are not all of one source, or gpg is not there.
        SafetyStop: the archive is of another source, or broken for duplicity.
        RepositoryBusy: another export is writing to it.
        WrongKey: the passphrase is another one than that of the archive.
        BackendError: the folder cannot be read or written.
        DamageError: a snapshot's root cannot be read.
    """
    require_one_series(options.snapshots)
    export = _Export(repository, folder, gpg, options, reporter)
    if options.dry_run:
        return export.run()
    with folder.lock():
        return export.run()


class _Export:
    def __init__(
        self,
        repository: Repository,
        folder: ArchiveFolder,
        gpg: Gpg | None,
        options: ExportOptions,
        reporter: Reporter,
    ) -> None:
        self._repository = repository
        self._folder = folder
        self._gpg = gpg
        self._options = options
        self._reporter = reporter
        self._files = ArchiveFiles(folder, gpg, options.prefixes)
        self._archive = ArchiveWriter(
            folder, gpg, compress=options.compress, prefixes=options.prefixes
        )
        self._trees = TreeReader(repository.reader)
        self._counts = Counts()
        self._origins = SetOrigins()
        self._lost: set[bytes] = set()
        self._is_unsure = False

    def run(self) -> ExportSummary:
        state = self._files.read_state()
        self._origins = state.origins
        if state.manifest is not None:
            self._lost.update(state.manifest.lost)
        self._add_signatures(state)
        plan = make_plan(
            self._repository,
            self._trees,
            state,
            self._options,
            is_encrypted=self._gpg is not None,
        )
        self._counts.sets_present = plan.present
        self._counts.sets_too_old = plan.too_old
        self._counts.not_continued = plan.not_continued
        if not self._options.dry_run:
            self._clean_up(state, plan)
        progress = Progress("export", total_bytes=_expected_bytes(plan))
        self._reporter.begin(progress)
        try:
            for one in plan.sets:
                self._write_set(one, progress)
        finally:
            self._reporter.end()
        return summarize(self._counts)

    def _add_signatures(self, state: ArchiveState) -> None:
        """Complete an increment whose export was killed when that was all it lacked."""
        one = unsigned_set(state.chain)
        if one is None or one.start is None:
            return
        ids = (state.origins.at(one.start), state.origins.at(one.end))
        old, new = (find_snapshot(self._repository, one) for one in ids)
        if old is None or new is None:
            return
        times = SetTimes(one.start, one.end)
        if self._options.dry_run:
            one.signatures = "is going to be written"
            return
        with SignatureWriter(self._archive, times) as writer:
            if write_signatures(writer, self._trees, (old, new), self._lost):
                one.signatures = "is written"

    def _clean_up(self, state: ArchiveState, plan: Plan) -> None:
        """Remove what interrupted exports of these snapshots left.

        Only sets without a manifest, at times that nobody but an export of these
        very snapshots would have chosen. Others are duplicity's to clean up.
        """
        self._counts.leftovers += self._folder.remove_leftovers()
        ours = {one.times.end for one in plan.sets} | self._known_seconds()
        for incomplete in state.listing.incomplete:
            if incomplete.end in ours:
                times = SetTimes(incomplete.start, incomplete.end)
                self._counts.leftovers += self._files.remove_set(times)
        self._files.remove_stale_markers(state.listing)

    def _known_seconds(self) -> set[int]:
        snapshots = self._options.snapshots
        if not snapshots:
            return set()
        one = snapshots[0].snapshot
        tag = self._repository.snapshot_tag(one.host, one.paths)
        names = self._repository.list_snapshots()
        return {name.time_ns // _NS for name in names if name.tag == tag}

    def _write_set(self, plan: SetPlan, progress: Progress) -> None:
        # Where nobody can tell what has changed, a full set tells what there is.
        full = SetPlan(plan.stored, SetTimes(None, plan.times.end), None)
        try:
            self._try_set(full if self._is_unsure else plan, progress)
        except OldTreeUnreadableError:
            self._try_set(full, progress)

    def _try_set(self, plan: SetPlan, progress: Progress) -> None:
        lost = set() if plan.base is None else self._lost
        export = SetExport(
            self._repository.reader,
            self._trees,
            plan,
            lost,
            (self._reporter, progress, self._options.list_entries),
        )
        if self._options.dry_run:
            export.run(None)
        else:
            self._write(plan, export)
        self._lost, self._is_unsure = export.lost, export.is_unsure
        self._origins.add(plan.times.end, plan.stored.snapshot_id)
        self._count(plan, export)

    def _write(self, plan: SetPlan, export: SetExport) -> None:
        writer = SetWriter(
            self._archive, plan.times, volume_bytes=self._options.volume_bytes
        )
        try:
            with writer:
                export.run(writer)
                if self._needs_marker:
                    snapshot_id = plan.stored.snapshot_id
                    self._files.add_marker(plan.times.end, snapshot_id)
                writer.finish(self._manifest(plan, export))
        except ObjectExists:
            raise  # somebody else writes this set, and his files stay
        except BaseException:
            self._files.remove_set(plan.times)
            snapshot_id = plan.stored.snapshot_id
            self._files.remove_marker(plan.times.end, snapshot_id)
            raise
        self._counts.stored_bytes += writer.stored_bytes
        self._counts.volumes += len(writer.volumes)

    @property
    def _needs_marker(self) -> bool:
        if self._gpg is None:
            return False
        options = self._gpg.options
        return bool(options.recipients or options.hidden_recipients)

    def _manifest(self, plan: SetPlan, export: SetExport) -> Manifest:
        snapshot = plan.stored.snapshot
        lost = tuple(sorted(export.lost))
        if export.is_unsure or len(lost) > _MAX_LOST:
            lost = _ROOT
        return Manifest(
            host=host_of(snapshot),
            folder=folder_of(self._trees, snapshot),
            snapshot=plan.stored.snapshot_id,
            earlier=self._origins.latest(),
            lost=lost,
        )

    def _count(self, plan: SetPlan, export: SetExport) -> None:
        counts = self._counts
        if plan.base is None:
            counts.sets_full += 1
        else:
            counts.sets_incremental += 1
        counts.sets.append(format_set_time(plan.times.end))
        export.add_to(counts)


def _expected_bytes(plan: Plan) -> int | None:
    """What full sets will read; increments cannot be known, and are small."""
    fulls = [one.stored.snapshot for one in plan.sets if one.base is None]
    return sum(one.totals.bytes for one in fulls) or None
