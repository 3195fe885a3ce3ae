"""What a check is asked, and what it finds."""

from dataclasses import dataclass

from chunkvault.errors import DamageError, TamperingSuspected

__all__ = ["MAX_FILES", "CheckOptions", "CheckSummary", "Damage"]

MAX_FILES = 20
"""How many files are named for one damaged object; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """How thorough a check is.

    Attributes:
        read_data: whether volumes are read whole and every blob's id computed.
        read_data_subset: which part of the volumes, above 0 and up to 1; None
            for all of them.
        subset_start: where in the order of the volumes the part begins, from 0
            up to 1. Who moves it on by the size of the part each time has read
            everything in the end.
        remembered: names of snapshot objects that this machine saw earlier.
    """

    read_data: bool = False
    read_data_subset: float | None = None
    subset_start: float = 0.0
    remembered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One damaged or missing object, and what suffers from it.

    Attributes:
        object_name: on the backend; empty for blobs that no object holds.
        message: what is wrong.
        files: the first `MAX_FILES` as (short id of the newest snapshot that has
            it so, path); a directory stands for all that is below it.
        more: how many others there are.
        snapshots: short ids of all snapshots that suffer.
    """

    object_name: str
    message: str
    files: tuple[tuple[str, bytes], ...] = ()
    more: int = 0
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSummary:
    """What was looked at, and what was found.

    Attributes:
        snapshots: that could be read.
        trees: distinct directories that were read.
        files: in them; a file in several distinct directories counts for each.
        chunks: references to chunks that were looked up.
        volumes: that the index names.
        stored_bytes: of all objects.
        read_volumes: read whole.
        read_bytes: of these.
        index_runs: that are intact.
        key_slots: that are intact.
        notes: remarkable, but no damage.
        gone: snapshot objects that this machine remembers and that are not there.
        damage: by object, in the order found.
    """

    snapshots: int
    trees: int
    files: int
    chunks: int
    volumes: int
    stored_bytes: int
    read_volumes: int
    read_bytes: int
    index_runs: int
    key_slots: int
    notes: tuple[str, ...]
    gone: tuple[str, ...]
    damage: tuple[Damage, ...]

    @property
    def exit_code(self) -> int:
        """20 for damage; 21 if only snapshots are gone; 0 if all is well."""
        if self.damage:
            return DamageError.exit_code
        return TamperingSuspected.exit_code if self.gone else 0
