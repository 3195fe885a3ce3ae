"""A dict of objects: the reference implementation of the contract."""

from collections.abc import Iterator, Mapping
from threading import Lock

from chunkvault.backends.base import ObjectInfo, require_name
from chunkvault.errors import ObjectExists, ObjectNotFound

__all__ = ["MemoryBackend"]


class MemoryBackend:
    """Objects in memory; they live as long as the backend does.

    Closing does nothing, so that a repository can be opened on it again.
    """

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        self._objects = dict(objects or {})
        self._lock = Lock()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Keep a copy of the bytes."""
        require_name(name)
        content = bytes(data)
        with self._lock:
            if name in self._objects:
                raise ObjectExists(f"{name} exists already")
            self._objects[name] = content

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Cut the range out of the object."""
        require_name(name)
        with self._lock:
            content = self._objects.get(name)
        if content is None:
            raise ObjectNotFound(f"there is no object {name}")
        return content[offset : None if length is None else offset + length]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List what was there when the listing began."""
        with self._lock:
            objects = tuple(self._objects.items())
        return (
            ObjectInfo(name, len(content))
            for name, content in objects
            if name.startswith(prefix)
        )

    def list_after(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """List the names that are greater than ``after``, in their order."""
        return (info for info in sorted(self.list(prefix)) if info.name > after)

    def delete(self, name: str) -> None:
        """Forget the object."""
        require_name(name)
        with self._lock:
            self._objects.pop(name, None)

    def close(self) -> None:
        """Nothing to let go of."""
