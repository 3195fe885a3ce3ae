"""Index objects that nothing needs any more, found without guessing.

A merge deletes the runs it has replaced, and a run is put after its parts: so whoever
was killed in between, or was not permitted to delete, leaves runs that others replace,
or parts that no run names. Losing one of either that is needed after all would lose no
data, for what runs say is in the volumes, too (`BlobIndex.adopt_unlisted`); still
nothing counts as surplus here that may belong to a writer who is at work.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.backends.upkeep import AgedObject, Upkeep, is_abandoned
from chunkvault.errors import DamageError, ObjectNotFound
from chunkvault.format import names
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.integrity import verify_object
from chunkvault.repository.stored_run import StoredRun

__all__ = ["IndexSurplus", "find_surplus"]


@dataclass(slots=True)
class IndexSurplus:
    """What `find_surplus` found.

    Attributes:
        runs: replaced by others that are whole; to be deleted in this order.
        parts: that no run names, and those of the runs above; after them.
        waiting: as these, but too young, or of an age that the store does not tell.
        doubts: why something is left where it is, for people.
    """

    runs: list[ObjectInfo] = field(default_factory=list)
    parts: list[ObjectInfo] = field(default_factory=list)
    waiting: list[ObjectInfo] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def find_surplus(
    backend: Backend, index: BlobIndex, upkeep: Upkeep | None
) -> IndexSurplus:
    """Look for replaced runs and for parts that no run names; changes nothing.

    A replaced run is surplus a day after the run that replaces it was stored, if
    that one has all its bytes. A part is a day after it was stored, if every run can
    be read and none names it. Runs are listed after the parts, so that no run can
    come in between whose parts are already old.

    Args:
        backend: of the repository, without a cache.
        index: of the repository.
        upkeep: tells the ages; without it there is no surplus for certain.

    Raises:
        UnsupportedFormat: a newer version wrote a run.
    """
    parts = _aged(backend, upkeep, names.PARTS)
    run_ages = {one.name: one for one in _aged(backend, upkeep, names.INDEX)}
    return _Search(backend, parts, run_ages).judge(index.listed_runs())


class _Search:
    """One look at an index."""

    def __init__(
        self,
        backend: Backend,
        parts: list[AgedObject],
        run_ages: dict[str, AgedObject],
    ) -> None:
        self._backend = backend
        self._parts = parts
        self._run_ages = run_ages
        self._found = IndexSurplus()
        self._named: dict[str, list[str]] = {}  # the parts of each run
        self._replaced: dict[bytes, list[StoredRun]] = {}  # by whom
        self._whole: dict[str, bool] = {}

    def judge(self, runs: list[StoredRun]) -> IndexSurplus:
        readable = [run for run in runs if self._read(run)]
        for run in readable:
            if (names.hash_in_name(run.name) or b"") in self._replaced:
                self._judge_run(run)
        # Replaced ones before those that replace them: these are younger.
        self._found.runs.sort(key=lambda info: -self._age_s(info.name))
        if len(readable) == len(runs):
            self._judge_parts()
        return self._found

    def _read(self, run: StoredRun) -> bool:
        """Note what a run names; False if it cannot be read."""
        try:
            fence = run.fence
        except (DamageError, ObjectNotFound) as error:
            self._found.doubts.append(
                f"parts of index runs stay, because one cannot be read: {error}"
            )
            return False
        self._named[run.name] = run.part_names
        for replaced in fence.replaces:
            self._replaced.setdefault(replaced, []).append(run)
        return True

    def _judge_run(self, run: StoredRun) -> None:
        info = ObjectInfo(run.name, run.size)
        by = self._replaced[names.hash_in_name(run.name) or b""]
        old = [one for one in by if is_abandoned(self._age_of(one.name))]
        if any(map(self._is_whole, old)):
            self._found.runs.append(info)
        elif old:
            self._found.doubts.append(
                f"index run {run.name} stays: the one that replaces it is damaged"
            )
        else:
            self._found.waiting.append(info)

    def _judge_parts(self) -> None:
        gone = {info.name for info in self._found.runs}
        needed = _all_but(self._named, gone)
        of_gone = {part for name in gone for part in self._named[name]}
        for name, size, age_s in self._parts:
            if name in needed:
                continue
            info = ObjectInfo(name, size)
            is_surplus = name in of_gone or is_abandoned(age_s)
            (self._found.parts if is_surplus else self._found.waiting).append(info)

    def _is_whole(self, run: StoredRun) -> bool:
        """Whether a run has every byte it was stored with, parts included."""
        if run.name not in self._whole:
            there = {part.name: part.size for part in self._parts}
            wanted = [(part, there.get(part)) for part in self._named[run.name]]
            self._whole[run.name] = all(
                size is not None
                and verify_object(self._backend, ObjectInfo(name, size)) is None
                for name, size in [(run.name, run.size), *wanted]
            )
        return self._whole[run.name]

    def _age_of(self, run_name: str) -> float | None:
        aged = self._run_ages.get(run_name)
        return None if aged is None else aged.age_s

    def _age_s(self, run_name: str) -> float:
        return self._age_of(run_name) or 0.0


def _all_but(named: dict[str, list[str]], gone: set[str]) -> set[str]:
    return {part for run, parts in named.items() if run not in gone for part in parts}


def _aged(backend: Backend, upkeep: Upkeep | None, prefix: str) -> list[AgedObject]:
    listed: Iterator[AgedObject]
    if upkeep is None:
        infos = backend.list(prefix)
        listed = (AgedObject(info.name, info.size, None) for info in infos)
    else:
        listed = upkeep.aged(prefix)
    return [one for one in listed if names.hash_in_name(one.name)]
