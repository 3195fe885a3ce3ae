"""What a bucket holds besides its objects: uploads that were never finished.

Their parts are billed until somebody finishes or aborts them, and no listing of
objects shows them.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypedDict

from chunkvault.backends.base import check_name
from chunkvault.backends.s3_client import Answer, S3Client, S3Refused
from chunkvault.backends.s3_place import S3Place
from chunkvault.backends.upkeep import (
    AgedObject,
    Leftover,
    LeftoverKind,
    age_of,
    is_abandoned,
    server_time,
)

__all__ = ["S3Upkeep"]

_LIST = "list unfinished uploads"
_GONE = "NoSuchUpload"


class _Upload(TypedDict):
    """What is used of a line of "list_multipart_uploads"."""

    Key: str
    UploadId: str
    Initiated: datetime


class S3Upkeep:
    """Ages come from the ``Date`` of the answer that has the listing."""

    def __init__(
        self,
        client: S3Client,
        place: S3Place,
        pages: Callable[[str], Iterator[Answer]],
    ) -> None:
        """Look at nothing yet.

        Args:
            client: of the bucket.
            place: whose prefix all keys have.
            pages: lists the objects whose names begin so, page by page.
        """
        self._client = client
        self._prefix = place.prefix
        self._pages = pages

    def leftovers(self) -> Iterator[Leftover]:
        """Unfinished uploads; one more request each tells their sizes."""
        for page in self._upload_pages():
            now = _time_of(page)
            for upload in page.get("Uploads", ()):
                name = upload["Key"].removeprefix(self._prefix)
                if upload["Key"].startswith(self._prefix) and check_name(name):
                    yield self._describe(name, upload, now)

    def remove(self, leftover: Leftover) -> bool:
        """Abort an upload; one that is gone is fine."""
        key, upload_id = leftover.handle
        what = f"abort the unfinished upload of {leftover.name}"
        self._ask("abort_multipart_upload", what, Key=key, UploadId=upload_id)
        return True

    def aged(self, prefix: str) -> Iterator[AgedObject]:
        """List objects with their ages."""
        for page in self._pages(prefix):
            now = _time_of(page)
            for line in page.get("Contents", ()):
                name = line["Key"].removeprefix(self._prefix)
                if name.startswith(prefix) and check_name(name):
                    age_s = age_of(line["LastModified"], now)
                    yield AgedObject(name, line["Size"], age_s)

    def _describe(self, name: str, upload: _Upload, now: datetime | None) -> Leftover:
        return Leftover(
            LeftoverKind.UPLOAD,
            name,
            self._size(upload),
            is_abandoned(age_of(upload["Initiated"], now)),
            (upload["Key"], upload["UploadId"]),
        )

    def _size(self, upload: _Upload) -> int:
        """Bytes of its parts; 0 if it has been finished or aborted meanwhile."""
        which = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
        markers: dict[str, int] = {}
        size: int = 0
        while True:
            page = self._ask("list_parts", _LIST, **which, **markers)
            size += sum(part["Size"] for part in page.get("Parts", ()))
            following = {"PartNumberMarker": page.get("NextPartNumberMarker") or 0}
            if not page.get("IsTruncated") or following == markers:
                return size
            markers = following

    def _upload_pages(self) -> Iterator[Answer]:
        markers: dict[str, str] = {}
        while True:
            page = self._ask(
                "list_multipart_uploads", _LIST, Prefix=self._prefix, **markers
            )
            yield page
            following = {
                "KeyMarker": page.get("NextKeyMarker") or "",
                "UploadIdMarker": page.get("NextUploadIdMarker") or "",
            }
            if not page.get("IsTruncated") or following == markers:
                return
            markers = following

    def _ask(self, operation: str, what: str, **arguments: object) -> Answer:
        """Make a request; the answer is empty if the upload is gone.

        Or if the server knows no uploads in parts: then there are none.
        """
        try:
            return self._client.ask(operation, what, **arguments)
        except S3Refused as refused:
            if refused.refusal.code == _GONE or refused.refusal.is_unsupported:
                return {}
            raise self._client.error(refused, what) from refused


def _time_of(page: Answer) -> datetime | None:
    return server_time(page.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
