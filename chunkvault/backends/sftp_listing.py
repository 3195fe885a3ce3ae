"""Folders listed over SFTP, many at once.

As many as the server opens at once count as one request: they take two round trips,
or more where a folder has more names than the server tells in a few answers.
"""

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from chunkvault.backends.sftp_client import SftpClient, StatusError
from chunkvault.backends.sftp_replies import (
    Attributes,
    AttributesReply,
    NameEntry,
    NamesReply,
    Status,
)
from chunkvault.backends.sftp_requests import Kind, encode_string

__all__ = ["folders_at_once", "list_folders"]

_SAFE_FOLDERS = 32
"""How many folders any server opens at once; some permit 100."""

_MOST_FOLDERS = 600
"""More than the folders of all volumes; OpenSSH permits about 1,000."""

_SPARE_HANDLES = 16

_PAGES_AT_ONCE = 8
"""How many pages of one folder are asked for before the first has come."""

_MAX_ENTRIES = 5_000_000
"""More than a folder can sensibly hold: a server that goes on is not believed."""

_MISSING = (Status.NO_SUCH_FILE, Status.NO_SUCH_PATH)


@dataclass(slots=True)
class _Folder:
    """A folder that is being listed."""

    path: bytes
    opening: int
    handle: bytes = b""
    pages: list[int] = field(default_factory=list)  # asked for, not come
    entries: list[NameEntry] = field(default_factory=list)
    is_at_end: bool = False


def list_folders(client: SftpClient, paths: Sequence[bytes]) -> list[list[NameEntry]]:
    """List folders completely; one that is missing holds nothing.

    Symbolic links to folders count as folders, other links are left out. Names are
    the server's and may be anything.

    Args:
        client: the connection.
        paths: at most `folders_at_once`.

    Raises:
        StatusError: one of them cannot be listed.
    """
    client.traffic.count("list")
    folders = [
        _Folder(path, client.ask(Kind.OPENDIR, encode_string(path))) for path in paths
    ]
    try:
        for folder in folders:
            _open(client, folder)
        depth = max(2, _PAGES_AT_ONCE // len(folders))
        while any(not folder.is_at_end for folder in folders):
            _ask_pages(client, folders, depth)
            for folder in folders:
                _take_page(client, folder)
    finally:
        for folder in folders:
            if folder.handle:
                client.post(Kind.CLOSE, folder.handle)
    return [_known(client, folder) for folder in folders]


def folders_at_once(client: SftpClient) -> int:
    """How many folders may be listed at once, as far as the server has said."""
    return max(_SAFE_FOLDERS, min(client.open_handles - _SPARE_HANDLES, _MOST_FOLDERS))


def _open(client: SftpClient, folder: _Folder) -> None:
    try:
        folder.handle = client.wait_handle(folder.opening)
    except StatusError as error:
        if error.code not in _MISSING:
            raise
        folder.is_at_end = True


def _ask_pages(client: SftpClient, folders: Sequence[_Folder], depth: int) -> None:
    for folder in folders:
        while not folder.is_at_end and len(folder.pages) < depth:
            folder.pages.append(client.ask(Kind.READDIR, folder.handle))


def _take_page(client: SftpClient, folder: _Folder) -> None:
    if not folder.pages:
        return
    try:
        reply = client.wait(folder.pages.pop(0))
    except StatusError as error:
        if error.code != Status.END_OF_FILE:
            raise
        folder.is_at_end = True
        return
    if not isinstance(reply, NamesReply):
        raise client.refuse("no names in a listing")
    folder.entries += reply.entries
    if len(folder.entries) > _MAX_ENTRIES:
        raise client.refuse("a listing without end")


def _known(client: SftpClient, folder: _Folder) -> list[NameEntry]:
    """The entries whose type and size are certain; asks for those that are not."""
    known = [entry for entry in folder.entries if _is_clear(entry.attributes)]
    unclear = [entry for entry in folder.entries if not _is_clear(entry.attributes)]
    for start in range(0, len(unclear), _SAFE_FOLDERS):
        known += _look_at(client, folder.path, unclear[start : start + _SAFE_FOLDERS])
    return known


def _look_at(
    client: SftpClient, folder: bytes, entries: Sequence[NameEntry]
) -> list[NameEntry]:
    client.traffic.count("head")
    requests = []
    for entry in entries:
        path = encode_string(folder + b"/" + entry.name)
        requests.append(client.ask(Kind.STAT, path))
    seen = []
    for entry, request in zip(entries, requests, strict=True):
        attributes = _attributes_of(client, request)
        if _is_clear(attributes) and not _is_link_to_file(entry, attributes):
            seen.append(NameEntry(entry.name, attributes))
    return seen


def _attributes_of(client: SftpClient, request: int) -> Attributes:
    try:
        reply = client.wait(request)
    except StatusError as error:
        if error.code not in _MISSING:
            raise
        return Attributes()  # deleted since, or a link that leads nowhere
    if not isinstance(reply, AttributesReply):
        raise client.refuse("no attributes of a file")
    return reply.attributes


def _is_clear(attributes: Attributes) -> bool:
    mode = attributes.permissions
    if mode is None or stat.S_ISLNK(mode):
        return False
    return stat.S_ISDIR(mode) or attributes.size is not None


def _is_link_to_file(entry: NameEntry, target: Attributes) -> bool:
    is_link = stat.S_ISLNK(entry.attributes.permissions or 0)
    return is_link and not stat.S_ISDIR(target.permissions or 0)
