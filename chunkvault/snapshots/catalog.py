"""Which snapshots there are, and which one is meant.

A snapshot's name tells its time and a keyed tag of (host, paths). So the newest
snapshot before a date is found with one listing and one read, however many
there are; only a filter by host, tags or paths reads more, newest first, until
one fits.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from string import hexdigits

from chunkvault.errors import DamageError, SnapshotNotFound, UsageError
from chunkvault.format.names import SnapshotName
from chunkvault.format.snapshot import Snapshot, StoredSnapshot
from chunkvault.repository import Repository
from chunkvault.snapshots.paths import may_hold

__all__ = ["Catalog", "SnapshotQuery"]

_LATEST = "latest"
_MIN_PREFIX_DIGITS = 4
_MAX_CANDIDATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotQuery:
    """Which snapshots are meant; what is left at its default does not matter.

    Attributes:
        snapshot: ``latest``, ``latest~2`` (the second before it), or the first
            digits of an id, at least four; an id outweighs all the rest.
        at_ns: not taken after this time.
        host: taken on this machine.
        tags: carrying all of these.
        paths: of exactly these paths.
        holding: of paths that this one lies in, or that lie in it.
    """

    snapshot: str | None = None
    at_ns: int | None = None
    host: str | None = None
    tags: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()
    holding: bytes | None = None


class Catalog:
    """The snapshots of a repository, listed at the first question. One thread only.

    Attributes:
        damaged: the snapshot objects met so far that cannot be read. They are
            passed over; who shows a result should say that they exist.
    """

    def __init__(self, repository: Repository) -> None:
        self.damaged: list[DamageError] = []
        self._repository = repository
        self._listed: list[SnapshotName] | None = None

    def all(self, query: SnapshotQuery | None = None) -> list[StoredSnapshot]:
        """Every snapshot that fits, oldest first; `SnapshotQuery.snapshot` is ignored.

        Damaged ones are left out and collected in `damaged`.
        """
        query = query or SnapshotQuery()
        names = _not_after(self._names(), query.at_ns)
        return list(self._fitting(names, query))

    def find(self, query: SnapshotQuery | None = None) -> StoredSnapshot:
        """The one snapshot that is meant: the newest that fits, unless it says else.

        A damaged one is passed over for the next older, and kept in `damaged`;
        not so where it was asked for by its id.

        Raises:
            SnapshotNotFound: none fits; the message says what is missing.
            UsageError: ``query.snapshot`` makes no sense or fits several.
            DamageError: the one asked for by id is damaged.
        """
        query = query or SnapshotQuery()
        names = self._names()
        if not names:
            raise _no_snapshots()
        wanted = query.snapshot or _LATEST
        back = _steps_back(wanted)
        if back is None:
            return self._repository.load_snapshot(_by_prefix(names, wanted))
        found = self._newest(_not_after(names, query.at_ns), query, back)
        if found is None:
            raise self._nothing_fits(names, query)
        return found

    def parent_for(self, host: str, paths: Sequence[bytes]) -> StoredSnapshot | None:
        """The newest readable snapshot of these paths on this machine, if any."""
        query = SnapshotQuery(host=host, paths=tuple(paths))
        return self._newest(self._names(), query, 0)

    def _names(self) -> list[SnapshotName]:
        if self._listed is None:
            self._listed = self._repository.list_snapshots()
        return self._listed

    def _newest(
        self, names: Sequence[SnapshotName], query: SnapshotQuery, back: int
    ) -> StoredSnapshot | None:
        if back and _fits_everything(query):
            names, back = names[: max(len(names) - back, 0)], 0
        for stored in self._fitting(reversed(names), query):
            if not back:
                return stored
            back -= 1
        return None

    def _fitting(
        self, names: Iterable[SnapshotName], query: SnapshotQuery
    ) -> Iterator[StoredSnapshot]:
        """Load the snapshots that fit, in the order given.

        Host and paths decide about every snapshot with the same tag in its name:
        of those that do not fit, one is read.
        """
        refused: set[bytes] = set()
        wanted = self._wanted_tag(query)
        for name in names:
            if name.tag in refused or wanted not in (None, name.tag):
                continue
            stored = self._load(name)
            if stored is None:
                continue
            if not _is_of(stored.snapshot, query):
                refused.add(name.tag)
            elif set(query.tags) <= set(stored.snapshot.tags):
                yield stored

    def _wanted_tag(self, query: SnapshotQuery) -> bytes | None:
        if query.host is None or not query.paths:
            return None
        return self._repository.snapshot_tag(query.host, query.paths)

    def _load(self, name: SnapshotName) -> StoredSnapshot | None:
        try:
            return self._repository.load_snapshot(name)
        except DamageError as error:
            if all(error.object_name != known.object_name for known in self.damaged):
                self.damaged.append(error)
            return None

    def _nothing_fits(
        self, names: Sequence[SnapshotName], query: SnapshotQuery
    ) -> SnapshotNotFound:
        """Say why: too early a date, too many steps back, or a filter."""
        oldest = next(self._fitting(names, query), None)
        if oldest is None:
            return SnapshotNotFound(_refusal(query, damaged=bool(self.damaged)))
        time_ns = oldest.snapshot.time_ns
        if query.at_ns is not None and time_ns > query.at_ns:
            return SnapshotNotFound(
                f"no snapshot is that old: the oldest is of {_utc(time_ns)}",
                hint="give a later --at, or leave it out for the latest snapshot",
            )
        return SnapshotNotFound(f"there are not enough snapshots for {query.snapshot}")


def _no_snapshots() -> SnapshotNotFound:
    return SnapshotNotFound(
        "the repository holds no snapshots yet",
        hint="take one with 'chunkvault backup'",
    )


def _not_after(names: Sequence[SnapshotName], at_ns: int | None) -> list[SnapshotName]:
    return [name for name in names if at_ns is None or name.time_ns <= at_ns]


def _steps_back(wanted: str) -> int | None:
    """How far before the latest; None where the word must be an id.

    Raises:
        UsageError: nothing but digits may follow ``latest~``.
    """
    word, tilde, steps = wanted.partition("~")
    if word != _LATEST:
        return None
    if tilde and not (steps.isascii() and steps.isdigit() and len(steps) < 10):
        raise UsageError(
            f"{wanted!r} names no snapshot", hint="write latest~1 for the one before"
        )
    return int(steps or "0")


def _by_prefix(names: Sequence[SnapshotName], wanted: str) -> SnapshotName:
    digits = wanted.lower()
    if len(digits) < _MIN_PREFIX_DIGITS or not set(digits) <= set(hexdigits):
        raise UsageError(
            f"{wanted!r} names no snapshot",
            hint="give 'latest', 'latest~1', or at least 4 hex digits of an id",
        )
    found = [name for name in names if name.snapshot_id.hex().startswith(digits)]
    if not found:
        raise SnapshotNotFound(f"there is no snapshot {wanted}")
    if len(found) > 1:
        raise UsageError(
            f"{wanted} fits several snapshots: {_candidates(found)}",
            hint="give more digits of the id",
        )
    return found[0]


def _candidates(names: Sequence[SnapshotName]) -> str:
    shown = [
        f"{name.snapshot_id.hex()[:12]} ({_utc(name.time_ns)})"
        for name in names[-_MAX_CANDIDATES:]
    ]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _fits_everything(query: SnapshotQuery) -> bool:
    return (
        query.host is None
        and query.holding is None
        and not query.tags
        and not query.paths
    )


def _is_of(snapshot: Snapshot, query: SnapshotQuery) -> bool:
    """Whether host and paths are those asked for."""
    return (
        query.host in (None, snapshot.host)
        and (not query.paths or set(query.paths) == set(snapshot.paths))
        and (query.holding is None or may_hold(snapshot.paths, query.holding))
    )


def _refusal(query: SnapshotQuery, *, damaged: bool) -> str:
    wishes = [f"host {query.host}"] if query.host is not None else []
    wishes += [f"tag {tag}" for tag in query.tags]
    paths = query.paths if query.holding is None else (*query.paths, query.holding)
    wishes += [f"path {path.decode(errors='backslashreplace')}" for path in paths]
    if wishes:
        return f"no snapshot fits {', '.join(wishes)}"
    return "every snapshot is damaged" if damaged else "there is no such snapshot"


def _utc(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, tz=UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
