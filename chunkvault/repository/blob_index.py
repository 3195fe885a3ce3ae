"""Where is this blob: index runs, and volumes that no run lists yet."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import RLock
from typing import TypeVar

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.codec.sealing import random_bytes
from chunkvault.errors import DamageError, ObjectNotFound
from chunkvault.format import names
from chunkvault.format.directory import BlobRecord
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import VolumeId
from chunkvault.repository.beside import BesideBlobs
from chunkvault.repository.directories import list_volumes, read_directory
from chunkvault.repository.locations import (
    BlobLocation,
    distinct,
    frame_locations,
    place_blob,
)
from chunkvault.repository.run_questions import (
    RunOrder,
    compare_volumes,
    digits_to_list,
    length_rank,
    locate_blob,
)
from chunkvault.repository.section_cache import SectionCache
from chunkvault.repository.stored_run import StoredRun

__all__ = ["BlobIndex"]

_Result = TypeVar("_Result")
_NOWHERE: Sequence[BlobLocation] = ()
_MAX_HINTS = 4096


class BlobIndex:
    """Finds blobs; memory is bounded by a few blocks of each run.

    A run that is lost or damaged is dropped, its problem kept in `problems`, and
    what it knew is read from the directories of the volumes themselves: losing
    an index run loses nothing. Any thread.
    """

    def __init__(
        self, backend: Backend, keyring: Keyring, remembered: Sequence[ObjectInfo] = ()
    ) -> None:
        """Look at nothing yet.

        Args:
            backend: where the runs are.
            keyring: opens them.
            remembered: runs that are probably there. A blob that they know need
                not be looked for in a listing; for anything else they are listed.
        """
        self.problems: list[DamageError] = []
        self._backend = backend
        self._keyring = keyring
        self._runs: list[StoredRun] | None = None
        self._is_listed = False
        self._is_settled = False
        self._sections = SectionCache()
        self._beside = BesideBlobs(backend, keyring)
        self._dropped: set[str] = set()
        self._own: set[str] = set()
        self.order = RunOrder()
        self._hints: dict[bytes, BlobLocation] = {}
        self._loose: dict[bytes, BlobLocation] = {}
        self._loose_volumes: dict[str, VolumeRecord] = {}
        self._missing: frozenset[bytes] = frozenset()
        self._distrusted: frozenset[bytes] = frozenset()
        self._has_read_directories = False
        self._lock = RLock()
        if remembered:
            self._runs = [self._stored(info) for info in remembered]

    @property
    def known_runs(self) -> list[ObjectInfo]:
        """The runs that are known by now, for the next time."""
        with self._lock:
            return [ObjectInfo(run.name, run.size) for run in self._runs or []]

    @property
    def runs(self) -> list[StoredRun]:
        """The runs in use, those that others replace left out.

        Takes one listing, and reads the fence of every run.
        """
        if not self._is_settled:
            with self._lock:
                if not self._is_listed:
                    self.refresh()
                self._is_settled = True
                self._drop_replaced()
        return self._runs or []  # a list that is replaced, and never changed

    def listed_runs(self) -> list[StoredRun]:
        """Every run in a new listing, replaced and damaged ones included."""
        infos = self._backend.list(names.INDEX)
        return [self._stored(info) for info in infos if names.hash_in_name(info.name)]

    def refresh(self) -> None:
        """List the runs again; those already open stay open."""
        with self._lock:
            known = {run.name: run for run in self._runs or []}
            infos = [
                info
                for info in self._backend.list(names.INDEX)
                if names.hash_in_name(info.name) and info.name not in self._dropped
            ]
            # The largest knows most: who looks for one blob rarely asks a second run.
            infos.sort(key=length_rank, reverse=True)
            self._runs = [known.get(info.name) or self._stored(info) for info in infos]
            self._is_listed = True
            self._is_settled = False

    def _known(self) -> list[StoredRun]:
        """Without a request if possible; some may be replaced, and say the same."""
        if self._runs is None:
            with self._lock:
                if self._runs is None:
                    self.refresh()
        return self._runs or []  # as above

    def _stored(self, info: ObjectInfo) -> StoredRun:
        return StoredRun(self._backend, self._keyring, info, self._sections)

    def find(self, prefix: bytes) -> BlobLocation | None:
        """One place where the blob is, or None."""
        # Once for every chunk of a restore: the shortest way to the usual answer.
        if prefix not in self._hints and prefix not in self._loose:
            location = self._beside.find(prefix) or self._first_in_runs(prefix)
            if location and location.frame.volume.volume_id not in self._missing:
                return location
        return next(self.candidates(prefix), None)

    def _first_in_runs(self, prefix: bytes) -> BlobLocation | None:
        runs = self.order.likeliest(self._known())
        places = (place for run in runs for place in self._places_in(run, prefix))
        return next(places, None)

    def find_recent(self, prefix: bytes) -> BlobLocation | None:
        """As `find`, in what this process stored and in hints: at next to no cost."""
        ask = partial(locate_blob, prefix=prefix)
        own = (run for run in self._known() if run.name in self._own)
        places = (place for run in own for place in self._asking(run, ask, _NOWHERE))
        return next(places, None) or self._hints.get(prefix)

    def add_hints(self, hints: dict[bytes, BlobLocation]) -> None:
        """Where some blobs are, probably: those of the snapshots read last."""
        with self._lock:
            if len(self._hints) > _MAX_HINTS:
                self._hints = {}
            self._hints = self._hints | hints

    def find_listed(self, prefix: bytes) -> BlobLocation | None:
        """As `find`, but content with what is known: nothing more is read."""
        return next(self._find_all(prefix), None)

    def candidates(self, prefix: bytes, kind: int = 0) -> Iterator[BlobLocation]:
        """Every place where the blob is, once: it may have been stored more often."""
        return distinct(self._places(prefix, kind))

    def _places(self, prefix: bytes, kind: int) -> Iterator[BlobLocation]:
        """The nearest first; who found nothing intact asks for more, at more cost."""
        hint = self._hints.get(prefix)
        if hint is not None and hint.frame.volume.volume_id not in self._missing:
            yield hint
        yield from self._find_all(prefix, kind)
        if not self._is_listed:
            self.refresh()
            yield from self._find_all(prefix, kind)
        if not self._has_read_directories:
            self.adopt_unlisted()
            yield from self._find_all(prefix, kind)

    def is_stored(self, prefix: bytes) -> bool:
        """Whether a new blob of this id need not be stored: its volume is there.

        For a delta, the volume of its base must be there, too.
        """
        if self._missing:
            return any(map(self._is_whole, self._find_all(prefix)))
        if prefix in self._loose:
            return True
        for run in self.runs:
            if self._asking(run, lambda run: run.holds(prefix), False):  # noqa: FBT003
                return True
        return False

    def _is_whole(self, location: BlobLocation) -> bool:
        if location.frame.volume.volume_id in self._missing:
            return False
        return location.base is None or self.is_stored_whole(location.base)

    def is_stored_whole(self, prefix: bytes) -> bool:
        """Whether the blob can be the base of deltas: no delta, its volume there."""
        return any(
            location.base is None
            and location.frame.volume.volume_id not in self._missing
            for location in self._find_all(prefix)
        )

    def distrust(self, volume: VolumeId) -> None:
        """Something in the volume cannot be read: `is_stored` forgets all of it.

        So what a backup finds damaged, and has the source of, is stored again.
        """
        with self._lock:
            if volume in self._distrusted:
                return
            self._distrusted |= {volume}
            self._missing |= {volume}
            self._loose = {
                prefix: location
                for prefix, location in self._loose.items()
                if location.frame.volume.volume_id != volume
            }

    def add_run(self, info: ObjectInfo) -> None:
        """A run that was just stored."""
        with self._lock:
            runs = [*(self._runs or []), self._stored(info)]
            self._runs = sorted(runs, key=length_rank, reverse=True)
            self._own.add(info.name)

    def replace_runs(self, info: ObjectInfo, replaced: Sequence[StoredRun]) -> None:
        """A run that was just merged from others, which are not used any more."""
        with self._lock:
            gone = {run.name for run in replaced}
            self._runs = [run for run in self.runs if run.name not in gone]
            self.add_run(info)

    def volumes(self) -> Iterator[VolumeRecord]:
        """Every volume that some run lists, once; then the loose ones.

        Holds a block of them at a time, and the ids.
        """
        seen: set[bytes] = set()
        for run in self.runs:
            volumes = run.volumes()
            while volume := self._asking(run, lambda _: next(volumes, None), None):  # noqa: B023 - asked at once
                if volume.volume_id not in seen:
                    seen.add(volume.volume_id)
                    yield volume
        for volume in list(self._loose_volumes.values()):
            if volume.volume_id not in seen:
                yield volume

    def look_at_volumes(self) -> dict[str, tuple[VolumeRecord, list[BlobRecord]]]:
        """As `adopt_unlisted`, but of many volumes a part drawn by lot is listed.

        Listing a thousand volumes is one request; a repository of a terabyte has
        80 times as many, and every backup begins with this. Only if something in
        the part is not as the index says, all are listed.
        """
        with self._lock:
            count = sum(run.fence.volume_count for run in self.runs)
            digits = digits_to_list(count)
            if digits:
                lot = random_bytes(1).hex()[:digits]
                present = list_volumes(self._backend, lot)
                if not any(self._compare(present, lot)):
                    return {}
            return self.adopt_unlisted()

    def adopt_unlisted(self) -> dict[str, tuple[VolumeRecord, list[BlobRecord]]]:
        """Compare with the volumes that are there, and read the unlisted ones.

        Volumes that a run lists but that are gone, or have another size, no
        longer count as holding anything (`is_stored`).

        Returns:
            The unlisted volumes with their blobs; a damaged one is left out and
            stands in `problems`.
        """
        with self._lock:
            self._has_read_directories = True
            present = list_volumes(self._backend)
            unlisted, missing = self._compare(present)
            self._missing = self._distrusted | missing
            adopted = {}
            for name in sorted(unlisted):
                found = self._adopt(ObjectInfo(name, present[name]))
                if found is not None:
                    adopted[name] = found
            return adopted

    def _compare(
        self, present: dict[str, int], lot: str = ""
    ) -> tuple[set[str], frozenset[bytes]]:
        """Names of volumes that no run lists, and ids of those that are not there."""
        unlisted = set(present)
        missing: set[bytes] = set()
        nothing: tuple[frozenset[str], frozenset[bytes]] = frozenset(), frozenset()
        for run in self.runs:
            known, gone = self._asking(
                run, lambda run: compare_volumes(run, present, lot), nothing
            )
            unlisted -= known
            missing |= gone
        return unlisted, frozenset(missing)

    @property
    def missing_volumes(self) -> frozenset[bytes]:
        """Ids of volumes found missing by the last `adopt_unlisted`."""
        return self._missing

    def _adopt(self, info: ObjectInfo) -> tuple[VolumeRecord, list[BlobRecord]] | None:
        try:
            volume, blobs = read_directory(self._backend, self._keyring, info)
        except ObjectNotFound:
            return None
        except DamageError as error:
            self.problems.append(error)
            return None
        frames = frame_locations(volume)
        self._loose_volumes[info.name] = volume
        for blob in blobs:
            self._loose[blob.prefix] = place_blob(frames, blob)
        return volume, blobs

    def _find_all(self, prefix: bytes, kind: int = 0) -> Iterator[BlobLocation]:
        loose = self._loose.get(prefix) or self._beside.find(prefix)
        if loose is not None and loose.frame.volume.volume_id not in self._missing:
            yield loose
        last: list[BlobLocation] = []
        for run in self.order.likeliest(self._known(), kind):
            for location in self._places_in(run, prefix):
                if location.frame.volume.volume_id in self._missing:
                    last.append(location)
                else:
                    yield location
        yield from last

    def _places_in(self, run: StoredRun, prefix: bytes) -> Sequence[BlobLocation]:
        before = run.blocks_read
        places = self._asking(run, partial(locate_blob, prefix=prefix), _NOWHERE)
        if places:
            self.order.note_hit(run)
            if run.blocks_read != before:
                self._beside.note_block(places[0])
        return places

    def _asking(
        self, run: StoredRun, ask: Callable[[StoredRun], _Result], otherwise: _Result
    ) -> _Result:
        try:
            return ask(run)
        except ObjectNotFound:
            self._drop_missing(run)
        except DamageError as error:
            self._drop(run, error)
        return otherwise

    def _drop_missing(self, run: StoredRun) -> None:
        with self._lock:
            if not self._is_listed:
                self.refresh()
                return
            before = {other.name for other in self._runs or []}
            problem = DamageError(
                f"index run {run.name} is missing", object_name=run.name
            )
            self._drop(run, problem)
            # A run that vanished because another one replaces it is no damage.
            if {other.name for other in self._runs or []} - before:
                self.problems.remove(problem)

    def _drop(self, run: StoredRun, problem: DamageError) -> None:
        with self._lock:
            if run.name in self._dropped:
                return
            self.problems.append(problem)
            self._dropped.add(run.name)
            self._runs = [other for other in self._runs or [] if other is not run]
            self._has_read_directories = False
            self.refresh()

    def _drop_replaced(self) -> None:
        replaced: set[bytes] = set()
        for run in list(self._runs or []):
            fence = self._asking(run, lambda run: run.fence, None)
            if fence is not None:
                replaced.update(fence.replaces)
        self._runs = [
            run
            for run in self._runs or []
            if names.hash_in_name(run.name) not in replaced
        ]
