"""A file that is hashed while it is being used, and compared when that is over."""

import hashlib
from collections.abc import Callable
from io import UnsupportedOperation
from typing import BinaryIO

from chunkvault.duplicity.manifest import VolumeRecord
from chunkvault.errors import DamageError

__all__ = ["HashedFile"]

_READ_BYTES = 1 << 20


class HashedFile:
    """A volume's stored bytes, read once from the beginning to the end.

    It has no descriptor: whoever needs one is fed, and every byte passes here.
    One thread at a time.

    Args:
        file: stands at its beginning.
        name: of the file, for messages.
        record: has the hash that it should have.
        on_bytes: told how many bytes have been read.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        record: VolumeRecord,
        on_bytes: Callable[[int], None],
    ) -> None:
        self._file = file
        self._name = name
        self._on_bytes = on_bytes
        self._kind = "sha1" if record.sha1 else "md5"
        self._expected = record.sha1 or record.md5
        self._digest = hashlib.new(self._kind, usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, all that are left if it is negative.

        Raises:
            DamageError: the disk cannot read it.
        """
        try:
            data = self._file.read(size)
        except OSError as error:
            raise DamageError(
                f"{self._name} cannot be read: {(error.strerror or '').lower()}",
                object_name=self._name,
            ) from error
        self._digest.update(data)
        self._on_bytes(len(data))
        return data

    def tell(self) -> int:
        """Where it stands."""
        return self._file.tell()

    def fileno(self) -> int:
        """There is none."""
        raise UnsupportedOperation("it is to be read by nobody else")

    def check(self) -> None:
        """Read what nobody wanted, and compare.

        Raises:
            DamageError: it is not the file that the manifest means.
        """
        while self.read(_READ_BYTES):
            pass
        if self._digest.digest() != self._expected:
            raise DamageError(
                f"{self._name} is damaged: its {self._kind.upper()} is not that of"
                " the manifest",
                object_name=self._name,
                hint="get the file from another copy of the archive, if there is one",
            )
