"""What every source that changes from snapshot to snapshot has in common."""

from pathlib import Path
from typing import Protocol

__all__ = ["History"]


class History(Protocol):
    """A source with versions. Made from a seed, each run makes the same ones."""

    @property
    def file(self) -> Path:
        """The file of the source that is restored by date."""

    def advance(self, number: int) -> None:
        """Bring the source from the version before to this one; 0 makes it."""

    def content(self) -> bytes:
        """What `file` holds right now, to check what is restored."""
