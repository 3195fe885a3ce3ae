"""What of a source tree is taken: patterns, conditions, marked directories."""

import os

from chunkvault.localfs import capture
from chunkvault.localfs.conditions import Verdict
from chunkvault.localfs.scan import SourceDirectory
from chunkvault.operations.backup.level import is_directory
from chunkvault.operations.backup.options import BackupOptions

__all__ = ["Choice"]

_CACHE_TAG = b"CACHEDIR.TAG"


class Choice:
    """The options that leave something out, ready to be asked.

    Attributes:
        takes_all: no path needs to be asked about.
    """

    def __init__(self, options: BackupOptions) -> None:
        self._selection = options.selection
        self._conditions = options.conditions
        self._asked_for = frozenset(options.paths)
        self._marks = frozenset(options.exclude_if_present)
        self._exclude_caches = options.exclude_caches
        self.takes_all = self._selection.is_empty and self._conditions.is_empty

    def verdict(self, path: bytes, status: os.stat_result, device: int) -> Verdict:
        """What becomes of a path; ``device`` is that of the root above it."""
        if self._selection.excludes(path, is_directory(status)):
            return Verdict.LEAVE_OUT
        return self._conditions.verdict(path, status, device)

    def is_marked(self, path: bytes, names: list[bytes]) -> bool:
        """Whether a directory with these names in it is left out.

        As with duplicity one that was asked for by its path is not.
        """
        is_marked = bool(self._marks) and not self._marks.isdisjoint(names)
        return is_marked and path not in self._asked_for

    def is_cache(self, directory: SourceDirectory, names: list[bytes]) -> bool:
        """Whether a directory is stored empty, since its content can be made again."""
        if not self._exclude_caches or _CACHE_TAG not in names:
            return False
        return capture.is_cachedir_tag(directory.descriptor)
