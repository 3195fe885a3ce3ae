"""Which objects are worth keeping on the local disk."""

from collections.abc import Iterator
from typing import NamedTuple

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.backends.caching import CachingBackend
from chunkvault.errors import ObjectNotFound
from chunkvault.format import names
from chunkvault.format.blob import BlobKind

__all__ = ["RemoteStore", "cached", "remote"]

_CACHED_FOLDERS = (
    names.INDEX,
    names.PARTS,
    names.SNAPSHOTS,
    names.VOLUME_FOLDERS[BlobKind.TREE],
)
_CHUNKS = names.VOLUME_FOLDERS[BlobKind.CHUNK]
_MAX_OBJECT_BYTES = 64 << 20
_MAX_WHOLE_BYTES = 1 << 20
_MAX_TOTAL_BYTES = 4 << 30
_MAX_BASES_BYTES = 1 << 30
_BASES = b"/bases"


def cached(backend: Backend, directory: bytes) -> CachingBackend:
    """The backend, with index, snapshots and trees kept below ``directory``.

    Of long objects what was read of them is kept. Only objects that are named by
    their hash are, so a cache that is old, damaged or another repository's can cost
    time and nothing else.
    """
    return CachingBackend(
        backend,
        directory,
        cacheable=lambda name: name.startswith(_CACHED_FOLDERS),
        is_intact=names.is_intact,
        max_object_bytes=_MAX_OBJECT_BYTES,
        max_total_bytes=_MAX_TOTAL_BYTES,
        max_whole_bytes=_MAX_WHOLE_BYTES,
    )


class RemoteStore(NamedTuple):
    """A store from which every byte is a download.

    Attributes:
        backend: the store.
        bases: what is at hand of it, to make deltas against.
    """

    backend: Backend
    bases: Backend


def remote(backend: Backend, directory: bytes | None) -> RemoteStore:
    """A store to which deltas are made without a download.

    Bases of chunks come from volumes that this machine has put, of which copies
    are kept below ``directory``: at most 1 GiB, those that were not used for longest
    go first, and one session adds at most half of that. A chunk whose base is not
    among them is stored whole, and so is a base at hand from then on. Bases
    of trees were read by the backup itself, to find out what changed.

    Without a directory no chunk has a base at hand.
    """
    nothing = _WithoutChunks(backend)
    if directory is None:
        return RemoteStore(backend, nothing)
    return RemoteStore(_keeping(backend, directory), _keeping(nothing, directory))


def _keeping(backend: Backend, directory: bytes) -> CachingBackend:
    return CachingBackend(
        backend,
        directory + _BASES,
        cacheable=lambda name: name.startswith(_CHUNKS),
        is_intact=names.is_intact,
        max_object_bytes=_MAX_OBJECT_BYTES,
        max_total_bytes=_MAX_BASES_BYTES,
        keeps_fetched=False,
    )


class _WithoutChunks:
    """A backend of which no chunk volume is at hand. Only reads."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if name.startswith(_CHUNKS):
            raise ObjectNotFound(f"object {name} is not at hand")
        return self._inner.get(name, offset, length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def close(self) -> None:
        """The inner backend belongs to others."""
