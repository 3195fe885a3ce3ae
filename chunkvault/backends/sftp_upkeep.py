"""What a folder on a server holds besides its objects: temporary files.

Ages are by the server's clock, which a file tells that was just made there.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from chunkvault.backends.base import check_name
from chunkvault.backends.leftovers import TEMPORARY_PREFIX
from chunkvault.backends.sftp_client import SftpClient
from chunkvault.backends.sftp_files import ask_time, remove_file
from chunkvault.backends.sftp_replies import Attributes, NameEntry
from chunkvault.backends.upkeep import (
    AgedObject,
    Leftover,
    LeftoverKind,
    is_abandoned,
)
from chunkvault.errors import AccessDenied

__all__ = ["SftpUpkeep", "is_temporary", "join_name", "temporary_name"]

_TEMPORARY = re.compile(re.escape(TEMPORARY_PREFIX) + rb"[0-9a-f]{16}\Z")

OpenSession = Callable[[str, str], AbstractContextManager[SftpClient]]
"""A connection, for a verb and what it is done to."""

Walk = Callable[[str], Iterator[tuple[str, NameEntry]]]
"""The entries of all folders that can hold names which begin so, with their folders."""


class SftpUpkeep:
    """A temporary file that nobody has written to for a day is nobody's."""

    def __init__(
        self, session: OpenSession, walk: Walk, path_of: Callable[[str], bytes]
    ) -> None:
        """Look at nothing yet.

        Args:
            session: opens connections.
            walk: goes through the folders.
            path_of: where on the server an object or folder is; "" for all of it.
        """
        self._session = session
        self._walk = walk
        self._path_of = path_of

    def leftovers(self) -> Iterator[Leftover]:
        """The temporary files, those that are being written included."""
        now_s = self._now_s()
        for folder, entry in self._walk(""):
            if is_temporary(entry.name):
                name = join_name(folder, entry.name)
                age_s = _age_of(entry.attributes, now_s)
                yield Leftover(
                    LeftoverKind.FILE,
                    name,
                    entry.attributes.size or 0,
                    is_abandoned(age_s),
                    (name,),
                )

    def remove(self, leftover: Leftover) -> bool:
        """Remove a temporary file; one that is gone is fine."""
        (name,) = leftover.handle
        with self._session("remove", name) as client:
            remove_file(client, self._path_of(name))
        return True

    def aged(self, prefix: str) -> Iterator[AgedObject]:
        """List objects with their ages: since they were written."""
        now_s = self._now_s()
        for folder, entry in self._walk(prefix):
            name, attributes = join_name(folder, entry.name), entry.attributes
            is_file = stat.S_ISREG(attributes.permissions or 0)
            if is_file and check_name(name) and name.startswith(prefix):
                age_s = _age_of(attributes, now_s)
                yield AgedObject(name, attributes.size or 0, age_s)

    def _now_s(self) -> int | None:
        """The server's clock; None where nothing can be written."""
        path = os.path.join(self._path_of(""), temporary_name())
        try:
            with self._session("ask the time of", "the server") as client:
                return ask_time(client, path)
        except AccessDenied:
            return None


def is_temporary(name: bytes) -> bool:
    """Whether a file of this name is one that is being written, or was."""
    return _TEMPORARY.match(name) is not None


def temporary_name() -> bytes:
    """A hidden name that nobody else has."""
    return TEMPORARY_PREFIX + os.urandom(8).hex().encode("ascii")


def join_name(folder: str, name: bytes) -> str:
    """An object's name; one that `check_name` refuses for a foreign file."""
    text = "/" if b"/" in name else name.decode("ascii", "replace")
    return f"{folder}/{text}" if folder else text


def _age_of(attributes: Attributes, now_s: int | None) -> float | None:
    if now_s is None or attributes.modified_s is None:
        return None
    return float(now_s - attributes.modified_s)
