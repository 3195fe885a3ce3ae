"""Backblaze B2 through its native protocol, spoken by b2sdk.

::

    b2:bucket/prefix        b2://bucket/prefix is the same

B2 knows no create-only write and keeps every version of a name. So a put looks
first; of two that race the later one is what is read, which does not matter where
names are hashes. A listing shows the newest version of each name that is not
hidden, and a deletion removes all versions, hide markers included.

The key may be restricted to a bucket and to a prefix. It needs the capabilities
listFiles, readFiles and writeFiles; deleteFiles for what deletes; listBuckets if it
is not restricted to one bucket.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha1
from typing import TYPE_CHECKING
from urllib.parse import unquote

from chunkvault.backends.b2_client import B2Client
from chunkvault.backends.b2_failures import PastTheEnd
from chunkvault.backends.b2_upkeep import B2Upkeep
from chunkvault.backends.base import Backend, ObjectInfo, check_name, require_name
from chunkvault.backends.body import Body
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.pace import SLICE_BYTES
from chunkvault.backends.ranges import parse_content_range, read_range
from chunkvault.backends.upkeep import Upkeep
from chunkvault.errors import (
    ObjectExists,
    ObjectNotFound,
    StorageUnreachable,
    UsageError,
)

if TYPE_CHECKING:
    from requests import Response

__all__ = ["B2Backend", "open_location"]

_Data = bytes | bytearray | memoryview

_PIECE_BYTES = 1 << 20
_FEW_VERSIONS = 10
_PAGE_NAMES = 1000
"""Backblaze bills a listing for each thousand names."""

_FAR = (1 << 40) - 1
"""A range without an end goes so far: b2sdk knows no other."""


def open_location(location: str, options: StorageOptions) -> Backend:
    """Open ``b2:bucket/prefix``; nothing connects yet.

    Raises:
        UsageError: the location makes no sense.
    """
    place, _, query = location.split(":", 1)[1].partition("?")
    bucket, _, prefix = unquote(place).strip("/").partition("/")
    if query:
        raise UsageError("a location of B2 has no options", hint="leave out the '?'")
    if not bucket or any(
        part in {"", ".", ".."} for part in prefix.split("/") if prefix
    ):
        raise UsageError(
            "the location names no bucket, or an impossible prefix",
            hint="write b2:bucket/prefix",
        )
    return B2Backend(bucket, f"{prefix}/" if prefix else "", options)


class B2Backend:
    """Objects of a bucket below a prefix.

    Attributes:
        is_paced: the bytes keep the pace by themselves.
    """

    is_paced = True

    def __init__(self, bucket: str, prefix: str, options: StorageOptions) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._options = options
        self._client = B2Client(bucket, prefix, options)

    def put(self, name: str, data: _Data) -> None:
        """Look, then send with the SHA-1 that the server is to find."""
        require_name(name)
        what = f"store {name}"
        try:
            self._download(name, 0, 1, what)
        except ObjectNotFound:
            self._upload(name, data, what)
        else:
            raise ObjectExists(f"{name} exists already")

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Ask for the range, and check that it is what came."""
        require_name(name)
        what = f"read {name}"
        return read_range(
            lambda start, size: self._download(name, start, size, what), offset, length
        )

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List page by page, in the order of names."""
        return self.list_after(prefix, "")

    def list_after(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """List the names that are greater than ``after``."""
        what = "list objects"
        bucket_id = self._client.bucket_id(what)
        which = (_PAGE_NAMES, self._prefix + prefix)
        start = self._prefix + after if after else None
        while True:
            page = self._client.ask(what, "list_file_names", bucket_id, start, *which)
            for line in page["files"]:
                name = line["fileName"].removeprefix(self._prefix)
                if name > after and line["action"] == "upload" and check_name(name):
                    yield ObjectInfo(name, line["contentLength"])
            following = page["nextFileName"]
            if following is None:
                return
            if start is not None and following <= start:
                raise StorageUnreachable(
                    f"the listing of the {self} does not come to an end"
                )
            start = following

    def delete(self, name: str) -> None:
        """Remove all versions of the name."""
        require_name(name)
        what = f"delete {name}"
        key = self._prefix + name
        for file_id in [*self._versions(key, what)]:
            self._client.ask(what, "delete_file_version", file_id, key)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def upkeep(self) -> Upkeep:
        """What interrupted uploads left."""
        return B2Upkeep(self._client, self._prefix)

    def __str__(self) -> str:
        return str(self._client)

    def _upload(self, name: str, data: _Data, what: str) -> None:
        digest = sha1(data, usedforsecurity=False).hexdigest()
        body = Body(data, self._options.upload_pace)
        body.begin_sending()

        answer = self._client.ask(
            what,
            "upload_file",
            self._client.bucket_id(what),
            self._prefix + name,
            body.size,
            "application/octet-stream",
            digest,
            {},
            body,
        )
        if answer.get("contentSha1") not in {digest, f"unverified:{digest}"}:
            raise StorageUnreachable(f"could not {what}: other bytes arrived ({self})")

    def _download(self, name: str, offset: int, length: int | None, what: str) -> bytes:
        is_whole = offset == 0 and length is None
        last = offset + (_FAR if length is None else length - 1)

        span = None if is_whole else (offset, last)
        try:
            answer = self._client.download(what, self._prefix + name, span)
        except PastTheEnd:
            return b""
        with answer as response:
            data = self._read(response, what)
        self._require_range(response.headers, data, None if is_whole else offset, what)
        return data

    def _read(self, response: "Response", what: str) -> bytes:
        """All of an answer's body.

        Raises:
            StorageUnreachable: it broke off.
        """
        pace, pieces = self._options.download_pace, []
        step = SLICE_BYTES if pace.is_limited else _PIECE_BYTES
        try:
            for piece in response.iter_content(step):
                pace.take(len(piece))
                pieces.append(piece)
        except OSError as error:  # all that `requests` raises
            raise StorageUnreachable(
                f"could not {what}: the connection broke ({self})"
            ) from error
        finally:
            self._options.traffic.count("get", received=sum(map(len, pieces)))
        return b"".join(pieces)

    def _require_range(
        self, headers: Mapping[str, str], data: bytes, offset: int | None, what: str
    ) -> None:
        """See that all came that was announced, and that it is what was asked for."""
        if offset is None:
            said = headers.get("X-Bz-Content-Sha1", "")  # "none" for large files
            digest = sha1(data, usedforsecurity=False).hexdigest()
            is_right = said == digest or len(said) not in (0, len(digest))
        else:
            extent = parse_content_range(headers.get("Content-Range", ""))
            is_right = extent is not None and (extent.offset, extent.length) == (
                offset,
                len(data),
            )
        if not is_right or headers.get("Content-Length") != str(len(data)):
            raise StorageUnreachable(f"could not {what}: other bytes came ({self})")

    def _versions(self, key: str, what: str) -> Iterator[str]:
        """The ids of all versions of a name."""
        bucket_id, file_id = self._client.bucket_id(what), None
        while True:
            arguments = (bucket_id, key, file_id, _FEW_VERSIONS, key)
            page = self._client.ask(what, "list_file_versions", *arguments)
            for line in page["files"]:
                if line["fileName"] == key:
                    yield line["fileId"]
            if page["nextFileName"] != key or page["nextFileId"] == file_id:
                return
            file_id = page["nextFileId"]
