"""Notes of a store from one command to the next, which only its own key opens."""

from typing import Protocol

__all__ = ["Notes"]


class Notes(Protocol):
    """Keeps a few bytes for each place. Notes may be old, or lost at any time."""

    def recall(self, place: str, secret: str) -> bytes | None:
        """What was remembered last; None if nothing, or under another secret."""

    def remember(self, place: str, secret: str, content: bytes) -> None:
        """Keep this instead, readable with the secret alone; if that is possible."""
