"""A wrapper that counts calls and bytes, for summaries and for tests of cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from chunkvault.backends.base import (
    Backend,
    ObjectInfo,
    can_list_after,
    list_after,
)
from chunkvault.backends.upkeep import Upkeep, upkeep_of

__all__ = ["CountingBackend", "Counts"]


@dataclass(slots=True)
class Counts:
    """What went over the wire.

    Attributes:
        puts: objects stored, or tried to.
        gets: objects and ranges read, or tried to.
        lists: listings begun.
        deletes: objects deleted, or tried to.
        put_bytes: bytes stored with success.
        get_bytes: bytes read.
    """

    puts: int = 0
    gets: int = 0
    lists: int = 0
    deletes: int = 0
    put_bytes: int = 0
    get_bytes: int = 0


class CountingBackend:
    """Passes everything on, and counts it.

    Attributes:
        counts: the counters; read them at any time.
    """

    def __init__(self, inner: Backend) -> None:
        self.counts = Counts()
        self._inner = inner
        self._lock = Lock()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Count the call, then the bytes if it succeeds."""
        self._add(puts=1)
        self._inner.put(name, data)
        self._add(put_bytes=memoryview(data).nbytes)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Count the call, then the bytes that came."""
        self._add(gets=1)
        data = self._inner.get(name, offset, length)
        self._add(get_bytes=len(data))
        return data

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Count the call; what it lists is not counted."""
        return self.list_after(prefix, "")

    @property
    def can_list_after(self) -> bool:
        """Whether the inner backend can."""
        return can_list_after(self._inner)

    def list_after(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """Count the call, as any other listing."""
        self._add(lists=1)
        return list_after(self._inner, prefix, after)

    def delete(self, name: str) -> None:
        """Count the call."""
        self._add(deletes=1)
        self._inner.delete(name)

    def close(self) -> None:
        """Close the inner backend; the counters stay."""
        self._inner.close()

    def upkeep(self) -> Upkeep | None:
        """What the inner backend offers to those who clean up."""
        return upkeep_of(self._inner)

    def _add(self, **amounts: int) -> None:
        with self._lock:
            for counter, amount in amounts.items():
                setattr(self.counts, counter, getattr(self.counts, counter) + amount)
