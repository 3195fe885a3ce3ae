"""How long to go on when a store does not answer: one account for all threads.

A pause is drawn between nothing and a bound that doubles ("full jitter", Marc
Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015), so that
clients that were cut off together do not come back together. What a store asks
for in ``Retry-After`` comes on top. The end is not a number of attempts: it is a
time during which nothing worked, whoever tried.
"""

from collections.abc import Callable
from threading import Lock

from chunkvault.backends.clock import Clock
from chunkvault.errors import StorageUnreachable

__all__ = ["BUDGET_S", "FIRST_BUDGET_S", "Patience"]

BUDGET_S = 15 * 60.0
"""How long nothing may work."""

FIRST_BUDGET_S = 60.0
"""The same before anything has worked: the name of the host may be wrong."""

_MIN_ATTEMPTS = 2
"""A request that takes longer than the whole budget is made again, once."""

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 120.0
_LONGEST_RETRY_AFTER_S = 300.0
_TELL_AFTER_S = 5.0
_SILENCE_S = 60.0


class Patience:
    """Knows since when a store has not answered, and waits.

    Attributes:
        doubts: how often the store was out of sight, in an outage or in a long
            silence: each time it may have come back as another one.
    """

    def __init__(self, store: str, clock: Clock, tell: Callable[[str], None]) -> None:
        """Begin with a store that has not answered yet.

        Args:
            store: its location as it may be shown.
            clock: what to wait with.
            tell: takes a sentence for people, once for each outage.
        """
        self._store = store
        self._clock = clock
        self._tell = tell
        self._lock = Lock()
        self._has_worked = False
        self._outage_since_s: float | None = None
        self._was_told = False
        self._last_answer_s = clock.now_s()
        self.doubts = 0

    def begin(self) -> None:
        """A call begins: note whether there was silence before it."""
        now_s = self._clock.now_s()
        with self._lock:
            if now_s - self._last_answer_s > _SILENCE_S:
                self.doubts += 1

    def answered(self) -> None:
        """The store did its part: progress for everybody."""
        now_s = self._clock.now_s()
        with self._lock:
            is_news, self._was_told = self._was_told, False
            self._has_worked = True
            self._last_answer_s = now_s
            self._outage_since_s = None
        if is_news:
            self._tell(f"{self._store} answers again")

    def wait(self, what: str, failures: int, error: StorageUnreachable) -> None:
        """Wait before the next attempt.

        Args:
            what: verb and object, for the message of the end.
            failures: how many attempts of this call failed.
            error: what the last one ended with.

        Raises:
            StorageUnreachable: nothing worked for too long.
            Interrupted: the process was asked to end.
        """
        outage_s, left_s = self._account()
        if left_s <= 0 and failures >= _MIN_ATTEMPTS:
            raise self._give_up(what, failures, outage_s, error) from error
        # The last attempt is made when the time is over, not long before.
        pause_s = min(self._pause(failures, error), max(left_s, _FIRST_PAUSE_S))
        self._tell_once(outage_s + pause_s, left_s, error)
        self._clock.wait(pause_s)
        with self._lock:  # only now: who looked meanwhile saw an earlier state
            self.doubts += 1

    def _account(self) -> tuple[float, float]:
        """For how long nothing has worked, and how long to go on."""
        now_s = self._clock.now_s()
        with self._lock:
            if self._outage_since_s is None:
                self._outage_since_s = now_s
            outage_s = now_s - self._outage_since_s
            budget_s = BUDGET_S if self._has_worked else FIRST_BUDGET_S
            return outage_s, budget_s - outage_s

    def _pause(self, failures: int, error: StorageUnreachable) -> float:
        # 128 s is beyond the longest pause; no need for huge numbers.
        bound_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * (1 << min(failures - 1, 7)))
        asked_s = min(max(error.retry_after_s or 0.0, 0.0), _LONGEST_RETRY_AFTER_S)
        return asked_s + bound_s * self._clock.fraction()

    def _tell_once(
        self, outage_s: float, left_s: float, error: StorageUnreachable
    ) -> None:
        if outage_s < _TELL_AFTER_S:
            return
        with self._lock:
            was_told, self._was_told = self._was_told, True
        if not was_told:
            self._tell(
                f"{self._store} does not answer, trying again for up to"
                f" {_duration(max(left_s, 0))} ({error})"
            )

    def _give_up(
        self, what: str, failures: int, outage_s: float, error: StorageUnreachable
    ) -> StorageUnreachable:
        return StorageUnreachable(
            f"could not {what} at {self._store}: {failures} attempts, no answer for"
            f" {_duration(outage_s)}; the last one: {error}",
            hint="everything stored so far is kept: check the connection and run the"
            " command again",
        )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{round(seconds)} s"
