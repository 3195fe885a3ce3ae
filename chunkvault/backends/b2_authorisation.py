"""Who we are at Backblaze and what the bucket is called there: asked, or recalled.

Asking takes one request, two with a key that is not restricted to one bucket, and
the answer is good for a day. So it is kept for the next command, where there is a
place for it that only the application key itself opens.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chunkvault.backends.b2_failures import KEY_HINT
from chunkvault.backends.options import StorageOptions
from chunkvault.errors import AccessDenied, BackendError

if TYPE_CHECKING:
    from b2sdk.v3 import B2Session

__all__ = ["Authorisation", "Authoriser"]

_REALM_VARIABLE = "B2_ENVIRONMENT"
"""The b2 command line tool's own variable for another server than Backblaze's."""


class Authorisation(NamedTuple):
    """What requests need.

    Attributes:
        session: renews itself when it has expired.
        bucket_id: the bucket's.
        is_recalled: it may be out of date in any way.
    """

    session: "B2Session"
    bucket_id: str
    is_recalled: bool


class Authoriser:
    """For one bucket, with the key of the environment."""

    def __init__(
        self, bucket: str, prefix: str, options: StorageOptions, where: str
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._options = options
        self._where = where
        self._realm = options.environment.get(_REALM_VARIABLE) or "production"

    def recall(self) -> Authorisation | None:
        """That of an earlier command; no request is made."""
        from chunkvault.backends.b2_session import resume  # noqa: PLC0415 - 0.2 s

        notes, secret = self._options.notes, self._secret()
        text = notes.recall(self._place(), secret) if notes and secret else None
        if text is None:
            return None
        try:
            fields = json.loads(text)
            bucket_id = str(fields.pop("bucket_id"))
            environment, traffic = self._options.environment, self._options.traffic
            session = resume(fields, environment, self._realm, traffic)
        except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
            return None  # of another version
        self._require_prefix(session)
        return Authorisation(session, bucket_id, is_recalled=True)

    def ask(self) -> Authorisation:
        """A new one.

        Raises:
            BackendError: the key is not known, or not for this bucket.
            B2Error: somebody else than Backblaze is to blame.
        """
        from chunkvault.backends.b2_session import connect  # noqa: PLC0415 - 0.2 s

        try:
            session = connect(
                self._options.environment, self._realm, self._options.traffic
            )
        except KeyError as error:
            raise AccessDenied(
                f"no key for the {self._where}: {error.args[0]} is not set",
                hint=KEY_HINT,
            ) from error
        self._require_prefix(session)
        return Authorisation(session, self._find(session), is_recalled=False)

    def remember(self, one: Authorisation) -> None:
        """Keep it for the next command, as it is now."""
        from chunkvault.backends.b2_session import (  # noqa: PLC0415 - 0.2 s
            authorisation_of,
        )

        notes, secret = self._options.notes, self._secret()
        if notes and secret:
            fields = {**authorisation_of(one.session), "bucket_id": one.bucket_id}
            text = json.dumps(fields, sort_keys=True).encode()
            if text != notes.recall(self._place(), secret):
                notes.remember(self._place(), secret, text)

    def _place(self) -> str:
        key_id = self._options.environment.get("B2_APPLICATION_KEY_ID", "")
        return f"b2 {self._realm} {key_id} {self._bucket}"

    def _secret(self) -> str:
        return self._options.environment.get("B2_APPLICATION_KEY", "")

    def _require_prefix(self, session: "B2Session") -> None:
        allowed = session.account_info.get_allowed()
        if not self._prefix.startswith(allowed.get("namePrefix") or ""):
            raise AccessDenied(
                f"the key is restricted to other names of the {self._where}",
                hint=f"the location must begin with {allowed['namePrefix']!r}",
            )

    def _find(self, session: "B2Session") -> str:
        """The bucket's id, which the key itself tells if it is restricted to it."""
        allowed: Mapping[str, Any] = session.account_info.get_allowed()
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
            raise AccessDenied(f"the key is not for the {self._where}", hint=KEY_HINT)
        raise BackendError(
            f"there is no {self._where}",
            hint="create it with Backblaze's tools, or check its name",
        )
