"""A wrapper that logs every call, and the states a crash could have left behind.

A backend only puts and deletes whole objects. So what is on it after a crash is
what the calls that had ended did, plus any subset of the calls in flight.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from threading import Lock

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import ObjectExists

__all__ = ["Call", "CrashState", "Event", "RecordingBackend"]

_MUTATIONS = frozenset({"put", "delete"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a verb.

    Attributes:
        number: how many calls were begun before this one.
        verb: ``"put"``, ``"get"``, ``"list"`` or ``"delete"``.
        name: the object; for a listing the prefix.
        size: bytes given to a put, else 0.
        offset: of a get, else 0.
        length: of a get, ``None`` for all from there on.
    """

    number: int
    verb: str
    name: str
    size: int = 0
    offset: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A call begins (``"start"``), ends well (``"end"``) or raises (``"fail"``)."""

    phase: str
    call: Call


@dataclass(frozen=True, slots=True)
class CrashState:
    """What a crash may have left.

    Attributes:
        label: how it comes about; good as the message of a failed assertion.
        objects: what lies on the backend.
    """

    label: str
    objects: dict[str, bytes]

    def backend(self) -> MemoryBackend:
        """A fresh backend in this state."""
        return MemoryBackend(self.objects)


class RecordingBackend:
    """Passes everything on and logs it; what was there before is remembered.

    Attributes:
        events: beginnings and ends of calls, in the order they happened.
    """

    def __init__(self, inner: Backend) -> None:
        self.events: list[Event] = []
        self._inner = inner
        self._before = {info.name: inner.get(info.name) for info in inner.list("")}
        self._contents: dict[int, bytes] = {}
        self._count = 0
        self._lock = Lock()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        content = bytes(data)
        call = self._start("put", name, size=len(content), content=content)
        with _Ending(self, call):
            self._inner.put(name, content)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        call = self._start("get", name, offset=offset, length=length)
        with _Ending(self, call):
            return self._inner.get(name, offset, length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        call = self._start("list", prefix)
        with _Ending(self, call):
            yield from self._inner.list(prefix)

    def delete(self, name: str) -> None:
        call = self._start("delete", name)
        with _Ending(self, call):
            self._inner.delete(name)

    def close(self) -> None:
        self._inner.close()

    def calls(self, *verbs: str) -> tuple[Call, ...]:
        """The calls that were begun, all or those of some verbs, in order."""
        with self._lock:
            starts = [event.call for event in self.events if event.phase == "start"]
        return tuple(call for call in starts if not verbs or call.verb in verbs)

    def mutations(self) -> tuple[Call, ...]:
        """The puts and deletes that ended well, in the order they ended."""
        return tuple(
            event.call
            for event in self.events
            if event.phase == "end" and event.call.verb in _MUTATIONS
        )

    def forget(self) -> None:
        """Start over: what is there now is what was there before."""
        with self._lock:
            self._before = self._objects_after(self.mutations())
            self._contents.clear()
            self.events.clear()

    def replay(self, prefix_length: int) -> MemoryBackend:
        """What the first so many completed puts and deletes left."""
        return MemoryBackend(self._objects_after(self.mutations()[:prefix_length]))

    def replays(self) -> Iterator[MemoryBackend]:
        """`replay` of every length, from nothing done to everything done."""
        for length in range(len(self.mutations()) + 1):
            yield self.replay(length)

    def crash_states(self, max_subset_calls: int = 4) -> Iterator[CrashState]:
        """Every different state that a crash at any moment may have left.

        Args:
            max_subset_calls: with more calls than this in flight, not every
                subset is tried, but: none, all, each alone, all but each.
        """
        done: tuple[Call, ...] = ()
        in_flight: tuple[Call, ...] = ()
        seen: set[frozenset[tuple[str, bytes]]] = set()
        for position, event in enumerate((None, *self.events)):
            if event is not None:
                done, in_flight = _advance(done, in_flight, event)
            for extra in _subsets(in_flight, max_subset_calls):
                objects = self._objects_after(done + extra)
                key = frozenset(objects.items())
                if key not in seen:
                    seen.add(key)
                    yield CrashState(_label(position, done, extra), objects)

    def _objects_after(self, calls: Iterable[Call]) -> dict[str, bytes]:
        objects = dict(self._before)
        for call in calls:
            if call.verb == "put":
                objects.setdefault(call.name, self._contents[call.number])
            else:
                objects.pop(call.name, None)
        return objects

    def _start(
        self,
        verb: str,
        name: str,
        *,
        size: int = 0,
        offset: int = 0,
        length: int | None = None,
        content: bytes | None = None,
    ) -> Call:
        with self._lock:
            call = Call(self._count, verb, name, size, offset, length)
            self._count += 1
            if content is not None:
                self._contents[call.number] = content
            self.events.append(Event("start", call))
        return call

    def note_end(self, phase: str, call: Call) -> None:
        """Log how a call ended."""
        with self._lock:
            self.events.append(Event(phase, call))


class _Ending:
    """Logs the end of a call, well or not.

    A put refused because the name is taken ended well, but changed nothing, so
    it is logged as failed and never counted as done or in flight.
    """

    def __init__(self, recording: RecordingBackend, call: Call) -> None:
        self._recording = recording
        self._call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        phase = "end" if kind is None or kind is GeneratorExit else "fail"
        if kind is not None and issubclass(kind, ObjectExists):
            phase = "refused"
        self._recording.note_end(phase, self._call)


def _label(position: int, done: tuple[Call, ...], extra: tuple[Call, ...]) -> str:
    label = f"crash after event {position}, {len(done)} calls done"
    if extra:
        names = ", ".join(f"{call.verb} {call.name}" for call in extra)
        label += f", in flight and carried out: {names}"
    return label


def _advance(
    done: tuple[Call, ...], in_flight: tuple[Call, ...], event: Event
) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """Follow one event.

    A call that failed may have been carried out and only its reply lost, so it
    stays in flight for ever.
    """
    call = event.call
    if call.verb not in _MUTATIONS or event.phase == "fail":
        return done, in_flight
    if event.phase == "start":
        return done, (*in_flight, call)
    others = tuple(other for other in in_flight if other is not call)
    return ((*done, call), others) if event.phase == "end" else (done, others)


def _subsets(calls: tuple[Call, ...], max_calls: int) -> Iterator[tuple[Call, ...]]:
    sizes = set(range(len(calls) + 1))
    if len(calls) > max_calls:
        sizes = {0, 1, len(calls) - 1, len(calls)}
    return chain.from_iterable(combinations(calls, size) for size in sorted(sizes))
