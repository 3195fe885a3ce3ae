"""Backends that fail and backends that lie."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.errors import ObjectNotFound

__all__ = ["VERBS", "CorruptingBackend", "FaultyBackend"]

VERBS = ("put", "get", "list", "delete")


@dataclass(frozen=True, slots=True)
class _Fault:
    """An error to raise; ``is_done`` means that only the reply is lost."""

    error: BaseException
    is_done: bool = False


class FaultyBackend:
    """Passes calls on, except where it was told to fail.

    Attributes:
        call_count: how many calls were made, failed ones included.
    """

    def __init__(self, inner: Backend) -> None:
        self.call_count = 0
        self._inner = inner
        self._queued: dict[str, deque[_Fault]] = {verb: deque() for verb in VERBS}
        self._numbered: dict[int, _Fault] = {}
        self._for_ever: tuple[int, _Fault] | None = None
        self._lock = Lock()

    def fail_next(self, verb: str, error: BaseException) -> None:
        """The next call of the verb raises and does nothing; repeat to queue more."""
        self._queued[verb].append(_Fault(error))

    def lose_next_reply(self, verb: str, error: BaseException) -> None:
        """The next call of the verb is carried out, then raises."""
        self._queued[verb].append(_Fault(error, is_done=True))

    def fail_call(
        self, number: int, error: BaseException, *, is_done: bool = False
    ) -> None:
        """The call of this number (the first is 1, all verbs count) raises, once."""
        self._numbered[number] = _Fault(error, is_done)

    def fail_from(self, number: int, error: BaseException) -> None:
        """Every call from this number on raises, until `recover`."""
        self._for_ever = (number, _Fault(error))

    def recover(self) -> None:
        """No more faults."""
        self._for_ever = None
        self._numbered.clear()
        for queue in self._queued.values():
            queue.clear()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        fault = self._next_fault("put")
        if _is_carried_out(fault):
            self._inner.put(name, data)
        _raise(fault)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        _raise(self._next_fault("get"))
        return self._inner.get(name, offset, length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        _raise(self._next_fault("list"))
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        fault = self._next_fault("delete")
        if _is_carried_out(fault):
            self._inner.delete(name)
        _raise(fault)

    def close(self) -> None:
        self._inner.close()

    def _next_fault(self, verb: str) -> _Fault | None:
        with self._lock:
            self.call_count += 1
            if self._for_ever is not None and self.call_count >= self._for_ever[0]:
                return self._for_ever[1]
            if self.call_count in self._numbered:
                return self._numbered.pop(self.call_count)
            return self._queued[verb].popleft() if self._queued[verb] else None


class CorruptingBackend:
    """Gives back something else than what was stored; listings stay true.

    ``transform(name, data)`` gets the whole object, also for a ranged get;
    ``None`` makes the object absent.
    """

    def __init__(
        self, inner: Backend, transform: Callable[[str, bytes], bytes | None]
    ) -> None:
        self._inner = inner
        self._transform = transform

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        data = self._transform(name, self._inner.get(name))
        if data is None:
            raise ObjectNotFound(f"there is no object {name}")
        return data[offset : None if length is None else offset + length]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def close(self) -> None:
        self._inner.close()


def _is_carried_out(fault: _Fault | None) -> bool:
    return fault is None or fault.is_done


def _raise(fault: _Fault | None) -> None:
    if fault is not None:
        raise fault.error
