"""What was found out about stores, and need not be found out again."""

from collections.abc import Mapping
from threading import Lock
from typing import Self

__all__ = ["Habits"]

_MAX_PLACES = 1000


class Habits:
    """Knows which places heed the condition of a put. Any thread.

    Attributes:
        is_changed: something was found out since the beginning.
    """

    def __init__(self, known: Mapping[str, bool] | None = None) -> None:
        self.is_changed = False
        self._known = dict(known or {})
        self._lock = Lock()

    def heeds_conditions(self, place: str) -> bool | None:
        """Whether a put that must not replace anything never does; None: unknown."""
        return self._known.get(place)

    def note(self, place: str, *, heeds: bool) -> None:
        """It was seen that a place does, or does not."""
        with self._lock:
            if self._known.get(place) != heeds:
                self._known[place] = heeds
                self.is_changed = True

    def to_text(self) -> str:
        """A line for each place, those found out last at the end."""
        with self._lock:
            known = list(self._known.items())[-_MAX_PLACES:]
        words = ((("ignores", "heeds")[heeds], place) for place, heeds in known)
        return "".join(f"{word} {place}\n" for word, place in words)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Undo `to_text`; lines that make no sense are passed over."""
        words = (line.partition(" ") for line in text.splitlines())
        return cls(
            {
                place: word == "heeds"
                for word, _, place in words
                if word in {"heeds", "ignores"} and place
            }
        )
