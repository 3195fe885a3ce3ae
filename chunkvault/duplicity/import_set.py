"""Import one backup set: the state before, and what the set says about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from chunkvault.duplicity.attributes import make_node
from chunkvault.duplicity.contents import FileContent, Holes, StoredContent, write_delta
from chunkvault.duplicity.entries import (
    Action,
    Entry,
    EntryReader,
    Gap,
    Path,
    PlainStream,
    VolumeSource,
    joined,
    signature_entries,
)
from chunkvault.duplicity.gpg_status import NotSigned
from chunkvault.duplicity.import_records import ImportCounts
from chunkvault.duplicity.snapshot_root import SetState
from chunkvault.duplicity.tree_merge import Misplaced, TreeMerge, totals_of
from chunkvault.errors import DamageError, FormatError
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind
from chunkvault.report import Problem, Progress, Reporter
from chunkvault.repository import Repository
from chunkvault.snapshots.base_finder import BaseFinder
from chunkvault.snapshots.content import file_refs
from chunkvault.snapshots.file_ranges import FileRanges
from chunkvault.snapshots.tree_reader import TreeReader
from chunkvault.snapshots.tree_writer import BlobSink, ContentWriter

__all__ = ["InDoubt", "SetImport", "utc"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = {Action.SNAPSHOT: "stored", Action.DIFF: "changed", Action.DELETED: "deleted"}


class InDoubt(Exception):
    """A volume that was trusted is not to be trusted: nothing of this may stay."""


class SetImport:
    """Applies one set to the tree of the set before it. One thread.

    Whatever is wrong with one path costs this path: it is named, and left out of
    the new state, since what is there would be of another time.

    Args:
        repository: where the state before can be read.
        sink: where the new state is stored.
        state: the state before.
        counts: is added to.
        reporter: told what is lost.
        progress: is added to.
        time_s: of the set, in seconds since the epoch.
        prefix: path of the archive's root in the snapshot.
        list_entries: tell the reporter about each path.

    Attributes:
        is_whole: nothing is missing so far.
    """

    def __init__(  # noqa: PLR0913 - the parts of an import, given once
        self,
        repository: Repository,
        sink: BlobSink,
        state: SetState,
        counts: ImportCounts,
        reporter: Reporter,
        progress: Progress,
        *,
        time_s: int,
        prefix: bytes,
        list_entries: bool,
    ) -> None:
        self.is_whole = True
        self._reader = repository.reader
        self._content = ContentWriter(sink, repository.settings)
        self._takes_chunks = not repository.index.missing_volumes
        self._merge = TreeMerge(
            sink, TreeReader(self._reader), state.root, state.totals, self._imply
        )
        self._counts = counts
        self._reporter = reporter
        self._progress = progress
        self._time = utc(time_s)
        self._prefix = prefix.rstrip(b"/")
        self._list_entries = list_entries
        self._last: Path | None = None
        self._lost: Path | None = None
        self._gaps: list[Gap] = []
        self._seen = 0

    def apply(
        self,
        volumes: Iterator[VolumeSource],
        open_signatures: Callable[[], AbstractContextManager[PlainStream]] | None,
        *,
        trusts: bool,
    ) -> None:
        """Apply the volumes of the set, in their order.

        Args:
            volumes: that the manifest names.
            open_signatures: the sigtar of the set, if it has one: it tells what was
                in a volume that cannot be read.
            trusts: volumes are used before their hash is known, so that the first
                one that is damaged ends it.

        Raises:
            InDoubt: there is such a volume; only if ``trusts``.
            NotSigned: a volume has not the signature that is asked for.
            WrongKey: the passphrase or key does not fit.
            BackendError: the repository or the archive does not answer.
        """
        with closing(iter(EntryReader(volumes))) as items:
            for item in items:
                if isinstance(item, Gap):
                    _require_no_doubt(item, trusts=trusts)
                    self._gaps.append(item)
                else:
                    if self._gaps and not item.is_unsafe:
                        self._bridge(item.path, open_signatures)
                    self._apply(item, self._make)
        if self._gaps:
            self._bridge(None, open_signatures)

    def tell_lost(self, paths: Sequence[bytes]) -> None:
        """Of these, an export by us could write nothing."""
        if paths:
            self._note(f"{len(paths):,} of its paths were lost before it was exported")

    def finish(self) -> SetState:
        """The state that the set leads to."""
        root = self._merge.finish()
        return SetState(root, totals_of(self._merge.counts))

    def _note(self, message: str, file_name: str = "") -> None:
        """Something is missing from this set."""
        self.is_whole = False
        text = f"backup of {self._time}: {message}"
        self._reporter.problem(Problem(b"", text, object_name=file_name))

    def _imply(self, path: Path) -> None:
        """A folder is there, and nothing is known of it but what is in it."""
        self._note(f"nothing is said of the folder {_shown(path)}; it is made anew")

    def _apply(self, entry: Entry, make: Callable[[Entry, Node | None], Node]) -> None:
        self._progress.current = joined(entry.path)
        self._progress.done_files += 1
        if entry.is_unsafe:
            self._lose(entry.path, FormatError(entry.fault))
            return
        if entry.action is Action.DELETED:
            self._delete(entry)
        else:
            self._replace(entry, make)
        self._seen += entry.path != self._last
        self._last = entry.path

    def _replace(
        self, entry: Entry, make: Callable[[Entry, Node | None], Node]
    ) -> None:
        try:
            old = self._merge.before(entry.path)
        except Misplaced as error:
            self._lose(entry.path, FormatError(str(error)))
            return
        try:
            node = make(entry, old)
        except DamageError as error:
            self._lose(entry.path, error)
            self._put_nothing(entry, old)
            return
        self._merge.put(node)
        self._count(entry)

    def _put_nothing(self, entry: Entry, old: Node | None) -> None:
        """Leave out what is lost; but a folder is needed for what is in it."""
        if entry.member.kind != NodeKind.DIRECTORY:
            self._merge.remove()
        elif old is None or old.kind != NodeKind.DIRECTORY:
            self._merge.put(EMPTY_DIRECTORY)

    def _delete(self, entry: Entry) -> None:
        self._count(entry)
        with suppress(Misplaced):  # what held it is gone as well
            self._merge.before(entry.path, make_parents=False)
            self._merge.remove()

    def _make(self, entry: Entry, old: Node | None) -> Node:
        """The node for an entry, its content stored.

        Raises:
            DamageError: it cannot be made.
        """
        if entry.fault:
            raise FormatError(entry.fault)
        member = entry.member
        if not member.kind:
            raise FormatError("it is of a type that has no place in such an archive")
        node, holes = make_node(member)
        if member.kind != NodeKind.FILE:
            if entry.action is Action.DIFF:
                raise FormatError("it has changes of something that is no file")
            return node
        size, content, content_list = self._store(entry, old, holes)
        return node._replace(size=size, content=content, content_list=content_list)

    def _store(self, entry: Entry, old: Node | None, holes: Holes) -> StoredContent:
        is_file = old is not None and old.kind == NodeKind.FILE
        before = old if is_file else None

        def find_bases() -> BaseFinder | None:
            return before and BaseFinder(partial(file_refs, self._reader, before))

        file = FileContent(self._content, find_bases, holes)
        if entry.action is Action.DIFF:
            if before is None:
                raise FormatError("the version that its changes belong to is missing")
            ranges = FileRanges(self._reader, before)
            write_delta(file, entry.data, ranges, takes_chunks=self._takes_chunks)
        else:
            for piece in entry.data:
                file.write(piece)
        return file.finish()

    def _bridge(
        self,
        until: Path | None,
        open_signatures: Callable[[], AbstractContextManager[PlainStream]] | None,
    ) -> None:
        """Make the best of volumes that cannot be read.

        The sigtar of the set has everything but the content of files. What is missing
        lies between what was there before and what comes after, whatever a manifest
        says.

        Args:
            until: the path that comes after; None at the end of the set.
            open_signatures: the sigtar, if there is one.
        """
        gaps, self._gaps = self._gaps, []
        surplus = [gap for gap in gaps if gap.volume.is_surplus and open_signatures]
        for gap in gaps:
            if gap not in surplus:
                self._tell_gap(gap, until, has_names=open_signatures is not None)
        if open_signatures is None:
            return
        missed = 0
        try:
            with open_signatures() as stream:
                for entry in self._missed(signature_entries(stream), until):
                    self._apply(entry, self._make_without_content)
                    missed += 1
        except DamageError as error:
            self._note(f"{error}; what else is lost has no name")
        for gap in surplus:
            self._tell_surplus(gap, is_needed=missed > 0)

    def _tell_gap(self, gap: Gap, until: Path | None, *, has_names: bool) -> None:
        self._counts.damaged += 1
        text = str(gap.error)
        if not has_names:
            text += f"; {_range(gap.volume, self._last, until)} is lost or out of date"
        self._note(text, gap.volume.file_name)

    def _tell_surplus(self, gap: Gap, *, is_needed: bool) -> None:
        """An interrupted backup may have left a volume that nothing needs."""
        if is_needed:
            self._counts.damaged += 1
            self._note(str(gap.error))
        else:
            text = f"backup of {self._time}: {gap.error}, and nothing in it is missing"
            self._reporter.problem(Problem(b"", text, is_failure=False))

    def _missed(self, entries: Iterator[Entry], until: Path | None) -> Iterator[Entry]:
        """What a sigtar has between the path that was last and another.

        Raises:
            FormatError: it has not even what was read: it is of another set.
        """
        last, expected, known = self._last, self._seen, 0
        for entry in entries:
            if last is not None and entry.path <= last:
                known += 1
                continue
            if until is not None and entry.path >= until:
                break
            _require_own(known, expected)
            yield entry
        _require_own(known, expected)

    def _make_without_content(self, entry: Entry, old: Node | None) -> Node:
        if entry.member.kind == NodeKind.FILE:
            raise FormatError("its content was in a damaged or missing volume")
        return self._make(entry, old)

    def _lose(self, path: Path, error: DamageError) -> None:
        self.is_whole = False
        if path == self._lost:
            return  # a part of it in another volume was lost before
        self._lost = path
        self._counts.lost += 1
        name = b"/".join((self._prefix, *path)) or b"/"
        message = f"version of {self._time} is lost: {error}"
        self._reporter.problem(Problem(name, message, object_name=error.object_name))

    def _count(self, entry: Entry) -> None:
        match entry.action:
            case Action.SNAPSHOT:
                self._counts.stored += 1
            case Action.DIFF:
                self._counts.changed += 1
            case Action.DELETED:
                self._counts.deleted += 1
        if self._list_entries:
            path = b"/".join((self._prefix, *entry.path))
            self._reporter.entry(_WORDS[entry.action], path)


def _require_no_doubt(gap: Gap, *, trusts: bool) -> None:
    if trusts and gap.volume.file_name:
        raise InDoubt from gap.error
    if isinstance(gap.error, NotSigned):
        raise gap.error


def _require_own(known: int, expected: int) -> None:
    if known < expected:
        raise FormatError("the signatures of the set are those of another one")


def utc(time_s: int) -> str:
    """A set's time for people."""
    return f"{_EPOCH + timedelta(seconds=time_s):%Y-%m-%d %H:%M:%S} UTC"


def _range(volume: VolumeSource, last: Path | None, until: Path | None) -> str:
    """What was in a volume, by its manifest if that can be true."""
    start, end = volume.start, volume.end
    is_after = start is not None and (last is None or start >= last)
    is_before = end is not None and (until is None or end <= until)
    if is_after and is_before and start is not None and end is not None:
        return f"what was in it, from {_shown(start)} to {_shown(end)},"
    words = ["what was in it"]
    if last is not None:
        words.append(f"after {_shown(last)}")
    if until is not None:
        words.append(f"before {_shown(until)}")
    return ", ".join(words) + ("," if len(words) > 1 else "")


def _shown(path: Path) -> str:
    return joined(path).decode(errors="backslashreplace")
