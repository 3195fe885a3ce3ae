"""What b2sdk raises, as one of our errors; knows its kinds by their names only."""

from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectNotFound,
    StorageFull,
    StorageUnreachable,
)

__all__ = ["KEY_HINT", "PastTheEnd", "b2_error"]

KEY_HINT = "set B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY to a key of this bucket"
_MAY_NOT_HINT = (
    "the key needs listFiles, readFiles and writeFiles, deleteFiles to delete, and this"
    " bucket and prefix"
)
_KINDS: dict[str, type[BackendError]] = {
    "BucketIdNotFound": BackendError,  # deleted, and perhaps made again
    "FileNotPresent": ObjectNotFound,
    "ResourceNotFound": ObjectNotFound,
    "CapExceeded": StorageFull,
    "StorageCapExceeded": StorageFull,
    "TransactionCapExceeded": StorageFull,
    "AccessDenied": AccessDenied,
    "CapabilityNotAllowed": AccessDenied,
    "InvalidAuthToken": AccessDenied,
    "NotAllowedByAppKeyError": AccessDenied,
    "SSECKeyError": AccessDenied,  # what b2sdk makes of 403 when it reads
    "Unauthorized": AccessDenied,
    "ChecksumMismatch": StorageUnreachable,
    "Conflict": StorageUnreachable,
    "FileSha1Mismatch": StorageUnreachable,
    "InvalidJsonResponse": StorageUnreachable,
    "NoAnswer": StorageUnreachable,
    "RequestException": StorageUnreachable,
    "TransientErrorMixin": StorageUnreachable,
    "UploadTokenUsedConcurrently": StorageUnreachable,
}


class PastTheEnd(BackendError):
    """A range begins behind the end of an object; does not leave the backend."""


def b2_error(error: Exception, what: str, where: str) -> BackendError:
    """The error that a failure of b2sdk means.

    Args:
        error: what was raised.
        what: verb and object, such as "read volumes/aa/…".
        where: the bucket, as it may be shown.
    """
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if "UnsatisfiableRange" in kinds:
        return PastTheEnd(what)
    found = next((_KINDS[kind] for kind in kinds if kind in _KINDS), BackendError)
    if found is ObjectNotFound:
        return ObjectNotFound(f"there is no object {what.partition(' ')[2]}")
    text = f"could not {what}: {_told(error)} ({where})"
    if found is BackendError and "sha1" in str(error).lower():
        return StorageUnreachable(text)  # what arrived is not what was sent
    if found is StorageUnreachable:
        asked = getattr(error, "retry_after_s", None)
        return StorageUnreachable(text, retry_after_s=asked)
    if found is AccessDenied:
        is_unknown = "InvalidAuthToken" in kinds
        return AccessDenied(text, hint=KEY_HINT if is_unknown else _MAY_NOT_HINT)
    return found(text)


def _told(error: Exception) -> str:
    """What the server says, short and on one line: it is a stranger's text."""
    said = " ".join(str(error).split())
    shown = "".join(character for character in said if character.isprintable())
    return shown[:200] or type(error).__name__
