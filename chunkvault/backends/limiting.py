"""A wrapper that bounds requests at once and bytes per second."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from chunkvault.backends.base import (
    Backend,
    ObjectInfo,
    can_list_after,
    list_after,
)
from chunkvault.backends.pace import Pace
from chunkvault.backends.upkeep import Upkeep, upkeep_of

__all__ = ["LimitingBackend"]

_Data = bytes | bytearray | memoryview


class LimitingBackend:
    """Lets so many calls through at once, and bytes at a pace.

    A backend whose attribute ``is_paced`` is true keeps the pace by itself, in
    pieces. For others a whole object is paid for: before it is sent, after it came.
    A listing takes a connection only while its next line is fetched, so that who
    reads it may call other verbs meanwhile.
    """

    def __init__(
        self, inner: Backend, connections: int, upload_pace: Pace, download_pace: Pace
    ) -> None:
        is_paced = getattr(inner, "is_paced", False)
        self._inner = inner
        self._upload_pace = Pace() if is_paced else upload_pace
        self._download_pace = Pace() if is_paced else download_pace
        # SimpleQueue rather than a semaphore: a signal handler that raises
        # cannot leave it half locked.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(max(1, connections)):
            self._places.put(None)

    def put(self, name: str, data: _Data) -> None:
        """Store the object once its bytes may pass."""
        self._upload_pace.take(memoryview(data).nbytes)
        with self._connection():
            self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read, and return once the bytes may pass."""
        with self._connection():
            data = self._inner.get(name, offset, length)
        self._download_pace.take(len(data))
        return data

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List the inner backend."""
        return self.list_after(prefix, "")

    @property
    def can_list_after(self) -> bool:
        """Whether the inner backend can."""
        return can_list_after(self._inner)

    def list_after(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """List the inner backend from there on, if it can."""
        lines = iter(list_after(self._inner, prefix, after))
        while (info := self._next(lines)) is not None:
            yield info

    def delete(self, name: str) -> None:
        """Delete the object."""
        with self._connection():
            self._inner.delete(name)

    def close(self) -> None:
        """Close the inner backend."""
        self._inner.close()

    def upkeep(self) -> Upkeep | None:
        """What the inner backend offers to those who clean up."""
        return upkeep_of(self._inner)

    def _next(self, lines: Iterator[ObjectInfo]) -> ObjectInfo | None:
        with self._connection():
            return next(lines, None)

    @contextmanager
    def _connection(self) -> Iterator[None]:
        self._places.get()
        try:
            yield
        finally:
            self._places.put(None)
