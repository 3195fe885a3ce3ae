"""Runs one command and measures it: wall time, CPU time, peak memory."""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["CommandFailed", "Cost", "measure", "stored_bytes"]

SAMPLING_INTERVAL_S = 0.02
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_TAIL_CHARACTERS = 600


class CommandFailed(Exception):
    """A command that was measured did not succeed; says how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run of a command took.

    Attributes:
        wall_s: seconds from start to end.
        cpu_s: seconds of processor time, user and system, of all its processes.
        peak_bytes: most memory that all its processes together had resident at
            one moment; pages that they share count for each of them. 0 where it
            ended before anybody could look.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int


def measure(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes],
    log: Path,
) -> Cost:
    """Run the command to its end; what it complains about goes to ``log``.

    Raises:
        CommandFailed: it could not be started, or ended with something else
            than 0; with the end of what it complained about.
    """
    with log.open("wb") as complaints:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complaints,
            )
        except OSError as error:
            raise CommandFailed(f"{command[0]}: {error.strerror}") from error
        watcher = _MemoryWatcher(process.pid)
        watcher.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.stop()
    if process.returncode != 0:
        raise CommandFailed(_failure(command, process.returncode, log))
    return Cost(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_bytes=max(watcher.peak_bytes, _kernel_account(usage.ru_maxrss)),
    )


def _kernel_account(largest_kb: int) -> int:
    """The kernel's own account of the largest process, where it can be believed.

    A new process counts as being as large as the one that started it, which is
    this one, until it has become another program.
    """
    own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest_kb * 1024 if largest_kb > own_kb else 0


def _failure(command: Sequence[str], code: int, log: Path) -> str:
    said = log.read_text(errors="replace").strip()[-_TAIL_CHARACTERS:]
    return f"{' '.join(command)} ended with {code}: {said or 'without a word'}"


class _MemoryWatcher(threading.Thread):
    """Samples what a process and all below it have resident, added up.

    The kernel's own account (``ru_maxrss``) is of the largest single process; a
    program that works with several is only seen as a whole by looking.
    """

    def __init__(self, root_pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._root_pid = root_pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(SAMPLING_INTERVAL_S):
            total = sum(map(_resident_bytes, _descendants(self._root_pid)))
            self.peak_bytes = max(self.peak_bytes, total)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _descendants(pid: int) -> list[int]:
    """The process and all below it that exist right now."""
    found = [pid]
    for current in found:
        with suppress(OSError):  # it has just ended
            for children in Path(f"/proc/{current}/task").glob("*/children"):
                found.extend(map(int, _read(children).split()))
    return found


def _resident_bytes(pid: int) -> int:
    """What the process has in memory; 0 where it is gone."""
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * _PAGE_BYTES if fields else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has just ended
        return ""


def stored_bytes(folder: Path) -> int:
    """Sum of the sizes of all files below a folder; 0 where there is none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            total += (Path(parent) / name).lstat().st_size
    return total
