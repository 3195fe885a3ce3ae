"""How many bytes may pass in a second: a token bucket that all threads share."""

from threading import Lock

from chunkvault.backends.clock import Clock, SystemClock

__all__ = ["SLICE_BYTES", "Pace"]

SLICE_BYTES = 64 << 10
"""A backend that can pause in the middle of an object does so after so many."""

_BURST_S = 0.25
"""What was not used in this time may be caught up with."""


class Pace:
    """Lets bytes pass at a rate. Any thread; who comes first passes first.

    A backend that moves the bytes of one object in pieces asks before each, and
    says so with an attribute ``is_paced = True``. For all others
    `chunkvault.backends.limiting` asks once for a whole object.
    """

    def __init__(
        self, bytes_per_s: float | None = None, clock: Clock | None = None
    ) -> None:
        """Start with an unused bucket; without a rate everything passes at once."""
        self._rate = bytes_per_s
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._free_at_s = 0.0  # when all that was let through will have passed

    @property
    def is_limited(self) -> bool:
        """Whether there is a rate at all."""
        return self._rate is not None

    def take(self, amount: int) -> None:
        """Wait until ``amount`` bytes may pass.

        Raises:
            Interrupted: the process was asked to end.
        """
        if self._rate is None or amount <= 0:
            return
        now_s = self._clock.now_s()
        with self._lock:
            begin_s = max(self._free_at_s, now_s - _BURST_S)
            self._free_at_s = begin_s + amount / self._rate
            delay_s = self._free_at_s - now_s
        if delay_s > 0:
            self._clock.wait(delay_s)
