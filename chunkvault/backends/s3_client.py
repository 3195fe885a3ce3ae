"""Requests to S3: made once, counted, and their failures told in our words.

The SDK is loaded when the first request is made.
"""

import sys
from threading import Lock
from typing import TYPE_CHECKING, Any

from chunkvault.backends.body import Body
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.pace import SLICE_BYTES
from chunkvault.backends.s3_place import S3Place
from chunkvault.backends.s3_refusals import Refusal, refusal_error
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    StorageUnreachable,
    UsageError,
)

if TYPE_CHECKING:
    from botocore.client import BaseClient

__all__ = ["Answer", "S3Client", "S3Refused"]

Answer = dict[str, Any]
"""What an operation returns, as the SDK's documents list it."""

_KINDS = {
    "put_object": "put",
    "upload_part": "put",
    "create_multipart_upload": "put",
    "complete_multipart_upload": "put",
    "get_object": "get",
    "list_objects_v2": "list",
    "list_multipart_uploads": "list",
    "list_parts": "list",
    "delete_object": "delete",
    "abort_multipart_upload": "delete",
}
_KEY_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for a profile"
    " in ~/.aws"
)
_SIGN_IN_HINT = "run 'aws sso login', with the profile if one is used"
_TRUST_HINT = "name the file of its authority in AWS_CA_BUNDLE, if it is your own"


class S3Refused(Exception):
    """The server answered with an error; does not leave the backend.

    Attributes:
        refusal: the answer.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class S3Client:
    """One bucket of one server. Any thread; connects at the first request."""

    def __init__(self, place: S3Place, options: StorageOptions) -> None:
        self._place = place
        self._options = options
        self._client: BaseClient | None = None
        self._lock = Lock()

    def ask(self, operation: str, what: str, **arguments: object) -> Answer:
        """Make a request.

        Args:
            operation: the SDK's name of it.
            what: verb and object, for messages.
            **arguments: of the operation, besides the bucket.

        Raises:
            S3Refused: the server answered with an error.
            BackendError: it did not come so far.
        """
        client = self._connected()
        body = arguments.get("Body")
        sent = body.size if isinstance(body, Body) else 0
        try:
            answer: Answer = getattr(client, operation)(
                Bucket=self._place.bucket, **arguments
            )
        except _sdk_errors() as error:
            self._options.traffic.count(_KINDS[operation], sent=sent)
            refusal = _refusal(error)
            if refusal is not None:
                raise S3Refused(refusal) from error
            raise self._failure(error, what) from error
        if operation != "get_object":  # that is counted with the bytes it brings
            self._options.traffic.count(_KINDS[operation], sent=sent)
        elif not answer.get("ETag"):
            answer["Body"].close()
            self._options.traffic.count("get")
            raise StorageUnreachable(
                f"could not {what}: what answered is no object ({self._place})"
            )
        return answer

    def read(self, answer: Answer, what: str, limit: int | None = None) -> bytes:
        """Read what a "get_object" brings, to its announced end or so many bytes.

        Raises:
            StorageUnreachable: it broke off.
        """
        data = b""
        try:
            data = self._read_body(answer, limit)
        except _sdk_errors() as error:
            raise self._failure(error, what) from error
        finally:
            answer["Body"].close()
            self._options.traffic.count("get", received=len(data))
        return data

    def error(self, refused: S3Refused, what: str) -> BackendError:
        """What a refusal means to those who asked."""
        return refusal_error(refused.refusal, what, str(self._place))

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> "BaseClient":
        with self._lock:
            if self._client is None:
                self._client = self._create()
            return self._client

    def _create(self) -> "BaseClient":
        try:
            from chunkvault.backends.s3_session import (  # noqa: PLC0415 - 0.2 s
                create_client,
            )
        except ImportError as error:
            raise UsageError(
                "the package that speaks to S3 is not installed",
                hint="pip install 'chunkvault[s3]'",
            ) from error
        options = self._options
        try:
            return create_client(self._place, options.environment, options.connections)
        except _sdk_errors() as error:
            if _kinds_of(error) & (_NO_CREDENTIALS | _SIGNED_OUT):
                raise self._failure(error, "begin") from error
            raise UsageError(
                f"the settings for the {self._place} do not make sense: {error}",
                hint="see ~/.aws/config, and what stands behind '?' in the location",
            ) from error

    def _read_body(self, answer: Answer, limit: int | None) -> bytes:
        body = answer["Body"]
        pace = self._options.download_pace
        if limit is None and not pace.is_limited:
            return bytes(body.read())
        pieces, left = [], sys.maxsize if limit is None else limit
        step = SLICE_BYTES if pace.is_limited else left
        while left and (piece := body.read(min(left, step))):
            pace.take(len(piece))
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _failure(self, error: Exception, what: str) -> BackendError:
        """What it means that no answer came."""
        text, where = f"could not {what}", str(self._place)
        kinds = _kinds_of(error)
        if kinds & _SIGNED_OUT:
            return AccessDenied(
                f"the sign-in for the {where} has expired, or there was none",
                hint=_SIGN_IN_HINT,
            )
        if kinds & _NO_CREDENTIALS:
            return AccessDenied(
                f"no usable credentials for the {where}", hint=_KEY_HINT
            )
        if kinds & {"SSLError"} and "certificate" in str(error).lower():
            return BackendError(
                f"{text}: its certificate is not to be trusted ({where})",
                hint=_TRUST_HINT,
            )
        if kinds & {"ParamValidationError"}:
            return BackendError(f"{text}: {error}")
        return StorageUnreachable(f"{text}: {_reason(error, kinds)} ({where})")


_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "MissingDependencyException",
    }
)
_SIGNED_OUT = frozenset({"SSOError", "TokenRetrievalError", "LoginError"})


def _kinds_of(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _sdk_errors() -> tuple[type[Exception], ...]:
    """All that the SDK raises; it is loaded when this is asked."""
    from botocore.exceptions import (  # noqa: PLC0415 - loaded by now
        BotoCoreError,
        ClientError,
    )
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    return (BotoCoreError, ClientError, HTTPError, OSError, ValueError)


def _refusal(error: Exception) -> Refusal | None:
    response = getattr(error, "response", None)
    if not isinstance(response, dict) or "Error" not in response:
        return None
    metadata = response.get("ResponseMetadata", {})
    return Refusal(
        status=metadata.get("HTTPStatusCode", 0),
        code=str(response["Error"].get("Code") or ""),
        message=str(response["Error"].get("Message") or ""),
        retry_after_s=_seconds(metadata.get("HTTPHeaders", {}).get("retry-after")),
    )


def _seconds(header: str | None) -> float | None:
    """The seconds of a Retry-After; a date is not asked the clock about."""
    return float(header) if header and header.isascii() and header.isdigit() else None


def _reason(error: Exception, kinds: set[str]) -> str:
    text = f"{error} {getattr(error, 'kwargs', {}).get('error')}"
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "its name is not known here"
    if "refused" in text:
        return "nobody listens there"
    if kinds & {"ConnectTimeoutError", "ReadTimeoutError"}:
        return "no answer for a long time"
    return "the connection broke"
