"""An archive on any storage: its files are the objects at the top of a location.

A backend's objects are whole or absent and never replaced, which is what an archive
asks of its folder. Two things a local folder has are missing: a file is written from
memory, since a backend takes an object in one piece; and nothing keeps a second
export out, see `BackendFolder.lock`.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from chunkvault.backends.base import Backend, require_name
from chunkvault.backends.local import LocalBackend
from chunkvault.duplicity.folder import ArchiveFolder, FolderEntry, LocalFolder
from chunkvault.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["BackendFolder", "folder_on"]

_PIECE_BYTES = 4 << 20


def folder_on(backend: Backend, place: str) -> ArchiveFolder:
    """The files at the top of a backend; nothing is read or made yet.

    Args:
        backend: stays with the caller, who closes it.
        place: where it is, as it may be shown.
    """
    if isinstance(backend, LocalBackend):
        return LocalFolder(backend.path)
    return BackendFolder(backend, place)


class BackendFolder:
    """Files on a backend.

    Names that no object may have (`chunkvault.backends.base.check_name`) are not
    listed, nor is what lies in folders below.
    """

    def __init__(self, backend: Backend, place: str) -> None:
        self._backend = backend
        self._place = place

    @property
    def place(self) -> str:
        """The location, without its password."""
        return self._place

    @property
    def is_there(self) -> bool:
        """Always: a place without objects is like any other."""
        return True

    def list(self) -> list[FolderEntry]:
        """The objects that lie in no folder, by name."""
        return sorted(
            FolderEntry(info.name, info.size)
            for info in self._backend.list("")
            if "/" not in info.name
        )

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """A file that is fetched piece by piece; it has no descriptor.

        At most 4 MiB of it are in memory.
        """
        _require_top(name)
        pieces = _PiecewiseFile(self._backend, name)
        with io.BufferedReader(pieces, buffer_size=_PIECE_BYTES // 16) as file:
            yield cast("BinaryIO", file)

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Collect the file in memory, and store it when it is complete."""
        _require_top(name)
        file = io.BytesIO()  # not closed: an error may hold views of it for a while
        yield file
        self._backend.put(name, file.getbuffer())

    def delete(self, name: str) -> None:
        """Remove the object."""
        _require_top(name)
        self._backend.delete(name)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nothing: a store has no lock that would end with its owner.

        Files of two exports do not mix nevertheless, since none is replaced, and a
        set is completed only where all its files are there.
        """
        yield

    def remove_leftovers(self) -> int:
        """None: backends clean up after themselves."""
        return 0


class _PiecewiseFile(io.RawIOBase):
    """An object to be read from any place, a piece at a time.

    The latest piece is kept: who goes back fetches again.

    Raises:
        ObjectNotFound: at once, there is no such object.
    """

    def __init__(self, backend: Backend, name: str) -> None:
        super().__init__()
        self._backend = backend
        self._name = name
        self._position = 0
        self._number = -1
        self._latest = b""
        self._piece(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence != io.SEEK_SET:
            raise io.UnsupportedOperation("how long it is shows only at its end")
        self._position = max(offset, 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        number, start = divmod(self._position, _PIECE_BYTES)
        view = memoryview(buffer).cast("B")
        data = memoryview(self._piece(number))[start : start + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _piece(self, number: int) -> bytes:
        """A piece; only the last one is shorter than the others, or empty."""
        if number == self._number:
            return self._latest
        if number == self._number + 1 and 0 < len(self._latest) < _PIECE_BYTES:
            return b""  # what is shorter was the last
        start = number * _PIECE_BYTES
        self._latest = self._backend.get(self._name, start, _PIECE_BYTES)
        self._number = number
        return self._latest


def _require_top(name: str) -> None:
    require_name(name)
    if "/" in name:
        raise UsageError(f"{name!r} is not the name of a file")
