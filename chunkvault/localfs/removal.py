"""Removing entries below the target, however deep, without following a link."""

import errno
import os
from contextlib import suppress

from chunkvault.localfs.directories import Directory, DirectoryCache, make_usable
from chunkvault.localfs.paths import join_path, split_path

__all__ = ["count_entries", "remove_entry"]


def remove_entry(directories: DirectoryCache, path: bytes) -> int:
    """Remove what is at a path and all below it; returns the number of entries.

    Nothing there is no error. What is mounted below the path is not touched.

    Raises:
        UnsafePath: the path is no path below the root.
        OSError: something cannot be removed; other entries may be gone by then.
    """
    above, name = split_path(path)
    try:
        with directories.hold(above) as parent:
            if _unlink(parent, name):
                return 1
            device = os.fstat(parent.descriptor).st_dev
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return _remove_tree(directories, path, device)


def count_entries(directories: DirectoryCache, path: bytes) -> int:
    """How many entries `remove_entry` would remove."""
    above, name = split_path(path)
    with (
        suppress(FileNotFoundError, NotADirectoryError),
        directories.hold(above) as parent,
    ):
        os.stat(name, dir_fd=parent.descriptor, follow_symlinks=False)
        return 1 + _count_below(directories, path)
    return 0


def _count_below(directories: DirectoryCache, path: bytes) -> int:
    count, waiting = 0, [path]
    while waiting:
        above = waiting.pop()
        with suppress(NotADirectoryError), directories.hold(above) as directory:
            entries = directory.entries()
            count += len(entries)
            waiting += [join_path(above, name) for name, is_dir in entries if is_dir]
    return count


def _remove_tree(directories: DirectoryCache, path: bytes, device: int) -> int:
    removed = 0
    above, name = split_path(path)
    # directories that still are to be removed, by level: depth costs no recursion
    levels = [[name]]
    while levels:
        if levels[-1]:
            above = join_path(above, levels[-1].pop())
            files, subdirectories = _empty(directories, above, device)
            removed += files
            levels.append(subdirectories)
            continue
        levels.pop()
        if levels:
            removed += _remove_empty(directories, above)
            above = split_path(above)[0]
    return removed


def _empty(
    directories: DirectoryCache, path: bytes, device: int
) -> tuple[int, list[bytes]]:
    """Removes all but directories; returns how many, and the directories."""
    above, name = split_path(path)
    with directories.hold(above) as parent:
        make_usable(parent, name)
    files, subdirectories = 0, []
    with directories.hold(path) as directory:
        if os.fstat(directory.descriptor).st_dev != device:
            raise OSError(errno.EBUSY, "another file system is mounted there")
        for entry, is_directory in directory.entries():
            if is_directory or not _unlink(directory, entry):
                subdirectories.append(entry)
            else:
                files += 1
    return files, subdirectories


def _unlink(directory: Directory, name: bytes) -> bool:
    """Whether it was no directory and is gone."""
    try:
        os.unlink(name, dir_fd=directory.descriptor)
    except IsADirectoryError:
        return False
    return True


def _remove_empty(directories: DirectoryCache, path: bytes) -> int:
    above, name = split_path(path)
    directories.forget(path)
    with directories.hold(above) as parent:
        os.rmdir(name, dir_fd=parent.descriptor)
    return 1
