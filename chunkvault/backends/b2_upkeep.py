"""What a bucket of B2 holds besides its files: large files that were never finished.

Chunkvault itself sends every object in one piece; copies of a repository that were
made with other programs leave them. Listings do not show them, bills do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from chunkvault.backends.b2_client import Answer, B2Client
from chunkvault.backends.base import check_name
from chunkvault.backends.upkeep import (
    AgedObject,
    Leftover,
    LeftoverKind,
    age_of,
    is_abandoned,
)
from chunkvault.errors import BackendError, ObjectNotFound

__all__ = ["B2Upkeep"]

_LIST = "list unfinished large files"
_PAGE_FILES = 100
_PAGE_PARTS = 1000
_PAGE_NAMES = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class B2Upkeep:
    """Ages come from the ``Date`` of the answer that has the listing."""

    def __init__(self, client: B2Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def leftovers(self) -> Iterator[Leftover]:
        """Unfinished large files; one more request each tells their sizes."""
        start: str | None = None
        bucket_id = self._client.bucket_id(_LIST)
        while True:
            which = (bucket_id, start, _PAGE_FILES, self._prefix)
            page = self._client.ask(_LIST, "list_unfinished_large_files", *which)
            now = self._client.server_time
            for line in page["files"]:
                name = line["fileName"].removeprefix(self._prefix)
                if line["fileName"].startswith(self._prefix) and check_name(name):
                    yield self._describe(name, line, now)
            if page["nextFileId"] in (None, start):
                return
            start = page["nextFileId"]

    def remove(self, leftover: Leftover) -> bool:
        """Cancel a large file; one that is gone is fine."""
        what = f"cancel the unfinished upload of {leftover.name}"
        try:
            self._client.ask(what, "cancel_large_file", leftover.handle[0])
        except BackendError as error:
            # One that was finished or cancelled meanwhile is but a bad request.
            if type(error) not in {BackendError, ObjectNotFound}:
                raise
            return False
        return True

    def aged(self, prefix: str) -> Iterator[AgedObject]:
        """List files with their ages, page by page."""
        bucket_id = self._client.bucket_id(_LIST)
        start: str | None = None
        while True:
            which = (bucket_id, start, _PAGE_NAMES, self._prefix + prefix)
            page = self._client.ask("list objects", "list_file_names", *which)
            now = self._client.server_time
            for line in page["files"]:
                name = line["fileName"].removeprefix(self._prefix)
                if line["action"] == "upload" and check_name(name):
                    yield AgedObject(name, line["contentLength"], _age_of(line, now))
            if page["nextFileName"] in (None, start):
                return
            start = page["nextFileName"]

    def _describe(self, name: str, line: Answer, now: datetime | None) -> Leftover:
        return Leftover(
            LeftoverKind.UPLOAD,
            name,
            self._size(line["fileId"]),
            is_abandoned(_age_of(line, now)),
            (line["fileId"],),
        )

    def _size(self, file_id: str) -> int:
        """Bytes of its parts; 0 if it has been finished or cancelled meanwhile."""
        size, first = 0, 1
        while first:
            try:
                page = self._client.ask(
                    _LIST, "list_parts", file_id, first, _PAGE_PARTS
                )
            except ObjectNotFound:
                return 0
            size += sum(part["contentLength"] for part in page["parts"])
            following = page["nextPartNumber"] or 0
            first = following if following > first else 0
        return size


def _age_of(line: Answer, now: datetime | None) -> float | None:
    uploaded = _EPOCH + timedelta(milliseconds=line["uploadTimestamp"])
    return age_of(uploaded, now)
