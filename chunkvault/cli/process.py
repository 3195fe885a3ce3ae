"""What the process as a whole is set to: signals, limits, secrecy."""

import contextlib
import gc
import os
import resource
import signal
from types import FrameType

from chunkvault.backends.clock import Interruption
from chunkvault.errors import Interrupted

__all__ = [
    "INTERRUPTION",
    "calm_collector",
    "forbid_inspection",
    "install_signal_handlers",
    "keep_freed_memory",
    "set_limits",
]

INTERRUPTION = Interruption()
"""Where threads that wait for a store learn that the process was asked to end."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = b"\x1b[?25h"
_PR_SET_DUMPABLE = 4
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def install_signal_handlers() -> None:
    """The first signal raises `Interrupted` in the main thread, a second one ends.

    A signal that is ignored (``nohup``) stays ignored.
    """
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        del frame
        if seen:
            with contextlib.suppress(OSError):
                if os.isatty(2):
                    os.write(2, _SHOW_CURSOR)  # a progress bar may have hidden it
            os._exit(128 + number)
        seen.append(number)
        INTERRUPTION.request(number)
        raise Interrupted(number)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def set_limits() -> None:
    """No core dumps, which would hold keys; as many open files as are permitted."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def calm_collector() -> None:
    """Look for cycles of garbage rarely: trees are millions of tuples without any.

    With Python's default, decoding a tree takes half as long again.
    """
    gc.set_threshold(100_000, 20, 20)


def forbid_inspection() -> None:
    """Keep other processes of this user from reading our memory, where possible."""
    import ctypes  # takes longer to load than --help may take

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def keep_freed_memory() -> None:
    """Have buffers of megabytes reused rather than returned to the system.

    By default the C library maps each of them afresh, and the page faults cost
    more than cipher and hash together: a quarter of the time of a first backup
    (docs/decisions/0003).

    All threads share one heap. By default each has its own, and what one has freed is
    of no use to the others: an import of 80,000 files held 120 MB so, and more with
    every backup set.
    """
    import ctypes  # as above

    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, 64 << 20)
        library.mallopt(_M_TRIM_THRESHOLD, 128 << 20)
        library.mallopt(_M_ARENA_MAX, 1)
