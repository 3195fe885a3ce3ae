"""What was read of the index, in bounded memory shared by all runs."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

__all__ = ["SectionCache"]

_MAX_BYTES = 56 << 20
"""The filters of 20 million blobs take 40 MB; the rest is for blocks."""


class SectionCache:
    """The sections used last, up to a number of bytes. Any thread."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._sections: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._sections

    def get(self, key: Hashable) -> Any | None:  # noqa: ANN401 - what was put
        """What was put under the key, if it is still there."""
        with self._lock:
            found = self._sections.get(key)
            if found is None:
                return None
            self._sections.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, section: object, weight: int) -> None:
        """Keep a section that takes so many bytes of memory."""
        with self._lock:
            if key not in self._sections:
                self._sections[key] = (section, weight)
                self._bytes += weight
            while self._bytes > self._max_bytes and len(self._sections) > 1:
                self._bytes -= self._sections.popitem(last=False)[1][1]
