"""The first step: walk the snapshot, make what needs no content, plan the rest.

Directories and special files are made where the walk meets them. Regular files
are compared with what stands in their place, a batch at a time in worker threads;
what differs goes into the plan, in the order of the walk.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from enum import Enum, auto
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.node import Node, NodeKind
from chunkvault.ids import BlobId
from chunkvault.operations.restore.job import Job
from chunkvault.operations.restore.plan import PlannedDirectory
from chunkvault.operations.restore.specials import make_special
from chunkvault.snapshots.content import file_refs
from chunkvault.snapshots.excursion import walk_placement
from chunkvault.snapshots.matching import match_refs
from chunkvault.snapshots.placement import Placement
from chunkvault.workers import map_ordered

__all__ = ["Survey"]

_BATCH_FILES = 64
_BATCH_BYTES = 16 << 20


class _Candidate(NamedTuple):
    """A regular file, and whether its place is certainly empty."""

    path: bytes
    node: Node
    is_new: bool


class _Verdict(Enum):
    NEW = auto()
    CHANGED = auto()
    SAME = auto()
    KEPT = auto()
    FAILED = auto()


class _Finding(NamedTuple):
    """What a file's place looks like.

    Attributes:
        verdict: what is to be done.
        matches: for each reference of the file, 1 if the file on the disk has
            its bytes in the same place; empty if nothing was compared.
        replaced_bytes: size of the file that is to be replaced.
        error: why the file cannot be restored.
    """

    verdict: _Verdict
    matches: bytes = b""
    replaced_bytes: int = 0
    error: Exception | None = None


_NEW = _Finding(_Verdict.NEW)
_KEPT = _Finding(_Verdict.KEPT)


class Survey:
    """One walk through all placements."""

    def __init__(self, job: Job) -> None:
        self._job = job
        # The topmost directory around the walk's place that was made just now, with
        # a slash: whatever belongs below it has an empty place to go to.
        self._new_prefix: bytes | None = None

    def run(self, placements: Sequence[Placement]) -> None:
        """Make directories and special files; plan the files to be written.

        Raises:
            TargetFull: no space even for these.
        """
        candidates = self._candidates(placements)
        for is_new, group in groupby(candidates, key=attrgetter("is_new")):
            if is_new:
                for path, node, _ in group:
                    self._plan(path, node, _NEW)
            else:
                self._compare(group)

    def _candidates(self, placements: Sequence[Placement]) -> Iterator[_Candidate]:
        for placement in placements:
            for path, node in walk_placement(
                self._job.trees, placement, self._enter, self._job.fail
            ):
                is_new = self._is_below_new_directory(path)
                if node.kind == NodeKind.FILE:
                    yield _Candidate(path, node, is_new)
                else:
                    make_special(self._job, path, node)

    def _is_below_new_directory(self, path: bytes) -> bool:
        return self._new_prefix is not None and path.startswith(self._new_prefix)

    def _enter(self, path: bytes, node: Node | None, tree: BlobId | None) -> bool:
        """Make a directory; whether it is there now."""
        job = self._job
        try:
            is_new = job.target.make_directory(
                path, replace=job.options.overwrite == "always"
            )
        except (OSError, ChunkvaultError) as error:
            job.fail(path, error)
            return False
        if is_new:
            self._note_new(path)
        job.plan.add_directory(PlannedDirectory(path, tree, is_new, node))
        job.tally.directories += 1
        return True

    def _note_new(self, path: bytes) -> None:
        if not self._is_below_new_directory(path):
            self._new_prefix = path + b"/" if path else b""
        self._job.tell("new", path)

    def _compare(self, candidates: Iterator[_Candidate]) -> None:
        """Decide about files in whose places something may stand."""
        workers = self._job.options.workers
        examined = map_ordered(
            self._examine, _batched(candidates), workers, 2 * workers
        )
        with closing(examined):
            for batch in examined:
                for candidate, finding in batch:
                    self._decide(candidate, finding)

    def _examine(self, batch: list[_Candidate]) -> list[tuple[_Candidate, _Finding]]:
        """Runs in a worker."""
        return [(candidate, self._finding(candidate)) for candidate in batch]

    def _finding(self, candidate: _Candidate) -> _Finding:
        try:
            return self._compared(candidate.path, candidate.node)
        except (OSError, ChunkvaultError) as error:
            return _Finding(_Verdict.FAILED, error=error)

    def _compared(self, path: bytes, node: Node) -> _Finding:
        job = self._job
        status = job.target.status(path)
        if status is None:
            return _NEW
        if not job.replaces(node, status):
            return _KEPT
        if not stat.S_ISREG(status.st_mode):
            job.clear_directory(path, status)
            return _NEW
        return self._compared_content(path, node, status)

    def _compared_content(
        self, path: bytes, node: Node, status: os.stat_result
    ) -> _Finding:
        try:
            fd = self._job.target.open_existing(path)
        except OSError:
            return _Finding(_Verdict.CHANGED)  # perhaps it can be replaced unread
        try:
            matches = self._matches(fd, node)
            is_same = _is_same(node, status, matches) and self._is_accepted(
                path, node, fd
            )
        finally:
            os.close(fd)
        verdict = _Verdict.SAME if is_same else _Verdict.CHANGED
        return _Finding(verdict, matches, status.st_size)

    def _matches(self, fd: int, node: Node) -> bytes:
        repository = self._job.repository
        refs = file_refs(repository.reader, node)
        return bytes(match_refs(fd, refs, repository.blob_id))

    def _is_accepted(self, path: bytes, node: Node, fd: int) -> bool:
        """Whether a file with the right content could be given its metadata."""
        if node.links > 1:
            self._job.target.mark_verified(path, fd)
        try:
            self._job.target.set_metadata(path, node)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            return False  # other names would change with it
        return True

    def _decide(self, candidate: _Candidate, finding: _Finding) -> None:
        job, (path, node, _) = self._job, candidate
        if finding.verdict is _Verdict.KEPT:
            job.tally.files_kept += 1
            job.tell("kept", path)
            job.progress.done_files += 1
        elif finding.error is not None:
            job.fail(path, finding.error)
        elif finding.verdict is _Verdict.SAME:
            self._accept(path, node)
        else:
            self._plan(path, node, finding)

    def _accept(self, path: bytes, node: Node) -> None:
        """The file on the disk is right already."""
        job = self._job
        if job.link_later(path, node, 0):
            return
        job.tally.files_unchanged += 1
        job.progress.done_files += 1
        job.progress.done_bytes += node.size

    def _plan(self, path: bytes, node: Node, finding: _Finding) -> None:
        job = self._job
        file = job.plan.begin_file()
        if job.link_later(path, node, file):
            return
        try:
            self._plan_pieces(node, finding.matches)
        except DamageError as error:
            job.fail(path, error, file)
            return
        job.plan.finish_file(path, node, finding.replaced_bytes)
        job.tell("new" if finding.verdict is _Verdict.NEW else "changed", path)

    def _plan_pieces(self, node: Node, matches: bytes) -> None:
        plan, reader = self._job.plan, self._job.repository.reader
        offset = 0
        for number, (length, blob_id) in enumerate(file_refs(reader, node)):
            if blob_id is None:
                pass  # a hole: nothing is written there
            elif matches and matches[number]:
                plan.add_local(offset, blob_id, length)
            else:
                location = reader.locate(blob_id)
                if location.plain_length != length:
                    raise DamageError("a chunk does not have the length of its place")
                base = None
                if location.base is not None:
                    base = reader.locate_base(location.base)
                plan.add_stored(offset, blob_id, location, base)
            offset += length


def _is_same(node: Node, status: os.stat_result, matches: bytes) -> bool:
    # A file that has further names here and had none there is written anew: what
    # happens to it later must not happen to the other names.
    has_strange_names = status.st_nlink > 1 and node.links == 1
    return (
        status.st_size == node.size
        and not has_strange_names
        and all(matches)
        and bool(matches or not node.size)
    )


def _batched(candidates: Iterator[_Candidate]) -> Iterator[list[_Candidate]]:
    batch: list[_Candidate] = []
    size = 0
    for candidate in candidates:
        batch.append(candidate)
        size += candidate.node.size
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
