"""Temporary files that a killed process left behind.

Whoever writes a temporary file holds a lock on it until it is gone; the kernel
lets go of the lock when the process dies, however it dies. So a file whose lock is
free is nobody's, on every machine that shares the file system.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

__all__ = [
    "TEMPORARY_PREFIX",
    "is_free",
    "lock_temporary",
    "remove_if_free",
    "remove_leftovers",
    "temporaries",
]

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
    return sum(map(remove_if_free, temporaries(root, is_deep=is_deep)))


def temporaries(root: bytes, *, is_deep: bool = True) -> Iterator[bytes]:
    """The paths of all temporary files below a directory, or only in it."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(TEMPORARY_PREFIX):
                yield os.path.join(folder, name)
        if not is_deep:
            return


def remove_if_free(path: bytes) -> bool:
    """Remove a temporary file that nobody writes any more; whether that was done."""
    return _with_lock(path, os.unlink)


def is_free(path: bytes) -> bool:
    """Whether nobody writes a temporary file any more."""
    return _with_lock(path, lambda _: None)


def _with_lock(path: bytes, act: Callable[[bytes], None]) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_size == 0:
            return False  # its writer may not have come to lock it yet
        act(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
