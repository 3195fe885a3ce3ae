"""A clock that only moves when somebody waits for it."""

from collections.abc import Callable
from threading import RLock

__all__ = ["FakeClock"]


class FakeClock:
    """Waits take no time, and are remembered.

    Attributes:
        now: what `now_s` gives.
        waits: how long each wait was.
        on_wait: called in every wait, after time has moved.
    """

    def __init__(self, *, fraction: float = 1.0) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None
        self._fraction = fraction
        self._lock = RLock()

    def now_s(self) -> float:
        with self._lock:
            return self.now

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.now += seconds
            self.on_wait()  # meanwhile no other wait ends

    def fraction(self) -> float:
        return self._fraction
