"""Open the files of an archive: check, decrypt, expand.

What a file needs is told by the end of its name, as for duplicity. The stored bytes
of a volume are hashed while they are used, so that each is read once; whoever uses
them keeps the result only if the end is reached without an error. Where that is not
wanted, a volume is hashed first, and read a second time to be used.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from chunkvault.duplicity.entries import PlainStream
from chunkvault.duplicity.folder import ArchiveFolder
from chunkvault.duplicity.gpg import Gpg, GpgInput, Trouble
from chunkvault.duplicity.gpg_status import NotSigned
from chunkvault.duplicity.hashed_file import HashedFile
from chunkvault.duplicity.manifest import Manifest, ManifestDecoder, VolumeRecord
from chunkvault.duplicity.names import FileName
from chunkvault.errors import (
    DamageError,
    FormatError,
    ObjectNotFound,
    UsageError,
    WrongKey,
)

__all__ = ["ArchiveReader"]

_MAX_MANIFEST_BYTES = 16 << 30
"""A manifest names every file that has changed."""

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

    Attributes:
        has_decrypted: the passphrase or key was right for one file at least. What
            it does not open after that is damaged, or was closed by another one.
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
        self.has_decrypted = False

    def unlock(self, manifests: Iterable[tuple[str, FileName]]) -> None:
        """Find out with the first of these that opens whether all is right.

        The passphrase is asked for now if it is needed.

        Raises:
            WrongKey: the passphrase or key fits none of them.
        """
        failure: WrongKey | None = None
        for name, parsed in manifests:
            try:
                if parsed.is_encrypted:
                    self.read_manifest(name, parsed)
            except DamageError:
                continue  # is told in its place
            except WrongKey as error:
                failure = failure or error
            else:
                return
        if failure is not None:
            raise failure

    def read_manifest(
        self, name: str, parsed: FileName, limit: int = _MAX_MANIFEST_BYTES
    ) -> Manifest:
        """What a manifest says; its list of files is passed over, and not held.

        The first of these that needs a passphrase has it asked for.

        Raises:
            WrongKey: the passphrase or key does not fit.
            DamageError: the file is missing, broken or too large.
        """
        while True:
            decoder = ManifestDecoder()
            with self._stream(name, parsed) as stream:
                try:
                    _read_all(stream, limit, decoder.feed)
                except (WrongKey, DamageError) as error:
                    trouble = stream.trouble if isinstance(stream, GpgInput) else None
                    if not self._may_try_again(trouble):
                        raise self._judge(error, trouble, name) from error
                else:
                    self.has_decrypted |= parsed.is_encrypted
                    return _decoded(decoder, name)

    @contextmanager
    def open_volume(
        self, name: str, parsed: FileName, record: VolumeRecord, *, is_checked: bool
    ) -> Iterator[PlainStream]:
        """A volume.

        Args:
            name: of its file.
            parsed: what the name tells.
            record: what the manifest says.
            is_checked: the stored bytes are hashed before any of them is used. If
                not, what was read is worth nothing until the block has been left
                without an error.

        Raises:
            WrongKey: the passphrase or key does not fit.
            DamageError: it is missing, or not what the manifest says.
        """
        with self._file(name) as file:
            hashed = HashedFile(file, name, record, self._on_bytes)
            if is_checked:
                hashed.check()
                file.seek(0)
            given = file if is_checked else cast("BinaryIO", hashed)
            with self._opened(given, name, parsed) as stream:
                yield _Bounded(stream, name, self._judge)
            if not is_checked:
                hashed.check()

    @contextmanager
    def open_signatures(self, name: str, parsed: FileName) -> Iterator[PlainStream]:
        """A sigtar, of which nobody has kept a hash; read to its end beforehand.

        Raises:
            WrongKey: the passphrase or key does not fit.
            DamageError: it is missing, or damaged in a way that shows.
        """
        with self._stream(name, parsed) as stream:
            bounded = _Bounded(stream, name, self._judge)
            while bounded.read(_READ_BYTES):
                pass
        with self._stream(name, parsed) as stream:
            yield _Bounded(stream, name, self._judge)

    @contextmanager
    def _stream(
        self, name: str, parsed: FileName
    ) -> Iterator["GpgInput | _Gzip | _Plain"]:
        with self._file(name) as file, self._opened(file, name, parsed) as stream:
            yield stream

    @contextmanager
    def _file(self, name: str) -> Iterator[BinaryIO]:
        try:
            with self._folder.read(name) as file:
                yield file
        except ObjectNotFound as error:
            raise DamageError(
                f"{name} is missing", object_name=name, hint=_OTHER_COPY
            ) from error

    @contextmanager
    def _opened(
        self, file: BinaryIO, name: str, parsed: FileName
    ) -> Iterator["GpgInput | _Gzip | _Plain"]:
        if parsed.suffix.endswith(".p7m"):
            raise UsageError(
                f"{name} is encrypted by gpgsm (S/MIME), which is not supported",
                hint="restore it with duplicity, and back that up",
            )
        if parsed.is_encrypted:
            with self._gpg.decrypt(file) as stream:
                yield stream
        elif self._gpg.options.signers is not None:
            raise NotSigned("it is not encrypted, and so not signed either")
        elif parsed.is_compressed:
            yield _Gzip(file)
        else:
            yield _Plain(file)

    def _judge(
        self, error: WrongKey | DamageError, trouble: Trouble | None, name: str
    ) -> WrongKey | DamageError:
        """The error to tell, with the name of the file."""
        if isinstance(error, DamageError):
            # some tell it themselves
            return error if error.object_name == name else _named(error, name)
        if self.has_decrypted and trouble is not Trouble.NEEDS_PASSPHRASE:
            return DamageError(
                f"{name}: {error}, which opened other files: it is damaged, or was"
                " encrypted otherwise",
                object_name=name,
                hint="import it once more with the other passphrase or key",
            )
        return WrongKey(f"{name}: {error}", hint=error.hint)

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

    def __init__(
        self,
        stream: "GpgInput | _Gzip | _Plain",
        name: str,
        judge: Callable[
            [WrongKey | DamageError, Trouble | None, str], WrongKey | DamageError
        ],
    ) -> None:
        self._stream = stream
        self._name = name
        self._judge = judge
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
            stream = self._stream
            trouble = stream.trouble if isinstance(stream, GpgInput) else None
            self._failure = self._judge(error, trouble, self._name)
            raise self._failure from error


def _read_all(stream: PlainStream, limit: int, take: Callable[[bytes], object]) -> None:
    left = limit
    while data := stream.read(_READ_BYTES):
        left -= len(data)
        if left < 0:
            raise DamageError(f"it is larger than {limit} bytes")
        take(data)


def _decoded(decoder: ManifestDecoder, name: str) -> Manifest:
    try:
        return decoder.finish()
    except FormatError as error:
        raise _named(error, name) from error


def _named(error: DamageError, name: str) -> DamageError:
    return type(error)(f"{name}: {error}", object_name=name, hint=error.hint)
