"""A wrapper that tries again when a store does not answer, within reason."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Protocol, TypeVar

from chunkvault.backends.base import (
    Backend,
    ObjectInfo,
    can_list_after,
    list_after,
)
from chunkvault.backends.clock import Clock
from chunkvault.backends.patience import Patience
from chunkvault.backends.upkeep import AgedObject, Leftover, Upkeep, upkeep_of
from chunkvault.errors import (
    BackendError,
    ObjectExists,
    ObjectNotFound,
    SafetyStop,
    StorageUnreachable,
)

__all__ = ["RetryingBackend"]

_Result = TypeVar("_Result")
_Data = bytes | bytearray | memoryview

_WITNESSES = 3
"""Objects that are looked for. Somebody else may delete one or two; the first
that a command reads is the repository's config or its only key slot, which nobody
deletes. What was only put is looked for while nothing was read: it may have been
on its way when the store was emptied, and prove nothing."""


class _Repeat(Protocol):
    """Makes attempts until one is answered; see `RetryingBackend`."""

    def __call__(self, what: str, attempt: Callable[[], _Result]) -> _Result: ...


class RetryingBackend:
    """Repeats what failed with `StorageUnreachable`; everything else is an answer.

    A put whose reply was lost may have been carried out: if a later attempt finds
    the name taken, the object is read back, and equal content is success.

    When the store was out of sight, in an outage or a long silence, the next attempt
    begins with a look at an object that was there before. A store that came back
    empty, because its disk is not mounted, must not be filled anew.
    """

    def __init__(
        self, inner: Backend, store: str, clock: Clock, tell: Callable[[str], None]
    ) -> None:
        """Wrap a backend each of whose calls is one attempt.

        Args:
            inner: makes the attempts.
            store: its location as it may be shown.
            clock: for the pauses.
            tell: takes a sentence for people.
        """
        self._inner = inner
        self._store = store
        self._patience = Patience(store, clock, tell)
        self._witnesses: tuple[str, ...] = ()
        self._was_read = False  # by which witnesses are chosen
        self._lock = Lock()
        self._looking = Lock()
        self._settled_doubts = 0

    def put(self, name: str, data: _Data) -> None:
        """Store the object."""
        is_ambiguous = False

        def attempt() -> None:
            nonlocal is_ambiguous
            try:
                self._inner.put(name, data)
            except StorageUnreachable:
                is_ambiguous = True
                raise
            except ObjectExists:
                if not is_ambiguous or not self._holds(name, data):
                    raise

        self._repeat(f"store {name}", attempt)
        self._remember(name, was_read=False)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read the object, or the range."""
        data = self._repeat(
            f"read {name}", lambda: self._inner.get(name, offset, length)
        )
        self._remember(name, was_read=True)
        return data

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List; after a failure again, without the names that were given already."""
        return self.list_after(prefix, "")

    @property
    def can_list_after(self) -> bool:
        """Whether the inner backend can."""
        return can_list_after(self._inner)

    def list_after(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """List from there on, if the inner backend can."""
        seen: set[str] = set()
        failures = 0
        self._patience.begin()
        while True:
            try:
                self._look_if_in_doubt(failures)
                for info in list_after(self._inner, prefix, max(seen, default=after)):
                    if info.name not in seen:
                        failures = 0
                        self._patience.answered()
                        seen.add(info.name)
                        yield info
            except StorageUnreachable as error:
                failures += 1
                self._patience.wait(f"list {prefix or 'objects'}", failures, error)
            else:
                self._patience.answered()
                return

    def delete(self, name: str) -> None:
        """Delete the object."""
        with self._lock:
            rest = (witness for witness in self._witnesses if witness != name)
            self._witnesses = tuple(rest)
        self._repeat(f"delete {name}", lambda: self._inner.delete(name))

    def close(self) -> None:
        """Close the inner backend."""
        self._inner.close()

    def upkeep(self) -> Upkeep | None:
        """What the inner backend offers to those who clean up, with patience."""
        inner = upkeep_of(self._inner)
        return None if inner is None else _RetryingUpkeep(inner, self._repeat)

    def _repeat(self, what: str, attempt: Callable[[], _Result]) -> _Result:
        failures = 0
        self._patience.begin()
        while True:
            try:
                self._look_if_in_doubt(failures)
                result = attempt()
            except StorageUnreachable as error:
                failures += 1
                self._patience.wait(what, failures, error)
            except BackendError:
                self._patience.answered()
                raise
            else:
                self._patience.answered()
                return result

    def _holds(self, name: str, data: _Data) -> bool:
        try:
            return self._inner.get(name) == memoryview(data).cast("B")
        except ObjectNotFound:
            return False

    def _remember(self, name: str, *, was_read: bool) -> None:
        if self._was_read and (not was_read or len(self._witnesses) >= _WITNESSES):
            return
        with self._lock:
            if was_read and not self._was_read:
                self._witnesses, self._was_read = (), True
            is_new = name not in self._witnesses and was_read == self._was_read
            if is_new and len(self._witnesses) < _WITNESSES:
                self._witnesses = (*self._witnesses, name)

    def _look_if_in_doubt(self, failures: int) -> None:
        """See whether the store is still the one it was.

        Args:
            failures: how often this call failed.

        Raises:
            SafetyStop: it has nothing of what it had.
            StorageUnreachable: it does not answer; the doubt remains.
        """
        doubts = self._patience.doubts
        if self._settled_doubts >= doubts:
            return
        with self._looking:  # nobody goes on before somebody has seen it
            if self._settled_doubts >= doubts:
                return
            # Attempts of different length: a store that refuses every n-th request
            # would otherwise refuse the same one of each attempt, for ever.
            wanted = 1 + max(failures - 1, 0) % 2
            if self._witnesses and not self._count_seen(wanted):
                raise SafetyStop(
                    f"{self._store} came back without what was there before",
                    hint="see whether the right disk or bucket is there again, then"
                    " run the command again",
                )
            self._settled_doubts = doubts

    def _count_seen(self, wanted: int) -> int:
        """How many witnesses are there; no more than these are asked for."""
        seen = 0
        for name in (*self._witnesses, *self._witnesses[:1]):
            try:
                seen += self._sees(name)
            except StorageUnreachable:
                if not seen:
                    raise
                break  # one is proof enough
            if seen == wanted:
                break
        return seen

    def _sees(self, name: str) -> bool:
        try:
            self._inner.get(name, 0, 1)
        except ObjectNotFound:
            return False
        return True


class _RetryingUpkeep:
    """A listing that breaks is made again from the beginning: it is held meanwhile."""

    def __init__(self, inner: Upkeep, repeat: _Repeat) -> None:
        self._inner = inner
        self._repeat = repeat

    def leftovers(self) -> Iterator[Leftover]:
        return iter(self._repeat("list leftovers", lambda: [*self._inner.leftovers()]))

    def remove(self, leftover: Leftover) -> bool:
        what = f"remove {leftover.name}"
        return self._repeat(what, lambda: self._inner.remove(leftover))

    def aged(self, prefix: str) -> Iterator[AgedObject]:
        what = f"list {prefix or 'objects'}"
        return iter(self._repeat(what, lambda: [*self._inner.aged(prefix)]))
