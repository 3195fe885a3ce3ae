"""Import an archive: every backup set becomes a snapshot, oldest first.

Set k is the state of set k-1 and its changes, so that the length of a chain costs
neither memory nor open files. The state before is the snapshot that was made of the
set before. So an import that was interrupted goes on with the set it was at, and one
that is repeated adds only what is new.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from chunkvault.duplicity.archive_opening import require_sets, unlock
from chunkvault.duplicity.archive_reader import ArchiveReader
from chunkvault.duplicity.chains import ArchiveListing, BackupSet, Chain, sort_files
from chunkvault.duplicity.folder import ArchiveFolder
from chunkvault.duplicity.gpg import Gpg
from chunkvault.duplicity.gpg_status import NotSigned
from chunkvault.duplicity.import_records import (
    ImportCounts,
    ImportOptions,
    ImportSummary,
    summarize,
)
from chunkvault.duplicity.import_set import utc
from chunkvault.duplicity.imported import ImportedSets, set_name
from chunkvault.duplicity.manifest import Manifest
from chunkvault.duplicity.names import parse_name
from chunkvault.duplicity.set_snapshot import Origin, SetSnapshots
from chunkvault.duplicity.set_volumes import missing_volumes
from chunkvault.duplicity.snapshot_root import folder_path
from chunkvault.errors import DamageError, FormatError
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.report import Problem, Progress, Reporter
from chunkvault.repository import Repository

__all__ = ["import_archive"]


@dataclass(slots=True)
class _State:
    """How far a chain has been imported.

    Attributes:
        chain: the sets, oldest first.
        origin: of the first set; the others have the same as a rule.
        newest: the snapshot of the set that was visited last.
        is_broken: a set is missing, so that the next one has nothing to build on.
    """

    chain: Chain
    origin: Origin | None = None
    newest: StoredSnapshot | None = None
    is_broken: bool = False


def import_archive(
    repository: Repository,
    folder: ArchiveFolder,
    gpg: Gpg,
    options: ImportOptions,
    reporter: Reporter,
    *,
    ask: Callable[[], bytes] | None = None,
) -> ImportSummary:
    """Make a snapshot of every backup set that is not in the repository yet.

    What is damaged or missing costs what is in it: it is told to the reporter,
    and the rest is imported.

    Args:
        repository: where to.
        folder: the archive.
        gpg: decrypts it.
        options: which, and as what.
        reporter: told about progress and losses.
        ask: asks for the passphrase when it is known to be needed.

    Raises:
        WrongKey: the passphrase or key does not fit; sets before are imported.
        ChunkvaultError: there is no archive.
        BackendError: the repository or the archive does not answer.
    """
    sizes = {entry.name: entry.size for entry in folder.list()}
    listing = sort_files(sizes, options.prefixes)
    require_sets(listing, folder)
    progress = Progress("import")
    counts = ImportCounts()

    def add_bytes(count: int) -> None:
        counts.read_bytes += count
        progress.done_bytes += count

    archive = ArchiveReader(folder, gpg, ask, add_bytes)
    unlock(archive, listing, options.prefixes)  # before there is a bar on the terminal
    reporter.begin(progress)
    try:
        job = _Import(repository, archive, options, reporter, progress, counts)
        job.run(listing, sizes)
    finally:
        reporter.end()
    return summarize(counts)


class _Import:
    """One run of an import."""

    def __init__(
        self,
        repository: Repository,
        archive: ArchiveReader,
        options: ImportOptions,
        reporter: Reporter,
        progress: Progress,
        counts: ImportCounts,
    ) -> None:
        self._repository = repository
        self._archive = archive
        self._options = options
        self._reporter = reporter
        self._progress = progress
        self._counts = counts
        self._imported = ImportedSets(repository)
        self._snapshots = SetSnapshots(
            repository, archive, options, reporter, progress, counts
        )

    def run(self, listing: ArchiveListing, sizes: dict[str, int]) -> None:
        """Import what is new, in the order of time."""
        self._tell_leftovers(listing)
        self._progress.total_bytes = sum(
            sizes[name] for one in listing.sets for name in one.volumes.values()
        )
        states = [_State(chain) for chain in listing.chains]
        visits = [
            (one.end, place)
            for place, state in enumerate(states)
            for one in state.chain.sets
        ]
        waiting = [iter(state.chain.sets) for state in states]
        for _, place in sorted(visits):
            one = next(waiting[place])
            if not self._visit(states[place], one):
                skipped = sum(sizes[name] for name in one.volumes.values())
                self._progress.total_bytes -= skipped

    def _visit(self, state: _State, one: BackupSet) -> bool:
        """Import a set, or tell why not; whether its volumes were read."""
        if self._is_known(state, state.origin, one):
            return False
        try:
            manifest = self._read_manifest(one)
            origin = self._origin(manifest)
        except DamageError as error:
            self._give_up(state, one, error)
            return False
        self._compare_origin(state, one, origin)
        if self._is_known(state, origin, one) or self._is_ours(state, origin, manifest):
            return False
        if state.is_broken:
            self._break(state, one, "what it builds on could not be read")
            return False
        if self._options.dry_run:
            self._look_at(one, manifest)
            return False
        try:
            state.newest = self._snapshots.make(one, manifest, origin, state.newest)
        except NotSigned as error:
            self._give_up(state, one, error)
        return True

    def _is_known(self, state: _State, origin: Origin | None, one: BackupSet) -> bool:
        """Whether the set was imported before."""
        known = origin and self._imported.find(one, origin.host, origin.folder)
        return self._take_over(state, known)

    def _is_ours(self, state: _State, origin: Origin, manifest: Manifest) -> bool:
        """Whether the set was exported from this repository."""
        known = self._imported.find_origin(
            manifest.snapshot, origin.host, origin.folder
        )
        return self._take_over(state, known)

    def _take_over(self, state: _State, known: StoredSnapshot | None) -> bool:
        if known is None:
            return False
        self._counts.known += 1
        state.newest = known
        state.is_broken = False
        return True

    def _read_manifest(self, one: BackupSet) -> Manifest:
        name = one.manifest or ""
        parsed = parse_name(name, self._options.prefixes)
        assert parsed is not None, "sets without a manifest were left out"
        manifest = self._archive.read_manifest(name, parsed)
        if not manifest.volumes:
            raise FormatError(f"{name} names no volumes", object_name=name)
        return manifest

    def _origin(self, manifest: Manifest) -> Origin:
        options = self._options
        host = options.host
        if host is None and manifest.host is not None:
            host = manifest.host.decode("utf-8", "surrogateescape")
        folder = options.folder
        if folder is None:
            folder = folder_path(manifest.folder)
        return Origin(host or options.default_host, folder)

    def _compare_origin(self, state: _State, one: BackupSet, origin: Origin) -> None:
        """Tell of a set that is of something else than its chain says it is.

        Either duplicity was told to go on nevertheless (--allow-source-mismatch), or
        the manifest is damaged: one for all to read has nothing to show that by.
        """
        if state.origin is not None and origin != state.origin:
            text = (
                f"backup of {utc(one.end)} is of another machine or folder than the"
                f" one before: {origin.host}:{os.fsdecode(origin.folder)}"
            )
            self._reporter.problem(
                Problem(b"", text, is_failure=False, object_name=one.manifest or "")
            )
        state.origin = origin

    def _look_at(self, one: BackupSet, manifest: Manifest) -> None:
        """What a dry run finds out about a set."""
        self._counts.imported += 1
        self._reporter.entry("import", set_name(one).encode())
        for number in missing_volumes(one, manifest):
            self._counts.damaged += 1
            text = f"backup of {utc(one.end)}: volume {number} is missing"
            self._reporter.problem(Problem(b"", text))

    def _tell_leftovers(self, listing: ArchiveListing) -> None:
        for one in listing.incomplete:
            self._skip(one, "it has no manifest: the backup was not finished")
        for one in listing.orphaned:
            self._skip(one, "the backup that it builds on is missing")
        for name in (*listing.doubled, *listing.strays):
            text = f"{name} is not used: another file has its place"
            if name in listing.strays:
                text = f"{name} is not used: duplicity writes no such name"
            self._reporter.problem(Problem(b"", text, is_failure=False))

    def _break(
        self, state: _State, one: BackupSet, reason: str, file_name: str = ""
    ) -> None:
        state.is_broken = True
        self._skip(one, reason, file_name)

    def _give_up(self, state: _State, one: BackupSet, error: DamageError) -> None:
        """Nothing of the set can be used."""
        if isinstance(error, NotSigned):
            self._counts.refused += 1
        else:
            self._counts.damaged += 1
        self._break(state, one, str(error), error.object_name)

    def _skip(self, one: BackupSet, reason: str, file_name: str = "") -> None:
        self._counts.skipped += 1
        kind = "full" if one.is_full else "incremental"
        text = f"{kind} backup of {utc(one.end)} is not imported: {reason}"
        self._reporter.problem(Problem(b"", text, object_name=file_name))
