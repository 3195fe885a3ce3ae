"""Compare a snapshot with what is on the disk, contents included.

Chunks are known by their hashes: files on the disk are read whole, and of the
repository only the trees. What is on the disk and not in the snapshot is not
reported; `chunkvault.operations.restore` would delete it only if asked to.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from chunkvault.errors import BackendError, ChunkvaultError, DamageError, os_reason
from chunkvault.format.node import Node, NodeKind
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.localfs.apply import Target
from chunkvault.localfs.metadata import is_kind
from chunkvault.report import Problem, Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.content import file_refs
from chunkvault.snapshots.excursion import PlacedNode, walk_placement
from chunkvault.snapshots.matching import match_refs
from chunkvault.snapshots.placement import (
    Placement,
    place,
    place_at_origin,
)
from chunkvault.snapshots.tree_reader import DamagedPath, TreeReader
from chunkvault.workers import map_ordered

__all__ = ["VerifyOptions", "VerifySummary", "verify"]

_BATCH_ENTRIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What is compared with what.

    Attributes:
        snapshot: what it should be.
        paths: of the snapshot, absolute; empty for all of it.
        against: a directory into which it was restored; None for the places
            that the files came from.
        workers: threads; 0 does everything in the calling one.
    """

    snapshot: StoredSnapshot
    paths: tuple[bytes, ...] = ()
    against: bytes | None = None
    workers: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySummary:
    """What was compared, and how it differs; an entry counts for one difference.

    Attributes:
        files: regular files compared.
        directories: compared.
        others: symbolic links, FIFOs and devices compared.
        compared_bytes: of file content.
        missing: not on the disk; what is below a missing directory counts once.
        type_differs: something else is there, e.g. a file for a directory.
        content_differs: another size, other bytes, another link target.
        metadata_differs: owner, mode, time, attributes, or which names are hard
            links to each other.
        failed: could not be compared; each was a problem.
        damaged: those of them that damage in the repository has cost.
    """

    files: int
    directories: int
    others: int
    compared_bytes: int
    missing: int
    type_differs: int
    content_differs: int
    metadata_differs: int
    failed: int
    damaged: int

    @property
    def differences(self) -> int:
        """How many entries are not as in the snapshot."""
        return (
            self.missing
            + self.type_differs
            + self.content_differs
            + self.metadata_differs
        )


def verify(
    repository: Repository, options: VerifyOptions, reporter: Reporter
) -> VerifySummary:
    """Compare, and tell the reporter of each entry that differs.

    The actions are ``missing``, ``type``, ``content`` and ``metadata``.

    Raises:
        PathNotInSnapshot: the snapshot does not hold one of the paths.
    """
    trees = TreeReader(repository.reader)
    snapshot = options.snapshot.snapshot
    progress = Progress("verify")
    if not options.paths:
        totals = snapshot.totals
        progress.total_files, progress.total_bytes = totals.files, totals.bytes
    base = b"/" if options.against is None else options.against
    with Target(base, dry_run=True) as disk:
        verification = _Verification(repository, trees, disk, base, reporter, progress)
        chosen = place_at_origin if options.against is None else place
        placements = chosen(trees, snapshot, options.paths, verification.fail)
        reporter.begin(progress)
        try:
            verification.run(placements, options.workers)
        finally:
            reporter.end()
    return verification.summarize()


class _Result(NamedTuple):
    """What came of one entry.

    Attributes:
        entry: what was compared.
        difference: the action to report, or empty.
        status: what is on the disk.
        error: why it could not be compared.
    """

    entry: PlacedNode
    difference: str = ""
    status: os.stat_result | None = None
    error: Exception | None = None


class _Verification:
    """One comparison while it runs."""

    def __init__(
        self,
        repository: Repository,
        trees: TreeReader,
        disk: Target,
        base: bytes,
        reporter: Reporter,
        progress: Progress,
    ) -> None:
        self._repository = repository
        self._trees = trees
        self._disk = disk
        self._base = base
        self._reporter = reporter
        self._progress = progress
        self._counts: Counter[str] = Counter()
        # Which file on the disk belongs to a hard-linked one of the snapshot.
        self._inodes: dict[tuple[int, int], tuple[int, int]] = {}

    def run(self, placements: list[Placement], workers: int) -> None:
        """Compare everything."""
        batches = _batched(self._entries(placements))
        with closing(
            map_ordered(self._compare_all, batches, workers, 2 * workers)
        ) as done:
            for results in done:
                for result in results:
                    self._take(result)

    def fail(self, path: bytes, error: Exception) -> None:
        """One entry could not be compared; the others are."""
        self._counts["failed"] += 1
        is_damage = isinstance(error, DamageError)
        self._counts["damaged"] += is_damage
        name = error.object_name if isinstance(error, DamageError) else ""
        message = os_reason(error) if isinstance(error, OSError) else str(error)
        problem = Problem(self._shown(path), message, object_name=name)
        self._reporter.problem(problem)

    def summarize(self) -> VerifySummary:
        """The counts as they are now."""
        counts = self._counts
        return VerifySummary(
            files=counts["files"],
            directories=counts["directories"],
            others=counts["others"],
            compared_bytes=self._progress.done_bytes,
            missing=counts["missing"],
            type_differs=counts["type"],
            content_differs=counts["content"],
            metadata_differs=counts["metadata"],
            failed=counts["failed"],
            damaged=counts["damaged"],
        )

    def _entries(self, placements: list[Placement]) -> Iterator[PlacedNode]:
        on_damage: DamagedPath = self.fail
        for placement in placements:
            node = placement.node
            is_directory = node is None or node.kind == NodeKind.DIRECTORY
            if is_directory and placement.tree is None:
                continue  # only passed through on the way to another place
            yield from walk_placement(self._trees, placement, self._enter, on_damage)

    def _enter(self, path: bytes, node: Node | None, _tree: BlobId | None) -> bool:
        """Compare a directory; whether its content can be compared."""
        if node is None:
            return True
        result = self._compare(PlacedNode(path, node))
        self._take(result)
        return result.error is None and result.difference in {"", "metadata"}

    def _compare_all(self, batch: list[PlacedNode]) -> list[_Result]:
        """Runs in a worker."""
        return [self._compare(entry) for entry in batch]

    def _compare(self, entry: PlacedNode) -> _Result:
        try:
            status = self._disk.status(entry.path)
            if status is None:
                return _Result(entry, "missing")
            difference = self._difference(entry, status)
        except BackendError:
            raise  # about the storage: every other entry would meet it
        except (OSError, ChunkvaultError) as error:
            return _Result(entry, error=error)
        return _Result(entry, difference, status)

    def _difference(self, entry: PlacedNode, status: os.stat_result) -> str:
        path, node = entry
        if not is_kind(status, node):
            return "type"
        if node.kind == NodeKind.FILE and not self._has_content(entry, status):
            return "content"
        if node.kind == NodeKind.SYMLINK and self._disk.read_link(path) != node.target:
            return "content"
        return "metadata" if self._disk.differs(path, node) else ""

    def _has_content(self, entry: PlacedNode, status: os.stat_result) -> bool:
        path, node = entry
        if status.st_size != node.size:
            return False
        fd = self._disk.open_existing(path)
        try:
            refs = file_refs(self._repository.reader, node)
            return all(match_refs(fd, refs, self._repository.blob_id))
        finally:
            os.close(fd)

    def _take(self, result: _Result) -> None:
        (path, node), difference, status, error = result
        self._progress.current = self._shown(path)
        if error is not None:
            self.fail(path, error)
            return
        self._count(node)
        if status is not None and not difference and not self._is_linked(node, status):
            difference = "metadata"
        if difference:
            self._counts[difference] += 1
            self._reporter.entry(difference, self._shown(path))

    def _count(self, node: Node) -> None:
        if node.kind == NodeKind.DIRECTORY:
            self._counts["directories"] += 1
        elif node.kind == NodeKind.FILE:
            self._counts["files"] += 1
            self._progress.done_files += 1
            self._progress.done_bytes += node.size
        else:
            self._counts["others"] += 1

    def _is_linked(self, node: Node, status: os.stat_result) -> bool:
        """Whether it is one file with those that it is one with in the snapshot."""
        if node.kind == NodeKind.DIRECTORY or node.links < 2:
            return True
        here = (status.st_dev, status.st_ino)
        return self._inodes.setdefault((node.device, node.inode), here) == here

    def _shown(self, path: bytes) -> bytes:
        return os.path.join(self._base, path) if path else self._base


def _batched(entries: Iterator[PlacedNode]) -> Iterator[list[PlacedNode]]:
    while batch := list(islice(entries, _BATCH_ENTRIES)):
        yield batch
