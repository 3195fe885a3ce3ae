"""S3, at Amazon and everywhere else, through botocore.

A put is create-only by ``If-None-Match: *``. Servers that ignore the condition
silently exist, so one that is not certain to heed it is also asked beforehand. The
first small object that was put is put once more: who refuses that heeds it.
What is deleted in a bucket with versions stays as an old version until a rule of
the bucket removes it.
"""

from collections.abc import Iterator
from threading import Lock

from chunkvault.backends.base import Backend, ObjectInfo, check_name, require_name
from chunkvault.backends.body import Body
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.ranges import (
    parse_content_range,
    range_header,
    read_range,
)
from chunkvault.backends.s3_checksums import checksum_arguments
from chunkvault.backends.s3_client import Answer, S3Client, S3Refused
from chunkvault.backends.s3_multipart import upload_in_parts
from chunkvault.backends.s3_place import S3Place, parse_place
from chunkvault.backends.s3_upkeep import S3Upkeep
from chunkvault.backends.upkeep import Upkeep
from chunkvault.errors import (
    BackendError,
    ObjectExists,
    ObjectNotFound,
    StorageUnreachable,
)

__all__ = ["S3Backend", "open_location"]

_SINGLE_PUT_BYTES = 64 << 20
"""Larger objects are sent in parts."""

_TRIAL_BYTES = 64 << 10
"""Objects up to this are put once more, to see what the server says."""

_CLASS_FROM_BYTES = 128 << 10
"""Classes that are cheaper per byte bill at least so much for each object."""


def open_location(location: str, options: StorageOptions) -> Backend:
    """Open ``s3:…``, see `chunkvault.backends.s3_place`; nothing connects yet.

    Raises:
        UsageError: the location makes no sense.
    """
    return S3Backend(parse_place(location, options.environment), options)


class S3Backend:
    """Objects of a bucket below a prefix.

    Attributes:
        is_paced: the bytes keep the pace by themselves.
    """

    is_paced = True

    def __init__(self, place: S3Place, options: StorageOptions) -> None:
        self._place = place
        self._options = options
        self._client = S3Client(place, options)
        self._conditional = True  # until the server says that it cannot
        self._has_tried = False
        self._told_about_versions = False
        self._lock = Lock()

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Send the object in one request, or in parts if it is very large."""
        require_name(name)
        what = f"store {name}"
        if not self._is_certain():
            self._require_absent(name, what)
        if memoryview(data).nbytes > _SINGLE_PUT_BYTES:
            self._put_in_parts(name, data, what)
        else:
            self._put_at_once(name, data, what)
            self._find_out(name, data, what)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Ask for the range, and check that it is what came."""
        require_name(name)
        what = f"read {name}"
        return read_range(
            lambda start, size: self._fetch(name, start, size, what), offset, length
        )

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List page by page, in the order of names."""
        return self.list_after(prefix, "")

    def list_after(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """List the names that are greater than ``after``."""
        for page in self._pages(prefix, after):
            yield from _objects(page, self._place.prefix, prefix)

    def delete(self, name: str) -> None:
        """Delete the object; an old version of it stays where versions are kept."""
        require_name(name)
        answer = self._ask("delete_object", f"delete {name}", Key=self._key(name))
        if answer.get("DeleteMarker"):
            self._tell_about_versions()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def upkeep(self) -> Upkeep:
        """What interrupted uploads left."""
        return S3Upkeep(self._client, self._place, self._pages)

    def _pages(self, prefix: str, after: str = "") -> Iterator[Answer]:
        root = self._place.prefix
        arguments = {"Prefix": root + prefix}
        if after:
            arguments["StartAfter"] = root + after
        while True:
            page = self._ask("list_objects_v2", "list objects", **arguments)
            yield page
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated"):
                return
            if not token or token == arguments.get("ContinuationToken"):
                raise StorageUnreachable(
                    f"the listing of the {self._place} does not come to an end"
                )
            arguments["ContinuationToken"] = token

    def _is_certain(self) -> bool:
        """Whether a put to a name that is taken is certainly refused."""
        habits, place = self._options.habits, self._place
        is_known = habits is not None and bool(habits.heeds_conditions(str(place)))
        return self._conditional and (place.conditional_put or is_known)

    def _find_out(
        self, name: str, data: bytes | bytearray | memoryview, what: str
    ) -> None:
        """Put an object once more, to see whether that is refused; tried once.

        It is the same content, so that nothing is lost where it is not.
        """
        habits, place = self._options.habits, str(self._place)
        if habits is None or self._place.conditional_put or not self._conditional:
            return
        is_large = memoryview(data).nbytes > _TRIAL_BYTES
        if is_large or self._has_tried or habits.heeds_conditions(place) is not None:
            return
        self._has_tried = True
        try:
            self._put_at_once(name, data, what)
        except ObjectExists:
            habits.note(place, heeds=True)
        except BackendError:
            pass  # the object is there; the next command will find out
        else:
            habits.note(place, heeds=False)

    def _put_at_once(
        self, name: str, data: bytes | bytearray | memoryview, what: str
    ) -> None:
        while True:
            arguments = self._put_arguments(data)
            body = Body(data, self._options.upload_pace)
            try:
                self._client.ask(
                    "put_object", what, Key=self._key(name), Body=body, **arguments
                )
            except S3Refused as refused:
                if not self._learns(refused, arguments):
                    raise self._client.error(refused, what) from refused
                if not self._conditional:
                    self._require_absent(name, what)
            else:
                return

    def _put_in_parts(
        self, name: str, data: bytes | bytearray | memoryview, what: str
    ) -> None:
        arguments = self._class_arguments(memoryview(data).nbytes)
        self._require_absent(name, what)  # many finish an upload unconditionally
        upload_in_parts(
            lambda operation, **more: self._ask(
                operation, what, Key=self._key(name), **more
            ),
            memoryview(data).cast("B"),
            self._options.upload_pace,
            arguments,
            keeps_checksums=self._place.checksums,
        )

    def _put_arguments(self, data: bytes | bytearray | memoryview) -> Answer:
        arguments = self._class_arguments(memoryview(data).nbytes)
        if self._conditional:
            arguments["IfNoneMatch"] = "*"
        arguments |= checksum_arguments(data, is_kept=self._place.checksums)
        return arguments

    def _class_arguments(self, size: int) -> Answer:
        if self._place.storage_class and size >= _CLASS_FROM_BYTES:
            return {"StorageClass": self._place.storage_class}
        return {}

    def _learns(self, refused: S3Refused, arguments: Answer) -> bool:
        """Whether the same may succeed now that the server's ways are known."""
        if refused.refusal.is_unsupported and "IfNoneMatch" in arguments:
            self._conditional = False
            return True
        return False

    def _require_absent(self, name: str, what: str) -> None:
        """Ask for one byte: unlike HEAD that gives a reason when it is refused."""
        try:
            self._fetch(name, 0, 1, what)
        except ObjectNotFound:
            return
        raise ObjectExists(f"{name} exists already")

    def _fetch(self, name: str, offset: int, length: int | None, what: str) -> bytes:
        header = range_header(offset, length)
        asked = {"Range": header} if header else {}
        try:
            answer = self._client.ask("get_object", what, Key=self._key(name), **asked)
        except S3Refused as refused:
            if refused.refusal.is_past_the_end:
                return b""
            raise self._client.error(refused, what) from refused
        if not header:
            return self._client.read(answer, what)
        if answer.get("ContentRange"):
            return self._read_extent(answer, offset, length, what)
        # Some servers ignore ranges and send all of it.
        end = None if length is None else offset + length
        return self._client.read(answer, what, end)[offset:]

    def _read_extent(
        self, answer: Answer, offset: int, length: int | None, what: str
    ) -> bytes:
        extent = parse_content_range(answer["ContentRange"])
        data = self._client.read(answer, what, length)
        if (
            extent is None
            or not extent.answers(offset, length)
            or len(data) != extent.length
        ):
            raise StorageUnreachable(
                f"could not {what}: another part of it came ({self._place})"
            )
        return data

    def _key(self, name: str) -> str:
        return self._place.prefix + name

    def _ask(self, operation: str, what: str, **arguments: object) -> Answer:
        try:
            return self._client.ask(operation, what, **arguments)
        except S3Refused as refused:
            raise self._client.error(refused, what) from refused

    def _tell_about_versions(self) -> None:
        with self._lock:
            was_told, self._told_about_versions = self._told_about_versions, True
        if not was_told:
            self._options.tell(
                f"the {self._place} keeps versions: what was deleted takes space until"
                " a lifecycle rule removes it there"
            )


def _objects(page: Answer, root: str, prefix: str) -> Iterator[ObjectInfo]:
    """The lines of a page that are objects of ours."""
    for line in page.get("Contents", ()):
        key = line["Key"]
        name = key.removeprefix(root)
        if key.startswith(root + prefix) and check_name(name):
            yield ObjectInfo(name, line["Size"])
