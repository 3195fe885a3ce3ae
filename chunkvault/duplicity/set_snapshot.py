"""Make a snapshot of one backup set: the state that it leads to, and what it says."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from chunkvault.duplicity.archive_reader import ArchiveReader
from chunkvault.duplicity.chains import BackupSet
from chunkvault.duplicity.entries import PlainStream, VolumeSource
from chunkvault.duplicity.import_records import (
    INCOMPLETE_TAG,
    ImportCounts,
    ImportOptions,
)
from chunkvault.duplicity.import_set import SetImport
from chunkvault.duplicity.imported import program_of, set_time_ns
from chunkvault.duplicity.manifest import Manifest
from chunkvault.duplicity.names import parse_name
from chunkvault.duplicity.set_attempts import SetParts, apply_set
from chunkvault.duplicity.set_volumes import set_volumes
from chunkvault.duplicity.snapshot_root import SetState, state_of, store_root, ways_to
from chunkvault.format.snapshot import Snapshot, StoredSnapshot, Totals
from chunkvault.report import Progress, Reporter
from chunkvault.repository import Repository, WriterTotals
from chunkvault.snapshots.tree_reader import TreeReader
from chunkvault.snapshots.tree_writer import BlobSink

__all__ = ["Origin", "SetSnapshots"]


class Origin(NamedTuple):
    """Of which machine and which folder a set is."""

    host: str
    folder: bytes


class SetSnapshots:
    """Makes them, one after the other.

    Args:
        repository: where to.
        archive: reads the files of the sets.
        options: what to write on the snapshots.
        reporter: told what is lost.
        progress: is added to.
        counts: are added to.
    """

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

    def make(
        self,
        one: BackupSet,
        manifest: Manifest,
        origin: Origin,
        before: StoredSnapshot | None,
    ) -> StoredSnapshot:
        """Store the state that a set leads to, and its snapshot.

        Args:
            one: the set.
            manifest: of it.
            origin: what it is of.
            before: the snapshot of the set that it builds on.

        Raises:
            NotSigned: a volume has not the signature that is asked for.
            WrongKey: the passphrase or key does not fit.
            BackendError: the repository or the archive does not answer.
        """
        with self._repository.writer(workers=self._options.workers) as sink:
            job = self._apply(one, manifest, origin, before, sink)
            after = job.finish()
            tree = store_root(sink, after.root, origin.folder)
        snapshot = Snapshot(
            time_ns=set_time_ns(one),
            host=origin.host,
            user=self._options.user,
            paths=(origin.folder,),
            tree=tree,
            parent=before and before.snapshot_id,
            tags=self._tags(before, is_whole=job.is_whole),
            program=program_of(one),
            excludes=(),
            totals=_totals(after, origin),
        )
        stored = self._repository.save_snapshot(snapshot)
        self._count(stored, sink.totals)
        return stored

    def _apply(
        self,
        one: BackupSet,
        manifest: Manifest,
        origin: Origin,
        before: StoredSnapshot | None,
        sink: BlobSink,
    ) -> SetImport:
        """What the set makes of the state before."""
        state = SetState(None, None)
        if before is not None:
            state = state_of(TreeReader(self._repository.reader), before.snapshot)
        volumes = partial(self._volumes, one, manifest)
        return apply_set(
            SetParts(volumes, self._signatures(one), manifest.lost),
            partial(self._start, one, origin, state, sink),
            self._counts,
            self._reporter,
            self._progress,
        )

    def _count(self, stored: StoredSnapshot, totals: WriterTotals) -> None:
        self._counts.imported += 1
        self._counts.added_bytes += totals.added_bytes
        self._counts.stored_bytes += totals.stored_bytes
        self._counts.snapshots.append(stored.object_name)

    def _start(
        self,
        one: BackupSet,
        origin: Origin,
        state: SetState,
        sink: BlobSink,
        counts: ImportCounts,
        reporter: Reporter,
    ) -> SetImport:
        return SetImport(
            self._repository,
            sink,
            state,
            counts,
            reporter,
            self._progress,
            time_s=one.end,
            prefix=origin.folder,
            list_entries=self._options.list_entries,
        )

    def _volumes(
        self,
        one: BackupSet,
        manifest: Manifest,
        is_checked: bool,  # noqa: FBT001 - given by apply_set
    ) -> Iterator[VolumeSource]:
        return set_volumes(
            self._archive,
            one,
            manifest,
            self._options.prefixes,
            is_checked=is_checked,
        )

    def _signatures(
        self, one: BackupSet
    ) -> Callable[[], AbstractContextManager[PlainStream]] | None:
        name = one.signatures
        parsed = name and parse_name(name, self._options.prefixes)
        if not name or not parsed:
            return None
        return partial(self._archive.open_signatures, name, parsed)

    def _tags(
        self, before: StoredSnapshot | None, *, is_whole: bool
    ) -> tuple[str, ...]:
        # What a set lacks, its successors lack as well, unless it changes again.
        lacks_before = before is not None and INCOMPLETE_TAG in before.snapshot.tags
        if is_whole and not lacks_before:
            return self._options.tags
        return (*self._options.tags, INCOMPLETE_TAG)


def _totals(state: SetState, origin: Origin) -> Totals:
    """What the snapshot holds, with the folders on the way to what was backed up."""
    assert state.totals is not None, "whatever was imported was counted"
    directories = state.totals.directories + ways_to(origin.folder)
    return replace(state.totals, directories=directories)
