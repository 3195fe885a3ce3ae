"""Who we are at Backblaze, and where the bucket is: found out at the first request.

The SDK is loaded then, too.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from json import JSONDecodeError
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from chunkvault.backends.b2_failures import KEY_HINT, b2_error
from chunkvault.backends.options import StorageOptions
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    StorageUnreachable,
    UsageError,
)

if TYPE_CHECKING:
    from b2sdk.v3 import B2Session
    from requests import Response

__all__ = ["Answer", "B2Client"]

Answer = dict[str, Any]
"""What an operation returns, as Backblaze's documents list it."""

_Connected = tuple["B2Session", str]
"""An authorisation that renews itself, and the bucket's id."""

_Result = TypeVar("_Result")

_REALM_VARIABLE = "B2_ENVIRONMENT"
"""The b2 command line tool's own variable for another server than Backblaze's."""


class B2Client:
    """One bucket, with the key of the environment. Any thread."""

    def __init__(self, bucket: str, prefix: str, options: StorageOptions) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._options = options
        self._connected: _Connected | None = None
        self._lock = Lock()

    def __str__(self) -> str:
        return f"bucket {self._bucket} at Backblaze B2"

    def bucket_id(self, what: str) -> str:
        """What requests call the bucket; ``what`` is for messages.

        Raises:
            BackendError: the key is not known, or not for this bucket.
        """
        return self._run(what, lambda connected: connected[1])

    def ask(self, what: str, operation: str, *arguments: object) -> Answer:
        """Make a request.

        Args:
            what: verb and object, for messages.
            operation: a method of `b2sdk.v3.B2Session`.
            *arguments: of the operation.

        Raises:
            BackendError: it failed.
        """

        def call(connected: _Connected) -> Answer:
            answer: Answer = getattr(connected[0], operation)(*arguments)
            return answer

        return self._run(what, call)

    def download(
        self, what: str, key: str, span: tuple[int, int] | None
    ) -> AbstractContextManager["Response"]:
        """Ask for a file or a part of it, first and last byte; to be read.

        Raises:
            BackendError: it failed.
        """

        def call(connected: _Connected) -> AbstractContextManager["Response"]:
            session = connected[0]
            url = session.get_download_url_by_name(self._bucket, key)
            answer: AbstractContextManager[Response] = session.download_file_from_url(
                url, range_=span
            )
            return answer

        return self._run(what, call)

    @property
    def server_time(self) -> datetime | None:
        """The server's clock when it gave its last answer; None if it did not say."""
        with self._lock:
            connected = self._connected
        if connected is None:
            return None
        said: datetime | None = connected[0].raw_api.b2_http.session.server_time
        return said

    def close(self) -> None:
        """Forget the authorisation, and close all connections."""
        with self._lock:
            connected, self._connected = self._connected, None
        if connected is not None:
            connected[0].raw_api.b2_http.session.close()

    def _run(self, what: str, call: Callable[[_Connected], _Result]) -> _Result:
        try:
            from chunkvault.backends.b2_session import B2Error  # noqa: PLC0415 - 0.2 s
        except ImportError as error:
            raise UsageError(
                "the package that speaks to Backblaze B2 is not installed",
                hint="pip install 'chunkvault[b2]'",
            ) from error
        try:
            return call(self._connect())
        except JSONDecodeError as error:  # a page of something in between, perhaps
            raise StorageUnreachable(
                f"could not {what}: what answered does not speak B2 ({self})"
            ) from error
        except (B2Error, OSError) as error:
            raise b2_error(error, what, str(self)) from error

    def _connect(self) -> _Connected:
        with self._lock:
            if self._connected is None:
                self._connected = self._authorise()
            return self._connected

    def _authorise(self) -> _Connected:
        from chunkvault.backends.b2_session import connect  # noqa: PLC0415 - 0.2 s

        environment = self._options.environment
        realm = environment.get(_REALM_VARIABLE) or "production"
        try:
            session = connect(environment, realm, self._options.traffic)
        except KeyError as error:
            raise AccessDenied(
                f"no key for the {self}: {error.args[0]} is not set", hint=KEY_HINT
            ) from error
        allowed = session.account_info.get_allowed()
        if not self._prefix.startswith(allowed.get("namePrefix") or ""):
            raise AccessDenied(
                f"the key is restricted to other names of the {self}",
                hint=f"the location must begin with {allowed['namePrefix']!r}",
            )
        return session, self._find(session, allowed)

    def _find(self, session: "B2Session", allowed: Mapping[str, Any]) -> str:
        """The bucket's id, which the key itself tells if it is restricted to it."""
        buckets = allowed.get("buckets")
        if buckets is None:
            account = session.account_info.get_account_id()
            answer = session.list_buckets(account, bucket_name=self._bucket)
            found = answer["buckets"]
            ids = {bucket["bucketName"]: bucket["bucketId"] for bucket in found}
        else:
            ids = {bucket["name"]: bucket["id"] for bucket in buckets}
        if self._bucket in ids:
            return str(ids[self._bucket])
        if buckets is not None:
            raise AccessDenied(f"the key is not for the {self}", hint=KEY_HINT)
        raise BackendError(
            f"there is no {self}",
            hint="create it with Backblaze's tools, or check its name",
        )
