"""How a backend is to be opened, besides where it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chunkvault.backends.clock import Clock, SystemClock
from chunkvault.backends.habits import Habits
from chunkvault.backends.notes import Notes
from chunkvault.backends.pace import Pace
from chunkvault.backends.traffic import Traffic

__all__ = ["StorageOptions"]


def _tell_nobody(text: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """What the command line hands to a backend.

    Attributes:
        connections: how many requests may be under way at once.
        traffic: where requests and bytes are counted.
        environment: variables in which the tools of a store keep credentials;
            never shown.
        upload_pace: how fast bytes may go out, see `Pace`.
        download_pace: how fast bytes may come in.
        clock: for those who wait until a store answers again.
        habits: what is known about stores, and takes what is found out; None where
            nothing is remembered, and finding out would not pay.
        notes: what a store has told, for the next command; None where nothing may
            be kept.
        tell: takes a sentence for people, such as that a store does not answer.
    """

    connections: int = 5
    traffic: Traffic = field(default_factory=Traffic)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    upload_pace: Pace = field(default_factory=Pace)
    download_pace: Pace = field(default_factory=Pace)
    clock: Clock = field(default_factory=SystemClock)
    habits: Habits | None = None
    notes: Notes | None = field(default=None, repr=False)
    tell: Callable[[str], None] = _tell_nobody
