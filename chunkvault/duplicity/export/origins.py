"""Which snapshot each set of an archive was made from.

A set is known by the id of its snapshot, not by its time, for there may be several
snapshots in one second. The manifest of a set tells the id, and those of the sets
before it: so of many sets only one in a few dozens has its manifest read, and none
but the newest where all that is asked for is found in that one.
"""

from collections.abc import Callable, Iterable

from chunkvault.duplicity.chains import BackupSet
from chunkvault.duplicity.manifest import Manifest
from chunkvault.errors import DamageError, WrongKey

__all__ = ["SetOrigins"]

_MAX_TOLD = 64
"""How many of the sets before it a manifest tells of: some 2 kB, as ids are random."""


class SetOrigins:
    """What is known of the sets of an archive, and learnt where it is not.

    Args:
        sets: the complete ones.
        marked: what the names of files tell already: times of sets and their snapshots.
        read: gives the manifest of a set, or None if only others can read it.
    """

    def __init__(
        self,
        sets: Iterable[BackupSet] = (),
        marked: Iterable[tuple[int, bytes]] = (),
        read: Callable[[BackupSet], Manifest | None] | None = None,
    ) -> None:
        self._sets = {one.end: one for one in sets}
        self._unread = set(self._sets)
        self._read = read
        self._known: dict[int, bytes] = {}
        for end, snapshot in marked:
            self._learn(end, snapshot)

    def at(self, end: int) -> bytes | None:
        """The snapshot of a set, as far as known."""
        return self._known.get(end)

    def learn(self, end: int, manifest: Manifest) -> None:
        """Take what the manifest of a set tells."""
        self._unread.discard(end)
        if manifest.snapshot is not None:
            self._learn(end, manifest.snapshot)
        for earlier, snapshot in manifest.earlier:
            self._learn(earlier, snapshot)

    def add(self, end: int, snapshot: bytes) -> None:
        """A set has been written."""
        self._known[end] = snapshot

    def newest_own(self) -> Manifest | None:
        """The manifest of the newest set that an export wrote, if it can be read."""
        for end in sorted(self._sets, reverse=True):
            manifest = self._manifest(end)
            if manifest is not None and manifest.snapshot is not None:
                return manifest
        return None

    def holds(self, snapshot: bytes, second: int) -> bool:
        """Whether there is a set of this snapshot, whose time is in this second.

        Asked of newer snapshots first, it reads the fewest manifests.
        """
        if snapshot in self._known.values():
            return True
        # The set has its snapshot's second, or was moved behind other such sets.
        while second in self._sets:
            self._look_into(second)
            if self._known.get(second) == snapshot:
                return True
            second += 1
        return False

    def latest(self) -> tuple[tuple[int, bytes], ...]:
        """What the next manifest is to tell: times and snapshots, oldest first."""
        return tuple(sorted(self._known.items())[-_MAX_TOLD:])

    def _learn(self, end: int, snapshot: bytes) -> None:
        if end in self._sets:
            self._known.setdefault(end, snapshot)

    def _look_into(self, end: int) -> None:
        if end in self._known or end not in self._unread:
            return
        self._unread.discard(end)
        manifest = self._manifest(end)
        if manifest is not None:
            self.learn(end, manifest)

    def _manifest(self, end: int) -> Manifest | None:
        if self._read is None:
            return None
        try:
            return self._read(self._sets[end])
        except (DamageError, WrongKey):
            return None  # an older set is of no concern to what is added at the end
