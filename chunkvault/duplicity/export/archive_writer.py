"""Write the files of an archive: compress or encrypt, hash, count, all in one pass.

Plain bytes go in; what gzip or gpg makes of them goes straight to a hidden file of
the folder, which gets its name when all of it is there. gzip works in a thread and
gpg in a process of its own.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import TracebackType
from typing import BinaryIO, Protocol

from chunkvault.codec.deflate import gzip_deflater
from chunkvault.duplicity.folder import ArchiveFolder
from chunkvault.duplicity.gpg import Gpg
from chunkvault.duplicity.names import (
    NO_PREFIXES,
    FileKind,
    FileName,
    Prefixes,
    make_name,
)
from chunkvault.duplicity.openpgp import CompressedMessage
from chunkvault.workers import WorkerGroup

__all__ = ["ArchiveWriter", "OutputFile", "abandon"]

_BLOCK_BYTES = 256 << 10
_COMPRESS_AHEAD = 4


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...

    def settle(self) -> int | None:
        """How much has come of what was written; None where nobody can tell."""


class OutputFile:
    """One file of an archive while it is written.

    Attributes:
        name: that it will have.
        plain_bytes: written so far.
        stored_bytes: that have arrived in the folder so far.
    """

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self.plain_bytes = 0
        self.stored_bytes = 0
        self._file = file
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sink: _Sink | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._settled = 0
        self._settled_plain = 0

    @property
    def sha1(self) -> bytes:
        """Hash of the stored bytes; of all of them once the file is closed."""
        return self._sha1.digest()

    def write(self, data: bytes) -> None:
        """The next plain bytes."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        self.plain_bytes += len(data)
        if self._pending_bytes >= _BLOCK_BYTES:
            self.flush()

    def reaches(self, limit: int) -> bool:
        """Whether the stored file has so many bytes, or nearly.

        What is asked at the same places is answered the same each time, however the
        threads ran: a file that is written again gets the same bytes.
        """
        if self._most_bytes < limit:
            return False
        assert self._sink is not None, "the file is open"
        settled = self._sink.settle()
        self._settled = self.stored_bytes if settled is None else settled
        self._settled_plain = self.plain_bytes - self._pending_bytes
        return self._most_bytes >= limit

    @property
    def _most_bytes(self) -> int:
        """Were nothing compressed since the last certain count."""
        return self._settled + self.plain_bytes - self._settled_plain

    def flush(self) -> None:
        """Pass on what has been collected."""
        assert self._sink is not None, "the file is open"
        pending, self._pending = self._pending, []
        self._pending_bytes = 0
        if pending:
            self._sink.write(b"".join(pending))

    def attach(self, sink: _Sink) -> None:
        """Say where plain bytes go."""
        self._sink = sink

    def store(self, data: bytes) -> None:
        """The next bytes as they are stored."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._sha1.update(data)
        self.stored_bytes += len(data)


class ArchiveWriter:
    """Makes the files of one archive.

    Args:
        folder: where they are to lie.
        gpg: encrypts them; None for an archive without encryption.
        compress: whether gzip is used where gpg is not.
        prefixes: what stands in front of the names of its files.
    """

    def __init__(
        self,
        folder: ArchiveFolder,
        gpg: Gpg | None,
        *,
        compress: bool,
        prefixes: Prefixes = NO_PREFIXES,
    ) -> None:
        self.folder = folder
        self._prefixes = prefixes
        self._gpg = gpg
        self._compress = compress

    def suffix(self, kind: FileKind) -> str:
        """What the name of a file ends with, which tells how it is stored."""
        if self._gpg is not None:
            return ".gpg"
        is_compressed = self._compress and kind is not FileKind.MANIFEST
        return ".gz" if is_compressed else ""

    @contextmanager
    def create(self, name: FileName) -> Iterator[OutputFile]:
        """A new file; it is there, whole and durable, when the block is left."""
        suffix = self.suffix(name.kind)
        final = make_name(name._replace(suffix=suffix), self._prefixes)
        with self.folder.create(final) as file:
            output = OutputFile(final, file)
            with self._sink(suffix, output) as sink:
                output.attach(sink)
                yield output
                output.flush()

    def _sink(self, suffix: str, output: OutputFile) -> AbstractContextManager[_Sink]:
        if suffix == ".gpg":
            assert self._gpg is not None, "the suffix says so"
            return _encrypted(self._gpg, output.store)
        return _gzip(output.store) if suffix == ".gz" else _plain(output.store)


class _Plain:
    """Neither compressed nor encrypted, or both by gpg in its own time."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write

    def settle(self) -> None:
        """It is stored at once, or nobody knows when."""


class _Message:
    def __init__(self, store: Callable[[bytes], object], worker: WorkerGroup) -> None:
        self._store = store
        self._worker = worker
        self._sent = 0
        self._message = CompressedMessage(self._count)

    def write(self, data: bytes) -> None:
        self._worker.submit(self._message.write, data)

    def settle(self) -> int:
        self._worker.wait()
        return self._sent

    def finish(self) -> None:
        self._worker.wait()
        self._message.finish()

    def _count(self, data: bytes) -> None:
        self._sent += len(data)
        self._store(data)


class _Gzip:
    def __init__(self, store: Callable[[bytes], None], worker: WorkerGroup) -> None:
        self._store = store
        self._worker = worker
        self._compressor = gzip_deflater()

    def write(self, data: bytes) -> None:
        self._worker.submit(self._compress, data)

    def settle(self) -> None:
        self._worker.wait()

    def finish(self) -> None:
        self._worker.wait()
        self._store(self._compressor.flush())

    def _compress(self, data: bytes) -> None:
        self._store(self._compressor.compress(data))


@contextmanager
def _encrypted(gpg: Gpg, store: Callable[[bytes], None]) -> Iterator[_Sink]:
    with gpg.encrypt(store) as pipe:
        if gpg.options.adds_literal:
            yield _Plain(pipe.write)
        else:
            with WorkerGroup(1, _COMPRESS_AHEAD) as worker:
                yield (message := _Message(pipe.write, worker))
                message.finish()


@contextmanager
def _plain(store: Callable[[bytes], None]) -> Iterator[_Sink]:
    yield _Plain(store)


@contextmanager
def _gzip(store: Callable[[bytes], None]) -> Iterator[_Sink]:
    with WorkerGroup(1, _COMPRESS_AHEAD) as worker:
        sink = _Gzip(store, worker)
        yield sink
        sink.finish()


def abandon(
    files: ExitStack, error: BaseException | None, trace: TracebackType | None
) -> None:
    """Close files that were not finished: none of them gets its name.

    Where nothing failed they are closed as if something had.
    """
    failure = error or _NotFinishedError()
    with suppress(_NotFinishedError):
        files.__exit__(type(failure), failure, trace)


class _NotFinishedError(Exception):
    """The block of a writer was left without its ``finish``."""
