"""Whole files over SFTP: stored so that they are there or not, read, removed.

What does not depend on each other is asked for at once, so that over a long line
storing takes three round trips, reading and removing two, whatever the length. Each
of the three counts as one request: what an HTTP server does at one request takes
several here, and nobody bills for them. Folders that have to be made are ``other``.
A file is written under a hidden name, made durable, linked to its name (which never
replaces anything), and its folder is made durable. Servers that cannot do one of
these do what they can: without ``hardlink@openssh.com`` a rename, which by the draft
replaces nothing either; without ``fsync@openssh.com`` durability is the server's.
"""

import os
import stat
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from chunkvault.backends import sftp_replies as replies
from chunkvault.backends import sftp_requests as requests
from chunkvault.backends.sftp_client import (
    FSYNC,
    HARDLINK,
    STATVFS,
    SftpClient,
    StatusError,
)
from chunkvault.backends.sftp_replies import (
    Attributes,
    AttributesReply,
    ExtendedReply,
    Status,
)
from chunkvault.backends.sftp_requests import (
    Kind,
    OpenFlag,
    encode_number,
    encode_offset,
    encode_string,
)
from chunkvault.errors import StorageUnreachable

__all__ = ["Stored", "ask_time", "read_file", "remove_file", "store_file"]

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700

_WINDOW_BYTES = 4 * 1024 * 1024
"""How much is under way at once: twice what ``ssh`` itself lets through unanswered."""

_MISSING = (Status.NO_SUCH_FILE, Status.NO_SUCH_PATH)
_MAYBE_FULL = (Status.FAILURE, Status.NO_SPACE, Status.QUOTA_EXCEEDED)
_PLENTY_BYTES = 16 * 1024 * 1024
"""A file system with that much left beside the file has room for it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of storing a file.

    Attributes:
        is_new: False if there was one of that name, which was left alone.
        server_time_s: the server's clock, if it said.
    """

    is_new: bool
    server_time_s: int | None = None


def store_file(
    client: SftpClient, path: bytes, temporary: bytes, data: memoryview
) -> Stored:
    """Write a file, unless there is one.

    Args:
        client: the connection.
        path: of the file; folders above it are made if they are missing.
        temporary: the hidden path beside it; gone afterwards, if the connection
            lasts.
        data: its bytes.

    Raises:
        StatusError: ``NO_SPACE`` or ``QUOTA_EXCEEDED`` when it did not fit.
    """
    client.traffic.count("put", sent=len(data))
    upload = _open_upload(client, path, temporary)
    try:
        if upload.is_taken:
            return Stored(is_new=False)
        try:
            attributes = _write(client, upload.handle, data)
        except StatusError as error:
            client.settle()
            raise _why_not_written(client, path, len(data), error) from error
        is_new = _publish(client, temporary, path, upload.folder)
        return Stored(is_new, attributes.modified_s)
    finally:
        upload.end(client, temporary)


def read_file(
    client: SftpClient, path: bytes, offset: int, length: int | None
) -> bytes:
    """Read a range: from ``offset`` on, at most ``length`` bytes.

    Raises:
        StatusError: ``NO_SUCH_FILE`` also for what is not a regular file.
        StorageUnreachable: the file ends before the size that it was said to have.
    """
    data = b""
    try:
        looking = client.ask(Kind.LSTAT, encode_string(path))
        handle = client.wait_handle(_ask_open(client, path, OpenFlag.READ))
        try:
            size = _size_of_file(client, looking)
            end = size if length is None else min(offset + length, size)
            data = _read_range(client, handle, offset, end)
        finally:
            client.post(Kind.CLOSE, handle)
    finally:
        client.traffic.count("get", received=len(data))
    return data


def remove_file(client: SftpClient, path: bytes) -> None:
    """Remove a file, durably; one that is absent is fine."""
    client.traffic.count("delete")
    removal = client.ask(Kind.REMOVE, encode_string(path))
    folder = _ask_open_folder(client, path)
    try:
        client.wait_done(removal)
    except StatusError as error:
        if error.code not in _MISSING:
            raise
    finally:
        if folder is not None:
            with suppress(StatusError):
                _sync_folder(client, client.wait_handle(folder))


def ask_time(client: SftpClient, temporary: bytes) -> int | None:
    """The server's clock, by a file that is made for it at a hidden path; or None.

    Raises:
        StatusError: nothing can be written there.
    """
    client.traffic.count("other")
    flags = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.EXCLUSIVE
    handle = client.wait_handle(_ask_open(client, temporary, flags, _FILE_MODE))
    try:
        return _wait_attributes(client, client.ask(Kind.FSTAT, handle)).modified_s
    finally:
        client.post(Kind.CLOSE, handle)
        client.post(Kind.REMOVE, encode_string(temporary))


@dataclass(slots=True)
class _Upload:
    """What is open on the server while a file is being stored."""

    handle: bytes
    folder: bytes | None
    is_taken: bool

    def end(self, client: SftpClient, temporary: bytes) -> None:
        """Let go of it, without waiting; the temporary name goes too."""
        client.post(Kind.CLOSE, self.handle)
        if self.folder is not None:
            client.post(Kind.CLOSE, self.folder)
        client.post(Kind.REMOVE, encode_string(temporary))


def _open_upload(client: SftpClient, path: bytes, temporary: bytes) -> _Upload:
    try:
        return _try_open_upload(client, path, temporary)
    except StatusError as error:
        if error.code not in _MISSING:
            raise
    _make_folder(client, _folder_of(path))
    return _try_open_upload(client, path, temporary)


def _try_open_upload(client: SftpClient, path: bytes, temporary: bytes) -> _Upload:
    """One round trip: is the name taken, the new file, its folder."""
    flags = OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.EXCLUSIVE
    looking = client.ask(Kind.LSTAT, encode_string(path))
    opening = _ask_open(client, temporary, flags, _FILE_MODE)
    opening_folder = _ask_open_folder(client, path)
    folder = None
    if opening_folder is not None:
        with suppress(StatusError):  # not every server opens folders
            folder = client.wait_handle(opening_folder)
    is_taken = _is_done(client, looking)
    try:
        return _Upload(client.wait_handle(opening), folder, is_taken)
    except StatusError:
        if folder is not None:
            client.post(Kind.CLOSE, folder)
        raise


def _write(client: SftpClient, handle: bytes, data: memoryview) -> Attributes:
    """Write all and make it durable: one round trip, as far as the window goes."""
    under_way: deque[int] = deque()
    step = client.write_bytes
    raw_handle = handle[replies.LENGTH_BYTES :]
    for offset in range(0, len(data), step):
        piece = data[offset : offset + step]
        under_way.append(client.ask_write(raw_handle, offset, piece))
        if len(under_way) * step > _WINDOW_BYTES:
            client.wait_done(under_way.popleft())
    if client.offers(FSYNC):
        under_way.append(client.ask_extension(FSYNC, handle))
    looking = client.ask(Kind.FSTAT, handle)
    for request in under_way:
        client.wait_done(request)
    attributes = _wait_attributes(client, looking)
    if attributes.size != len(data):
        raise StatusError(Status.FAILURE, "the file is not as long as what was sent")
    return attributes


def _publish(
    client: SftpClient, temporary: bytes, path: bytes, folder: bytes | None
) -> bool:
    """Give a file its name, durably; False if somebody else was first."""
    if client.offers(HARDLINK):
        linking = client.ask_extension(
            HARDLINK, encode_string(temporary), encode_string(path)
        )
        syncing = None if folder is None else client.ask_extension(FSYNC, folder)
        is_linked = _is_done(client, linking)
        if syncing is not None:
            _is_done(client, syncing)
        if is_linked:
            return True
    return _rename(client, temporary, path, folder)


def _rename(
    client: SftpClient, temporary: bytes, path: bytes, folder: bytes | None
) -> bool:
    """For servers and file systems without links; also finds out why one failed."""
    if _is_there(client, client.ask(Kind.LSTAT, encode_string(path))):
        return False
    renaming = client.ask(Kind.RENAME, encode_string(temporary), encode_string(path))
    try:
        client.wait_done(renaming)
    except StatusError:
        if _is_there(client, client.ask(Kind.LSTAT, encode_string(path))):
            return False
        raise
    if folder is not None:
        _is_done(client, client.ask_extension(FSYNC, folder))
    return True


def _why_not_written(
    client: SftpClient, path: bytes, size: int, error: StatusError
) -> StatusError:
    """Version 3 has only "failure" for a full disk: look how full it is."""
    if error.code not in _MAYBE_FULL or not client.offers(STATVFS):
        return error
    client.traffic.count("other")
    folder = encode_string(_folder_of(path))
    try:
        reply = client.wait(client.ask_extension(STATVFS, folder))
    except StatusError:
        return error
    if not isinstance(reply, ExtendedReply):
        return error
    space = replies.decode_space(reply.body)
    is_full = space.free_bytes < size + _PLENTY_BYTES
    if is_full or (space.inodes and not space.free_inodes):
        return StatusError(Status.NO_SPACE, error.message)
    return StatusError(Status.QUOTA_EXCEEDED, error.message)


def _read_range(client: SftpClient, handle: bytes, offset: int, end: int) -> bytes:
    """Read from ``offset`` to ``end``; memory grows only with what really comes."""
    under_way: deque[tuple[int, int, int]] = deque()
    pieces: list[bytes] = []
    step = client.read_bytes
    asked = offset
    while under_way or asked < end:
        while asked < end and len(under_way) * step < _WINDOW_BYTES:
            length = min(step, end - asked)
            under_way.append((asked, length, _ask_read(client, handle, asked, length)))
            asked += length
        _take_piece(client, handle, under_way.popleft(), pieces)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _take_piece(
    client: SftpClient, handle: bytes, asked: tuple[int, int, int], pieces: list[bytes]
) -> None:
    """Wait for a piece; a server may give less, then the rest is asked for."""
    position, length, request = asked
    while data := client.wait_data(request, length):
        pieces.append(data)
        position += len(data)
        length -= len(data)
        if not length:
            return
        request = _ask_read(client, handle, position, length)
    raise StorageUnreachable(f"the file ends {length} bytes before its size")


def _make_folder(client: SftpClient, folder: bytes) -> None:
    """Make a folder and those above it; one that is there is fine."""
    if _try_make_folder(client, folder):
        return
    parent = _folder_of(folder)
    if parent == folder:
        raise StatusError(Status.NO_SUCH_FILE)
    _make_folder(client, parent)
    if not _try_make_folder(client, folder):
        raise StatusError(Status.FAILURE, "what is above it is not a folder")


def _try_make_folder(client: SftpClient, folder: bytes) -> bool:
    """False if the folder above it is missing."""
    client.traffic.count("other")
    attributes = requests.encode_attributes(_FOLDER_MODE)
    making = client.ask(Kind.MKDIR, encode_string(folder), attributes)
    try:
        client.wait_done(making)
    except StatusError as error:
        if error.code in _MISSING:
            return False
        if error.code not in (Status.FAILURE, Status.ALREADY_EXISTS):
            raise
    opening = _ask_open_folder(client, folder)
    if opening is not None:
        with suppress(StatusError):
            _sync_folder(client, client.wait_handle(opening))
    return True


def _sync_folder(client: SftpClient, handle: bytes) -> None:
    """Make names durable, and close; a server that cannot is fine."""
    syncing = client.ask_extension(FSYNC, handle)
    client.post(Kind.CLOSE, handle)
    _is_done(client, syncing)


def _ask_open(
    client: SftpClient, path: bytes, flags: int, permissions: int | None = None
) -> int:
    attributes = requests.encode_attributes(permissions)
    return client.ask(Kind.OPEN, encode_string(path), encode_number(flags), attributes)


def _ask_open_folder(client: SftpClient, path: bytes) -> int | None:
    """Ask for the folder of a path, to make it durable; ``None`` if that is no use."""
    if not client.offers(FSYNC):
        return None
    return _ask_open(client, _folder_of(path), OpenFlag.READ)


def _ask_read(client: SftpClient, handle: bytes, offset: int, length: int) -> int:
    return client.ask(Kind.READ, handle, encode_offset(offset), encode_number(length))


def _is_there(client: SftpClient, looking: int) -> bool:
    try:
        _wait_attributes(client, looking)
    except StatusError as error:
        if error.code not in _MISSING:
            raise
        return False
    return True


def _is_done(client: SftpClient, request: int) -> bool:
    try:
        client.wait(request)
    except StatusError:
        return False
    return True


def _size_of_file(client: SftpClient, looking: int) -> int:
    attributes = _wait_attributes(client, looking)
    if not stat.S_ISREG(attributes.permissions or stat.S_IFREG):
        raise StatusError(Status.NO_SUCH_FILE)
    if attributes.size is None:
        raise client.refuse("no size of a file")
    return attributes.size


def _wait_attributes(client: SftpClient, request: int) -> Attributes:
    reply = client.wait(request)
    if not isinstance(reply, AttributesReply):
        raise client.refuse("no attributes of a file")
    return reply.attributes


def _folder_of(path: bytes) -> bytes:
    return os.path.dirname(path) or b"."
