"""How much a backup has before it: a quick count, for the time left."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from chunkvault.localfs.conditions import Conditions, Verdict
from chunkvault.localfs.patterns import Selection
from chunkvault.report import Progress

__all__ = ["estimate"]


def estimate(
    roots: Sequence[bytes],
    selection: Selection,
    conditions: Conditions,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> None:
    """Count entries and bytes of the files below absolute paths.

    Meant for a thread beside the backup: it writes the two totals of
    ``progress``, once it has counted everything, and nothing else. What cannot
    be read is not counted; the backup itself will tell.
    """
    files = size = 0
    for entry_bytes in _sizes(roots, selection, conditions):
        if should_stop():
            return
        files += 1
        size += entry_bytes
    progress.total_files = files
    progress.total_bytes = size


def _sizes(
    roots: Sequence[bytes], selection: Selection, conditions: Conditions
) -> Iterator[int]:
    """For each entry its bytes of content: a file's size, 0 for all others."""
    pending: list[tuple[bytes, int]] = []
    for root in roots:
        with contextlib.suppress(OSError):
            status = os.stat(root, follow_symlinks=False)
            yield status.st_size if stat.S_ISREG(status.st_mode) else 0
            if stat.S_ISDIR(status.st_mode):
                pending.append((root, status.st_dev))
    while pending:
        directory, device = pending.pop()
        for entry in _entries(directory):
            is_directory = entry.is_dir(follow_symlinks=False)
            if selection.excludes(entry.path, is_directory):
                continue
            if _is_left_out(entry, conditions, device):
                continue
            if is_directory:
                pending.append((entry.path, device))
            yield _file_bytes(entry)


def _entries(directory: bytes) -> Iterator[os.DirEntry[bytes]]:
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        yield from entries


def _is_left_out(
    entry: os.DirEntry[bytes], conditions: Conditions, device: int
) -> bool:
    if conditions.is_empty:
        return False
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return True
    verdict = conditions.verdict(entry.path, status, device)
    return verdict is Verdict.LEAVE_OUT


def _file_bytes(entry: os.DirEntry[bytes]) -> int:
    if not entry.is_file(follow_symlinks=False):
        return 0
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
