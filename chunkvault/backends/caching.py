"""A wrapper that keeps whole objects on the local disk.

The cache is disposable: nothing in it is needed, whatever is wrong with it is
fetched again, and an error of the local disk only switches it off.
"""

import os
from collections.abc import Callable, Iterator
from hashlib import blake2b
from threading import Lock
from typing import TypeVar

from chunkvault.backends.base import (
    Backend,
    ObjectInfo,
    can_list_after,
    check_name,
    forget_kept,
    list_after,
)
from chunkvault.backends.cache_folder import CacheFolder
from chunkvault.backends.upkeep import Upkeep, upkeep_of

__all__ = ["CachingBackend"]

_Result = TypeVar("_Result")
_Data = bytes | bytearray | memoryview
_HASH_BYTES = 32


class CachingBackend:
    """Serves cacheable objects from a local directory once they were fetched.

    An object that somebody else deleted is served on until its space is needed: names
    are used once, so it is still what it was. No listing ever comes from the cache.

    Attributes:
        disabled_reason: why the cache is out of use; ``None`` while it works.
    """

    def __init__(  # noqa: PLR0913 - two limits and two questions, all by name
        self,
        inner: Backend,
        directory: bytes,
        *,
        cacheable: Callable[[str], bool],
        is_intact: Callable[[str, bytes | memoryview], bool],
        max_object_bytes: int,
        max_total_bytes: int,
        keeps_fetched: bool = True,
        max_whole_bytes: int | None = None,
    ) -> None:
        """Open the cache; if that fails it is disabled, and all goes to ``inner``.

        Args:
            inner: where the objects really are.
            directory: the cache's own directory; created if missing.
            cacheable: whether objects of this name are to be kept.
            is_intact: whether these bytes are the object of this name; asked
                before an object is kept, and when a kept one is first used.
            max_object_bytes: larger objects are not kept.
            max_total_bytes: what the cache may occupy.
            keeps_fetched: fetch objects whole, and keep them. Otherwise only what
                is put is kept, half of ``max_total_bytes`` at most, so that a large
                session does not go through the local disk; ranges are passed on.
            max_whole_bytes: of objects that are not known from a listing to be
                this short, only the ranges asked for are fetched and kept; None:
                every object is fetched whole.
        """
        self.disabled_reason: str | None = None
        self._inner = inner
        self._directory = directory
        self._cacheable = cacheable
        self._is_intact = is_intact
        self._max_object_bytes = max_object_bytes
        self._keeps_fetched = keeps_fetched
        self._may_put_bytes = max_total_bytes // 2
        self._max_whole_bytes = max_whole_bytes
        self._too_large: set[str] = set()
        self._short: set[str] = set()
        self._intact: set[str] = set()  # kept, and checked by this process
        self._lock = Lock()
        self._checking = Lock()
        self._folder: CacheFolder | None = None
        try:
            self._folder = CacheFolder(directory, max_total_bytes)
        except OSError as error:
            self._disable(error)

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Store the object, then keep it."""
        self._inner.put(name, data)
        if self._may_keep(name) and self._may_put(memoryview(data).nbytes):
            self._keep(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Serve a kept object from the local disk, else fetch it.

        A short object that may be kept is fetched whole, whatever part is wanted,
        unless only what is put is kept.
        """
        if not self._may_keep(name):
            return self._inner.get(name, offset, length)
        data = self._read_kept(name, offset, length)
        if data is not None:
            return data
        if not self._keeps_fetched:
            return self._inner.get(name, offset, length)
        if length is not None and self._is_long(name):
            return self._get_range(name, offset, length)
        return self._fetch(name, offset, length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List the inner backend."""
        return self.list_after(prefix, "")

    @property
    def can_list_after(self) -> bool:
        """Whether the inner backend can."""
        return can_list_after(self._inner)

    def list_after(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """List the inner backend from there on, if it can."""
        for info in list_after(self._inner, prefix, after):
            if info.size > self._max_object_bytes and self._cacheable(info.name):
                self._note_too_large(info.name)
            elif self._max_whole_bytes is not None:
                self._note_length(info)
            yield info

    def delete(self, name: str) -> None:
        """Delete the object, here and there."""
        self._drop(name)
        self._inner.delete(name)

    def forget_kept(self, name: str, offset: int, length: int) -> None:
        """Drop the range, and the object if it is kept whole."""
        self._drop(_piece(name, offset, length))
        self._drop(name)
        forget_kept(self._inner, name, offset, length)

    def close(self) -> None:
        """Close the inner backend and the cache, whose files stay."""
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.close()
        self._inner.close()

    def upkeep(self) -> Upkeep | None:
        """What the inner backend offers to those who clean up."""
        return upkeep_of(self._inner)

    def _may_keep(self, name: str) -> bool:
        return (
            self.disabled_reason is None
            and name not in self._too_large
            and check_name(name)
            and self._cacheable(name)
        )

    def _may_put(self, size: int) -> bool:
        if self._keeps_fetched:
            return True
        with self._lock:
            self._may_put_bytes -= size
            return self._may_put_bytes >= 0

    def _is_long(self, name: str) -> bool:
        return self._max_whole_bytes is not None and name not in self._short

    def _get_range(self, name: str, offset: int, length: int) -> bytes:
        """A range of a long object, kept as a file of its own behind its hash."""
        piece = _piece(name, offset, length)
        kept = self._attempt(lambda folder: folder.read(piece))
        if kept is not None:
            data = kept[_HASH_BYTES:]
            if _hash(piece, data) == kept[:_HASH_BYTES]:
                return data
            self._drop(piece)
        data = self._inner.get(name, offset, length)
        if len(data) == length:
            kept = _hash(piece, data) + data
            self._attempt(lambda folder: folder.write(piece, kept))
        return data

    def _note_length(self, info: ObjectInfo) -> None:
        if info.size <= (self._max_whole_bytes or 0) and self._cacheable(info.name):
            with self._lock:
                self._short.add(info.name)

    def _fetch(self, name: str, offset: int, length: int | None) -> bytes:
        """Fetch an object that is not kept, and keep it unless it is too large."""
        if offset == 0 and length is None:
            data = self._inner.get(name)
        else:
            data = self._inner.get(name, 0, self._max_object_bytes + 1)
        self._keep(name, data)
        if len(data) <= self._max_object_bytes:
            return data[offset : None if length is None else offset + length]
        if offset == 0 and length is None:
            return data
        return self._inner.get(name, offset, length)

    def _keep(self, name: str, data: _Data) -> None:
        view = memoryview(data).cast("B")
        if len(view) > self._max_object_bytes:
            self._note_too_large(name)
        elif self._is_intact(name, view):
            self._attempt(lambda folder: folder.write(name, view))
            with self._lock:
                self._intact.add(name)

    def _read_kept(self, name: str, offset: int, length: int | None) -> bytes | None:
        if name not in self._intact and not self._is_kept_intact(name):
            return None
        return self._attempt(lambda folder: folder.read(name, offset, length))

    def _is_kept_intact(self, name: str) -> bool:
        """Look at a kept object for the first time; one is in memory at a time."""
        with self._checking:
            if name in self._intact:
                return True
            data = self._attempt(lambda folder: folder.read(name))
            if data is None:
                return False
            if not self._is_intact(name, data):
                self._drop(name)
                return False
            with self._lock:
                self._intact.add(name)
        self._attempt(lambda folder: folder.touch(name))
        return True

    def _drop(self, name: str) -> None:
        with self._lock:
            self._intact.discard(name)
        if check_name(name):
            self._attempt(lambda folder: folder.remove(name))

    def _note_too_large(self, name: str) -> None:
        with self._lock:
            self._too_large.add(name)

    def _attempt(self, action: Callable[[CacheFolder], _Result]) -> _Result | None:
        """Do something with the cache; an error of the local disk ends its use."""
        folder = self._folder
        if folder is None or self.disabled_reason is not None:
            return None
        try:
            return action(folder)
        except OSError as error:
            self._disable(error)
            return None

    def _disable(self, error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        self.disabled_reason = f"{os.fsdecode(self._directory)}: {reason}"


def _piece(name: str, offset: int, length: int) -> str:
    """The name under which a range is kept."""
    return f"{name}.{offset}-{length}"


def _hash(name: str, data: bytes) -> bytes:
    """Of the data and whose they are: files may have been exchanged."""
    digest = blake2b(name.encode("ascii"), digest_size=_HASH_BYTES)
    digest.update(data)
    return digest.digest()
