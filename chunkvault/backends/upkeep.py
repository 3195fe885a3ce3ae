"""What a store may tell, beyond the five verbs, to those who clean up.

Interrupted runs leave things that no listing of objects shows: parts of uploads that
were never finished, temporary files. A backend that knows of such things has a method
``upkeep()``, and a wrapper hands on that of what it wraps; it is not part of the
contract, and others do without. All ages are by the store's own clock: one of a
client that is wrong must not decide about a deletion.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from chunkvault.backends.base import Backend

__all__ = [
    "ABANDONED_S",
    "AgedObject",
    "Leftover",
    "LeftoverKind",
    "Upkeep",
    "age_of",
    "is_abandoned",
    "server_time",
    "upkeep_of",
]

ABANDONED_S = 24 * 3600.0
"""What nobody has touched for so long belongs to nobody any more."""


class LeftoverKind(StrEnum):
    """What an interrupted run left."""

    UPLOAD = "uploads"
    FILE = "files"


class Leftover(NamedTuple):
    """Something that takes space and is no object.

    Attributes:
        kind: what it is.
        name: of the object that was to come of it, or of the file itself.
        size: bytes that it takes, as far as the store says.
        is_abandoned: whether nobody works at it any more.
        handle: what the backend needs to find it again.
    """

    kind: LeftoverKind
    name: str
    size: int
    is_abandoned: bool
    handle: tuple[str, ...] = ()


class AgedObject(NamedTuple):
    """An object in a listing, and for how long it has been there.

    Attributes:
        name: of the object.
        size: its bytes.
        age_s: seconds by the store's clock; None if the store does not say.
    """

    name: str
    size: int
    age_s: float | None


class Upkeep(Protocol):
    """What a backend offers to those who clean up. One thread at a time."""

    def leftovers(self) -> Iterator[Leftover]:
        """All that interrupted runs left below the backend's place."""

    def remove(self, leftover: Leftover) -> bool:
        """Remove one of them, unless somebody works at it.

        Returns:
            False if it stays after all.

        Raises:
            AccessDenied: the storage does not permit it.
        """

    def aged(self, prefix: str) -> Iterator[AgedObject]:
        """List objects as `Backend.list` does, with their ages."""


def upkeep_of(backend: Backend) -> Upkeep | None:
    """What a backend offers to those who clean up, if it offers anything.

    Raises:
        AccessDenied: nothing can be removed from this kind of storage.
    """
    method = getattr(backend, "upkeep", None)
    if method is None:
        return None
    upkeep: Upkeep | None = method()
    return upkeep


def is_abandoned(age_s: float | None) -> bool:
    """Whether something of this age is nobody's; never if the age is not known."""
    return age_s is not None and age_s >= ABANDONED_S


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """The clock of a server, by the ``Date`` of its answer (RFC 9110, 6.6.1)."""
    said = next((headers[name] for name in headers if name.lower() == "date"), "")
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def age_of(since: datetime, now: datetime | None) -> float | None:
    """Seconds from one time to another one of the same clock."""
    return None if now is None else (now - since).total_seconds()
