"""What a command will ask a far store, asked before it needs the answers.

The stretching of the password alone takes longer than all of these requests. None
is made that would not be made later, with one exception: a backup that turns out
not to need a listing of volumes has asked for its first page. A backup lists nearly
all there is, so where that is not much one listing of everything takes the place of
four.
"""

from collections.abc import Callable, Sequence
from functools import partial

from chunkvault.backends.base import Backend, ObjectInfo, can_list_after
from chunkvault.backends.foreseeing import ForeseeingBackend
from chunkvault.format import names
from chunkvault.repository.recollection import Recollection

__all__ = ["look_ahead"]

_SHORT_RUN_BYTES = 256 << 10
_FEW_VOLUMES_BYTES = 256 << 10
"""With index runs so short there are hardly more volumes than one page lists."""

_FEW_OBJECTS_BYTES = 4 << 20
"""With index runs so short there are hardly more objects than one page lists."""


def look_ahead(
    backend: Backend,
    known: Recollection | None,
    *,
    writes: bool,
    connections: int,
    contents: bool = True,
) -> ForeseeingBackend:
    """The backend, with the first requests of a command under way.

    Args:
        backend: where the repository is.
        known: what this machine remembers, which makes some requests needless.
        writes: a backup follows; otherwise something is read from a snapshot.
        connections: requests that may be under way at once.
        contents: of what is read, contents of files are wanted, too; for snapshots
            and trees alone the index is not asked.
    """
    ahead = ForeseeingBackend(backend, connections)
    if known is not None and writes and _is_small(known):
        ahead.foresee(known.slot)
        ahead.foresee_lists(
            (names.SNAPSHOTS, names.INDEX, *names.VOLUME_FOLDERS.values())
        )
        return ahead
    if known is None and not writes and can_list_after(backend):
        _foresee_names(ahead, contents=contents)
        return ahead
    if known is None and writes:
        ahead.foresee(names.CONFIG)
        ahead.foresee_list(names.KEYS, lambda slots: _foresee_slots(ahead, slots))
    elif known is None:
        ahead.foresee_list(names.KEYS, lambda slots: _foresee_opening(ahead, slots))
    else:
        ahead.foresee(known.slot)
    ahead.foresee_list(names.SNAPSHOTS)
    if writes:
        ahead.foresee_list(names.INDEX, lambda runs: _foresee_volumes(ahead, runs))
    elif known is None and contents:
        ahead.foresee_list(names.INDEX, lambda runs: _foresee_runs(ahead, runs))
    return ahead


def _is_small(known: Recollection) -> bool:
    return sum(run.size for run in known.runs) <= _FEW_OBJECTS_BYTES


def _foresee_names(ahead: ForeseeingBackend, *, contents: bool) -> None:
    """Three folders that stand side by side among the names: one listing."""
    folders = (names.INDEX, names.KEYS, names.SNAPSHOTS)
    then: dict[str, Callable[[Sequence[ObjectInfo]], object]] = {
        names.KEYS: partial(_foresee_opening, ahead)
    }
    if contents:
        then[names.INDEX] = partial(_foresee_runs, ahead)
    ahead.foresee_row(folders, names.CONFIG, then)


def _foresee_slots(ahead: ForeseeingBackend, slots: Sequence[ObjectInfo]) -> None:
    """The first is tried first, and mostly the only one."""
    if slots:
        ahead.foresee(min(slots).name)


def _foresee_opening(ahead: ForeseeingBackend, slots: Sequence[ObjectInfo]) -> None:
    """As `open_repository` does that only glances."""
    if len(slots) != 1:
        ahead.foresee(names.CONFIG)
    _foresee_slots(ahead, slots)


def _foresee_runs(ahead: ForeseeingBackend, runs: Sequence[ObjectInfo]) -> None:
    """Of several only some may be needed, and of long ones only parts."""
    if len(runs) == 1 and runs[0].size <= _SHORT_RUN_BYTES:
        ahead.foresee(runs[0].name)


def _foresee_volumes(ahead: ForeseeingBackend, runs: Sequence[ObjectInfo]) -> None:
    if sum(run.size for run in runs) <= _FEW_VOLUMES_BYTES:
        for folder in names.VOLUME_FOLDERS.values():
            ahead.foresee_list(folder)
