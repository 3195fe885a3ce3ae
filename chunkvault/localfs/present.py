"""What stands below a directory already, reached without following a link."""

import errno
import os
import stat

from chunkvault.localfs.directories import DirectoryCache
from chunkvault.localfs.paths import naming_path, split_path

__all__ = ["Present"]

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Present:
    """Looks at entries by relative path; any thread may use it.

    Every method raises `UnsafePath` for a path that is none, and ``OSError`` with
    that path otherwise.
    """

    def __init__(self, directories: DirectoryCache) -> None:
        self._directories = directories

    @naming_path
    def status(self, path: bytes) -> os.stat_result | None:
        """What is at a path, as by lstat; ``None`` where there is nothing.

        That includes what would be below something that is no directory.
        """
        try:
            if not path:
                with self._directories.hold(path) as root:
                    return os.fstat(root.descriptor)
            above, name = split_path(path)
            with self._directories.hold(above) as parent:
                return os.stat(name, dir_fd=parent.descriptor, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    @naming_path
    def names(self, path: bytes) -> list[bytes]:
        """The names in a directory, in no order; none if it is no directory."""
        try:
            with self._directories.hold(path) as directory:
                return [name for name, _ in directory.entries()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    @naming_path
    def read_link(self, path: bytes) -> bytes:
        """Where the symbolic link at a path points."""
        above, name = split_path(path)
        with self._directories.hold(above) as parent:
            return os.readlink(name, dir_fd=parent.descriptor)

    @naming_path
    def open_existing(self, path: bytes) -> int:
        """A descriptor to read the regular file at a path; the caller closes it."""
        above, name = split_path(path)
        with self._directories.hold(above) as parent:
            descriptor = os.open(name, _READ, dir_fd=parent.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileExistsError(errno.EEXIST, "it is not a regular file")
        return descriptor

    def _open_any(self, path: bytes) -> int:
        """A descriptor of whatever is at a path, just to look at it."""
        above, name = split_path(path)
        with self._directories.hold(above) as parent:
            return os.open(name, _LOOK, dir_fd=parent.descriptor)
