"""One snapshot into one backup set: walk, read, write, count."""

from collections.abc import Iterator
from typing import NamedTuple

from chunkvault.duplicity.export.changes import Change, walk_changes
from chunkvault.duplicity.export.file_data import ChunkSource, read_ahead
from chunkvault.duplicity.export.files import FilePlan, plan_file
from chunkvault.duplicity.export.losses import count_losses
from chunkvault.duplicity.export.plan import SetPlan
from chunkvault.duplicity.export.records import Counts
from chunkvault.duplicity.export.set_writer import SetWriter
from chunkvault.duplicity.export.source import root_of
from chunkvault.duplicity.own_records import encode_own_records
from chunkvault.errors import DamageError
from chunkvault.format.content import ChunkRef
from chunkvault.format.node import Node, NodeKind
from chunkvault.report import Problem, Progress, Reporter
from chunkvault.repository import BlobReader
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["SetExport"]


class _Item(NamedTuple):
    """A change, and how its file goes out; no plan for what is no file."""

    change: Change
    plan: FilePlan | None


class SetExport:
    """Writes what differs between two snapshots.

    Attributes:
        lost: paths whose content in the archive is not that of the snapshot.
        is_unsure: a directory could not be read, so that not all that is lost is
            known.
    """

    def __init__(
        self,
        reader: BlobReader,
        trees: TreeReader,
        plan: SetPlan,
        lost: set[bytes],
        watch: tuple[Reporter, Progress, bool],
    ) -> None:
        self.lost = set(lost)
        self.is_unsure = False
        self._reader = reader
        self._trees = trees
        self._plan = plan
        self._reporter, self._progress, self._lists_entries = watch
        self._counts = Counts()

    def run(self, writer: SetWriter | None) -> None:
        """Write all entries; without a writer, only count.

        Raises:
            OldTreeUnreadableError: the older snapshot is damaged.
            DamageError: a root cannot be read.
        """
        plan = self._plan
        old = None if plan.base is None else root_of(self._trees, plan.base.snapshot)
        new = root_of(self._trees, plan.stored.snapshot)
        changes = walk_changes(self._trees, (old, new), self._directory_damaged)
        if writer is None:
            for item, _ in self._items(changes):
                self._count(item)
            return
        for item, source in read_ahead(self._reader, self._items(changes)):
            self._progress.current = item.change.path
            self._write(writer, item, source)

    def add_to(self, counts: Counts) -> None:
        """Add what was counted."""
        mine = self._counts
        counts.entries_new += mine.entries_new
        counts.entries_changed += mine.entries_changed
        counts.entries_deleted += mine.entries_deleted
        counts.deltas += mine.deltas
        counts.content_bytes += mine.content_bytes
        counts.damaged += mine.damaged
        for what, number in mine.not_held.items():
            counts.not_held[what] = counts.not_held.get(what, 0) + number

    def _items(
        self, changes: Iterator[Change]
    ) -> Iterator[tuple[_Item, list[ChunkRef]]]:
        for change in changes:
            path, old, new = change
            if new is None or new.kind != NodeKind.FILE:
                yield _Item(change, None), []
                continue
            try:
                plan = plan_file(self._reader, None if path in self.lost else old, new)
            except DamageError as error:
                self._file_damaged(path, error)
                yield _Item(Change(path, old, None), None), []
            else:
                yield _Item(change, plan), plan.chunks

    def _write(self, writer: SetWriter, item: _Item, source: ChunkSource) -> None:
        (path, old, new), plan = item
        was_file = old is not None and old.kind == NodeKind.FILE
        if new is None:
            if old is not None:
                writer.add_deleted(path, was_file=was_file)
        elif plan is None:
            own = tuple(encode_own_records(new))
            writer.add_object(path, new, own)
        elif not self._write_file(writer, item, source):
            item = _Item(Change(path, old, None), None)
            if old is not None:
                writer.add_deleted(path, was_file=was_file)
        self._count(item)

    def _write_file(self, writer: SetWriter, item: _Item, source: ChunkSource) -> bool:
        """False where a file cannot be read, and nothing of it has been written."""
        (path, old, new), plan = item
        assert new is not None, "a file that is there"
        assert plan is not None, "files have plans"
        damage: list[DamageError] = []
        try:
            data = plan.data(self._reader, source, damage.append)
        except DamageError as error:
            self._file_damaged(path, error)
            return False
        self.lost.discard(path)
        writer.add_file(
            path,
            new,
            data,
            tuple(encode_own_records(new, plan.holes)),
            is_diff=plan.is_diff,
            was_file=old is not None and old.kind == NodeKind.FILE,
        )
        if damage:
            self._file_damaged(path, damage[0], "; what is lost went out as zeros")
        return True

    def _count(self, item: _Item) -> None:
        (path, old, new), plan = item
        counts = self._counts
        if new is None:
            action = "deleted"
            counts.entries_deleted += old is not None
        elif old is None:
            action = "new"
            counts.entries_new += 1
        else:
            action = "changed"
            counts.entries_changed += 1
        if new is not None:
            self._count_content(new, plan)
        if self._lists_entries:
            self._reporter.entry(action, path or b".")

    def _count_content(self, node: Node, plan: FilePlan | None) -> None:
        self._progress.done_files += 1
        is_sparse = plan is not None and bool(plan.holes)
        count_losses(self._counts.not_held, node, is_sparse=is_sparse)
        if plan is not None:
            self._counts.deltas += plan.is_diff
            self._counts.content_bytes += plan.literal_bytes
            self._progress.done_bytes += plan.literal_bytes

    def _file_damaged(self, path: bytes, error: DamageError, more: str = "") -> None:
        self.lost.add(path)
        self._counts.damaged += 1
        self._reporter.problem(
            Problem(path, f"{error}{more}", object_name=error.object_name)
        )

    def _directory_damaged(self, path: bytes, error: DamageError) -> None:
        self.is_unsure = True
        self._counts.damaged += 1
        message = f"its entries cannot be read: {error}"
        self._reporter.problem(
            Problem(path or b".", message, object_name=error.object_name)
        )
