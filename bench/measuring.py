"""Runs one command and measures it: wall time, CPU time, peak memory."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SAMPLING_INTERVAL_S = 0.02


class CommandFailed(Exception):
    """A command that was measured did not succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run of a command took.

    Attributes:
        wall_s: seconds from start to end.
        cpu_s: seconds of processor time, user and system, of all its processes.
        peak_bytes: most memory that any one of its processes had resident.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int


def measure(
    command: Sequence[str], environment: Mapping[str, str], log: BinaryIO
) -> Cost:
    """Run the command to its end, its output to ``log``.

    Raises:
        CommandFailed: it ended with something else than 0.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    watcher = _MemoryWatcher(process.pid)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.stop()
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_bytes=max(watcher.peak_bytes, usage.ru_maxrss * 1024),
    )


class _MemoryWatcher(threading.Thread):
    """Samples the high-water marks of a process and all below it.

    The kernel's own account (``ru_maxrss``) covers only processes that were waited
    for; the samples add those that outlive their parent or are never reaped.
    """

    def __init__(self, root_pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._root_pid = root_pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(SAMPLING_INTERVAL_S):
            for pid in _descendants(self._root_pid):
                self.peak_bytes = max(self.peak_bytes, _high_water_mark(pid))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _descendants(pid: int) -> list[int]:
    """The process and all below it that exist right now."""
    found = [pid]
    for current in found:
        for children in Path(f"/proc/{current}/task").glob("*/children"):
            found.extend(map(int, _read(children).split()))
    return found


def _high_water_mark(pid: int) -> int:
    """Most bytes the process had resident so far; 0 where it is gone."""
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has just ended
        return ""


def stored_bytes(folder: Path) -> int:
    """Sum of the sizes of all files below a folder."""
    return sum(
        (Path(parent) / name).lstat().st_size
        for parent, _, names in os.walk(folder)
        for name in names
    )
