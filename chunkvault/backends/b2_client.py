"""Requests to one bucket at Backblaze.

The SDK is loaded with the first one, and who we are is found out then, or recalled.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from json import JSONDecodeError
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from chunkvault.backends.b2_authorisation import Authorisation, Authoriser
from chunkvault.backends.b2_failures import PastTheEnd, b2_error
from chunkvault.backends.options import StorageOptions
from chunkvault.errors import (
    BackendError,
    ObjectNotFound,
    StorageUnreachable,
    UsageError,
)

if TYPE_CHECKING:
    from requests import Response

__all__ = ["Answer", "B2Client"]

Answer = dict[str, Any]
"""What an operation returns, as Backblaze's documents list it."""

_Result = TypeVar("_Result")


class B2Client:
    """One bucket, with the key of the environment. Any thread."""

    def __init__(self, bucket: str, prefix: str, options: StorageOptions) -> None:
        self._bucket = bucket
        self._authoriser = Authoriser(bucket, prefix, options, str(self))
        self._may_recall = True
        self._connected: Authorisation | None = None
        self._lock = Lock()

    def __str__(self) -> str:
        return f"bucket {self._bucket} at Backblaze B2"

    def bucket_id(self, what: str) -> str:
        """What requests call the bucket; ``what`` is for messages.

        Raises:
            BackendError: the key is not known, or not for this bucket.
        """
        return self._run(what, lambda connected: connected.bucket_id)

    def ask(self, what: str, operation: str, *arguments: object) -> Answer:
        """Make a request.

        Args:
            what: verb and object, for messages.
            operation: a method of `b2sdk.v3.B2Session`.
            *arguments: of the operation.

        Raises:
            BackendError: it failed.
        """

        def call(connected: Authorisation) -> Answer:
            answer: Answer = getattr(connected.session, operation)(*arguments)
            return answer

        return self._run(what, call)

    def download(
        self, what: str, key: str, span: tuple[int, int] | None
    ) -> AbstractContextManager["Response"]:
        """Ask for a file or a part of it, first and last byte; to be read.

        Raises:
            BackendError: it failed.
        """

        def call(connected: Authorisation) -> AbstractContextManager["Response"]:
            session = connected.session
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
        said: datetime | None = connected.session.raw_api.b2_http.session.server_time
        return said

    def close(self) -> None:
        """Keep the authorisation for the next command, and close all connections."""
        with self._lock:
            connected, self._connected = self._connected, None
        if connected is not None:
            self._authoriser.remember(connected)
            connected.session.raw_api.b2_http.session.close()

    def _run(self, what: str, call: Callable[[Authorisation], _Result]) -> _Result:
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
            failure: BackendError = StorageUnreachable(
                f"could not {what}: what answered does not speak B2 ({self})"
            )
            cause: Exception = error
        except (B2Error, OSError) as error:
            failure, cause = b2_error(error, what, str(self)), error
        if self._doubts(failure) and not isinstance(failure, StorageUnreachable):
            failure = StorageUnreachable(str(failure))  # with a new one it may work
        raise failure from cause

    def _connect(self) -> Authorisation:
        with self._lock:
            recalled = self._authoriser.recall() if self._may_recall else None
            self._may_recall = False
            if self._connected is None:
                self._connected = recalled or self._authoriser.ask()
            return self._connected

    def _doubts(self, failure: BackendError) -> bool:
        """Whether the blame may be on what was recalled: it is forgotten then."""
        is_answer = isinstance(failure, (ObjectNotFound, PastTheEnd))
        with self._lock:
            connected = self._connected
            if is_answer or connected is None or not connected.is_recalled:
                return False
            self._connected = None
            connected.session.raw_api.b2_http.session.close()
            return True
