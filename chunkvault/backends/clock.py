"""Time for those who wait: given to them, so that tests need not wait.

`SystemClock` is the real one. A wait ends at once when the process is asked to end:
its `Interruption` may be told so by a signal handler.
"""

import os
import time
from queue import Empty, SimpleQueue
from typing import Protocol

from chunkvault.errors import Interrupted

__all__ = ["Clock", "Interruption", "SystemClock"]


class Clock(Protocol):
    """What a wait needs; every method may be called by any thread."""

    def now_s(self) -> float:
        """Seconds since some moment; time that the machine sleeps need not count."""

    def wait(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            Interrupted: the process was asked to end, before or meanwhile.
        """

    def fraction(self) -> float:
        """A random number from 0 up to, but not including, 1."""


class Interruption:
    """The news that the process was asked to end.

    Built on SimpleQueue: what a signal handler does to an Event can stop its thread
    for ever, if the signal comes at the wrong moment.
    """

    def __init__(self) -> None:
        self._signal_number = 0
        self._news: SimpleQueue[None] = SimpleQueue()

    def request(self, signal_number: int) -> None:
        """End all waits, those that are yet to begin included."""
        self._signal_number = signal_number
        self._news.put(None)

    def wait(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            Interrupted: the process was asked to end, before or meanwhile.
        """
        try:
            self._news.get(timeout=max(seconds, 0))
        except Empty:
            return
        self._news.put(None)  # for the next one who waits
        raise Interrupted(self._signal_number)


class SystemClock:
    """The machine's clock and its randomness."""

    def __init__(self, interruption: Interruption | None = None) -> None:
        self._interruption = interruption or Interruption()

    def now_s(self) -> float:
        """Seconds during which the machine was awake."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep; see `Clock`."""
        self._interruption.wait(seconds)

    def fraction(self) -> float:
        """53 random bits behind the point."""
        return (int.from_bytes(os.urandom(7), "little") >> 3) / (1 << 53)
