"""Which objects are worth keeping on the local disk."""

from chunkvault.backends.base import Backend
from chunkvault.backends.caching import CachingBackend
from chunkvault.format import names
from chunkvault.format.blob import BlobKind

__all__ = ["cached"]

_CACHED_FOLDERS = (
    names.INDEX,
    names.PARTS,
    names.SNAPSHOTS,
    names.VOLUME_FOLDERS[BlobKind.TREE],
)
_MAX_OBJECT_BYTES = 64 << 20
_MAX_WHOLE_BYTES = 1 << 20
_MAX_TOTAL_BYTES = 4 << 30


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
