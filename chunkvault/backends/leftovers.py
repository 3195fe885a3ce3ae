"""Temporary files that a killed process left behind.

Whoever writes a temporary file holds a lock on it until it is gone; the kernel
lets go of the lock when the process dies, however it dies. So a file whose lock is
free is nobody's, on every machine that shares the file system.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress

__all__ = ["TEMPORARY_PREFIX", "lock_temporary", "remove_leftovers"]

TEMPORARY_PREFIX = b".tmp-"


def lock_temporary(descriptor: int) -> None:
    """Say that the file is being written; before its first byte.

    A file system without locks is fine: its leftovers stay.
    """
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_leftovers(root: bytes, *, is_deep: bool = True) -> int:
    """Remove the temporary files below a directory that nobody writes any more.

    Args:
        root: the directory.
        is_deep: whether to look into the directories in it, too.

    Returns:
        How many there were. What cannot be removed stays, without an error.
    """
    return sum(map(_remove_if_free, _temporaries(root, is_deep=is_deep)))


def _temporaries(root: bytes, *, is_deep: bool) -> Iterator[bytes]:
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(TEMPORARY_PREFIX):
                yield os.path.join(folder, name)
        if not is_deep:
            return


def _remove_if_free(path: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_size == 0:
            return False  # its writer may not have come to lock it yet
        os.unlink(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
