"""Open the files of an archive: check, decrypt, expand.

What a file needs is told by the end of its name, as for duplicity. The stored bytes
of a volume are hashed first and used after: nothing that is damaged gets further.
"""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from chunkvault.duplicity.entries import PlainStream
from chunkvault.duplicity.folder import ArchiveFolder
from chunkvault.duplicity.gpg import Gpg, GpgInput, Trouble
from chunkvault.duplicity.manifest import VolumeRecord
from chunkvault.duplicity.names import FileName
from chunkvault.errors import DamageError, ObjectNotFound, UsageError, WrongKey

__all__ = ["MAX_DOCUMENT_BYTES", "ArchiveReader"]

MAX_DOCUMENT_BYTES = 256 << 20
"""A manifest names every file that has changed, and is held in memory."""

_MAX_STREAM_BYTES = 1 << 40
_READ_BYTES = 1 << 20
_MAX_TAIL_BYTES = 64 << 20
_OTHER_COPY = "get the file from another copy of the archive, if there is one"


class ArchiveReader:
    """Reads the files of one archive. One thread.

    Args:
        folder: where they are.
        gpg: decrypts them.
        ask: asks a person for the passphrase, once it is known to be needed;
            None where nobody is to be asked.
        on_bytes: told how many stored bytes have been read.
    """

    def __init__(
        self,
        folder: ArchiveFolder,
        gpg: Gpg,
        ask: Callable[[], bytes] | None = None,
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._gpg = gpg
        self._ask = ask
        self._on_bytes = on_bytes

    def unlock(self, name: str, parsed: FileName) -> None:
        """Find out with one small file whether the passphrase has to be asked for.

        Raises:
            WrongKey: the passphrase or key does not fit.
        """
        if self._ask is not None and parsed.is_encrypted:
            with suppress(DamageError):
                self.read_document(name, parsed)

    def read_document(
        self, name: str, parsed: FileName, limit: int = MAX_DOCUMENT_BYTES
    ) -> bytes:
        """The plain content of a small file.

        The first of these that needs a passphrase has it asked for.

        Raises:
            WrongKey: the passphrase or key does not fit.
            DamageError: the file is missing, broken or too large.
        """
        while True:
            with self._stream(name, parsed) as stream:
                try:
                    return _read_all(stream, limit, name)
                except (WrongKey, DamageError) as error:
                    trouble = stream.trouble if isinstance(stream, GpgInput) else None
                    if not self._may_try_again(trouble):
                        raise _named(error, name) from error

    @contextmanager
    def open_volume(
        self, name: str, parsed: FileName, record: VolumeRecord
    ) -> Iterator[PlainStream]:
        """A volume, once its stored bytes are known to be those of the manifest.

        Raises:
            WrongKey: the passphrase or key does not fit.
            DamageError: it is missing, or not what the manifest says.
        """
        with self._stream(name, parsed, record) as stream:
            yield _Bounded(stream, name)

    @contextmanager
    def open_signatures(self, name: str, parsed: FileName) -> Iterator[PlainStream]:
        """A sigtar, of which nobody has kept a hash.

        Raises:
            WrongKey: the passphrase or key does not fit.
            DamageError: it is missing.
        """
        with self._stream(name, parsed) as stream:
            yield _Bounded(stream, name)

    @contextmanager
    def _stream(
        self, name: str, parsed: FileName, record: VolumeRecord | None = None
    ) -> Iterator["GpgInput | _Gzip | _Plain"]:
        if parsed.suffix.endswith(".p7m"):
            raise UsageError(
                f"{name} is encrypted by gpgsm (S/MIME), which is not supported",
                hint="restore it with duplicity, and back that up",
            )
        try:
            with self._folder.read(name) as file:
                if record is not None:
                    self._check(file, name, record)
                with self._opened(file, parsed) as stream:
                    yield stream
        except ObjectNotFound as error:
            raise DamageError(
                f"{name} is missing", object_name=name, hint=_OTHER_COPY
            ) from error

    @contextmanager
    def _opened(
        self, file: BinaryIO, parsed: FileName
    ) -> Iterator["GpgInput | _Gzip | _Plain"]:
        if parsed.is_encrypted:
            with self._gpg.decrypt(file) as stream:
                yield stream
        elif parsed.is_compressed:
            yield _Gzip(file)
        else:
            yield _Plain(file)

    def _check(self, file: BinaryIO, name: str, record: VolumeRecord) -> None:
        kind, expected = ("sha1", record.sha1) if record.sha1 else ("md5", record.md5)
        digest = hashlib.new(kind, usedforsecurity=False)
        try:
            while data := file.read(_READ_BYTES):
                digest.update(data)
                self._on_bytes(len(data))
            file.seek(0)
        except OSError as error:
            raise DamageError(
                f"{name} cannot be read: {error.strerror}", object_name=name
            ) from error
        if digest.digest() != expected:
            raise DamageError(
                f"{name} is damaged: its {kind.upper()} is not that of the manifest",
                object_name=name,
                hint=_OTHER_COPY,
            )

    def _may_try_again(self, trouble: Trouble | None) -> bool:
        """Whether something was done about it."""
        if trouble is Trouble.NEEDS_PASSPHRASE and self._ask is not None:
            self._gpg = self._gpg.with_passphrase(self._ask())
            return True
        if trouble is Trouble.NO_INTEGRITY and not self._gpg.options.accepts_old:
            self._gpg = self._gpg.with_old_files()
            return True
        return False


class _Plain:
    """A file that is what it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes."""
        try:
            return self._file.read(size)
        except OSError as error:
            raise DamageError(f"it cannot be read: {error.strerror}") from error

    def finish(self) -> None:
        """Nothing more is known about it."""


class _Gzip:
    """A file that gzip has compressed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=file)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes."""
        try:
            return self._file.read(size)
        except (EOFError, zlib.error, OSError) as error:
            raise DamageError("gzip cannot expand it: it is damaged") from error

    def finish(self) -> None:
        """Read over the rest: the checksum is at the end."""
        left = _MAX_TAIL_BYTES
        while left > 0 and (data := self.read(_READ_BYTES)):
            left -= len(data)


class _Bounded:
    """A stream that ends somewhere, and stays broken once it is; names the file."""

    def __init__(self, stream: PlainStream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._left = _MAX_STREAM_BYTES
        self._failure: WrongKey | DamageError | None = None

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes."""
        return self._guarded(lambda: self._read(size))

    def finish(self) -> None:
        """Look at what is left."""
        self._guarded(self._finish)

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DamageError("it expands to more than any volume may hold")
        return data

    def _finish(self) -> bytes:
        self._stream.finish()
        return b""

    def _guarded(self, action: Callable[[], bytes]) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            return action()
        except (WrongKey, DamageError) as error:
            self._failure = _named(error, self._name)
            raise self._failure from error


def _read_all(stream: PlainStream, limit: int, name: str) -> bytes:
    pieces = []
    left = limit
    while data := stream.read(_READ_BYTES):
        left -= len(data)
        if left < 0:
            raise DamageError(f"it is larger than {limit} bytes", object_name=name)
        pieces.append(data)
    return b"".join(pieces)


def _named(error: WrongKey | DamageError, name: str) -> WrongKey | DamageError:
    """The same error, telling the file."""
    if isinstance(error, WrongKey):
        return WrongKey(f"{name}: {error}", hint=error.hint)
    return DamageError(f"{name}: {error}", object_name=name, hint=error.hint)
