"""What an S3 server says when it refuses, as one of our errors.

Codes are those of Amazon's "Error responses" (API reference of S3) and what Ceph,
MinIO, Wasabi and Backblaze answer in their place. Pure: knows no SDK.
"""

from dataclasses import dataclass

from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectExists,
    ObjectNotFound,
    StorageFull,
    StorageUnreachable,
)

__all__ = ["Refusal", "refusal_error"]

_NO_KEY = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile"
_RENEW = (
    "get new credentials ('aws sso login', or a new AWS_SESSION_TOKEN) and run the"
    " command again: what was stored is kept"
)
_REGION = (
    "name the bucket's region, as in …?region=eu-central-1; or perhaps the server's"
    " address begins with https"
)
_CLOCK = "set the clock of this machine"
_ARCHIVED = (
    "a lifecycle rule moved it to an archive: restore it there first, and keep"
    " chunkvault's objects out of that rule"
)

_DENIALS = {
    "InvalidAccessKeyId": ("the server does not know the access key", _NO_KEY),
    "SignatureDoesNotMatch": ("the secret key is wrong", _NO_KEY),
    "ExpiredToken": ("the credentials have expired", _RENEW),
    "ExpiredTokenException": ("the credentials have expired", _RENEW),
    "TokenRefreshRequired": ("the credentials have expired", _RENEW),
    "InvalidToken": ("the session token is not valid", _RENEW),
    "RequestTimeTooSkewed": ("the clock here differs from the server's", _CLOCK),
    "RequestExpired": ("the clock here differs from the server's", _CLOCK),
    "InvalidObjectState": ("the object lies in an archive", _ARCHIVED),
    "AccountProblem": ("the account is not in order", "ask the provider"),
    "AllAccessDisabled": ("the account is not in order", "ask the provider"),
}
_WRONG_REGION = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "TemporaryRedirect",
        "Redirect",
        "301",
        "302",
        "307",
        "308",
    }
)
_FULL = frozenset(
    {
        "QuotaExceeded",
        "InsufficientStorage",
        "StorageFull",
        "XMinioStorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "TotalStorageQuotaExceeded",
    }
)
_ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_LATER = frozenset(
    {
        "BadDigest",  # what arrived is not what was sent
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "NoSuchUpload",  # it was taken for abandoned: another one is begun
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is not a success.

    Attributes:
        status: of HTTP.
        code: the server's word; a number where there was no body.
        message: the server's sentence, which may be empty.
        retry_after_s: how long it asks to be left alone, if it said.
    """

    status: int
    code: str
    message: str
    retry_after_s: float | None = None

    @property
    def is_past_the_end(self) -> bool:
        """The range begins behind the end of the object."""
        return self.status == 416

    @property
    def is_unsupported(self) -> bool:
        """The server does not know what was asked for, such as a condition."""
        return self.status == 501


def refusal_error(refusal: Refusal, what: str, where: str) -> BackendError:
    """The error that a refusal means.

    Args:
        refusal: what the server answered.
        what: verb and object, such as "read volumes/aa/…".
        where: bucket and server, as they may be shown.
    """
    code = refusal.code
    if code in _DENIALS:
        reason, hint = _DENIALS[code]
        return AccessDenied(f"could not {what}: {reason} ({where})", hint=hint)
    if code == "NoSuchBucket":
        return BackendError(
            f"there is no {where}",
            hint="create it with the provider's tools, or check its name",
        )
    if code in _WRONG_REGION:
        return BackendError(
            f"the {where} is in another region or at another address", hint=_REGION
        )
    return _by_status(refusal, what, where)


def _by_status(refusal: Refusal, what: str, where: str) -> BackendError:
    code, status = refusal.code, refusal.status
    text = f"could not {what}: {_told(refusal)} ({where})"
    if code in _FULL or status == 507 or "cap exceeded" in refusal.message.lower():
        return StorageFull(text)
    if status == 412:
        return ObjectExists(f"{what.partition(' ')[2]} exists already")
    if code in _ABSENT:
        return ObjectNotFound(f"there is no object {what.partition(' ')[2]}")
    if code in _LATER or status in {408, 409, 425, 429} or status >= 500:
        return StorageUnreachable(text, retry_after_s=refusal.retry_after_s)
    if status in {401, 403}:
        return AccessDenied(
            text,
            hint="the key may not do that, or object lock forbids it until a date",
        )
    return BackendError(text)


def _told(refusal: Refusal) -> str:
    """What the server says, short and on one line: it is a stranger's text."""
    said = " ".join(f"{refusal.code} {refusal.message}".split())
    shown = "".join(character for character in said if character.isprintable())
    return shown[:200] or f"status {refusal.status}"
