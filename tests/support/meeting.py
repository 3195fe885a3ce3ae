"""A backend that shows how many calls are under way at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock

from chunkvault.backends.base import Backend, ObjectInfo

__all__ = ["MeetingBackend"]

_TIMEOUT_S = 30


class MeetingBackend:
    """Passes calls on; the first ones wait until so many are there together.

    Attributes:
        most: how many calls were under way at once, at most.
        is_met: whether so many ever were; after that nobody waits any more.
    """

    def __init__(self, inner: Backend, verb: str, together: int, prefix: str) -> None:
        """Wrap a backend.

        Args:
            inner: where calls are passed on to.
            verb: ``put`` or ``get``: the calls that meet.
            together: how many have to come.
            prefix: of the names that count.
        """
        self.most = 0
        self._inner = inner
        self._verb = verb
        self._together = together
        self._prefix = prefix
        self._inside = 0
        self._met = Event()
        self._lock = Lock()

    @property
    def is_met(self) -> bool:
        return self._met.is_set()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        with self._meeting("put", name):
            self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._meeting("get", name):
            return self._inner.get(name, offset, length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def close(self) -> None:
        self._inner.close()

    @contextmanager
    def _meeting(self, verb: str, name: str) -> Iterator[None]:
        if verb != self._verb or not name.startswith(self._prefix):
            yield
            return
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
            if self._inside >= self._together:
                self._met.set()
        try:
            assert self._met.wait(_TIMEOUT_S), f"{self.most} calls, no more came"
            yield
        finally:
            with self._lock:
                self._inside -= 1
