"""Backblaze's own protocol through b2sdk: who we are, and each request once.

b2sdk's file of accounts is not used: it would hold the key in the clear. It renews
an authorisation or an upload URL that has expired by itself.
Its patience is taken from it, because `chunkvault.backends.retrying` has its own:
b2sdk hands every request to a session of `requests`, and ours does not come back
with an answer that would be worth another attempt, but raises.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b2sdk.v3 import B2HttpApiConfig, B2Session, InMemoryAccountInfo
from b2sdk.v3.exception import B2Error
from requests import PreparedRequest, RequestException, Response, Session

from chunkvault.backends.traffic import Traffic
from chunkvault.backends.upkeep import server_time

__all__ = [
    "B2Error",
    "NoAnswer",
    "RequestException",
    "authorisation_of",
    "connect",
    "resume",
]

_TIMEOUTS_S = (15, 60)
_KINDS = {
    "b2_list_file_names": "list",
    "b2_list_file_versions": "list",
    "b2_delete_file_version": "delete",
}
_FIELDS = {
    "b2_authorize_account": "accountId",
    "b2_delete_file_version": "fileId",
    "b2_get_upload_url": "uploadUrl",
    "b2_list_buckets": "buckets",
    "b2_list_file_names": "files",
    "b2_list_file_versions": "files",
    "b2_list_unfinished_large_files": "files",
    "b2_upload_file": "fileId",
}
"""What must stand in an answer, or it is an error or a stranger's under a 200."""
_AGAIN = frozenset({408, 429})


class NoAnswer(B2Error):  # type: ignore[misc]  # b2sdk has no types
    """Nothing came, or what may be different a moment later.

    Attributes:
        retry_after_s: how long the server asks to be left alone, if it said.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class _OneAttempt(Session):
    """Counts requests, and raises `NoAnswer` where b2sdk would try again.

    Attributes:
        server_time: of the last answer, by the server's clock.
    """

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self.server_time: datetime | None = None
        self._traffic = traffic

    def send(self, request: PreparedRequest, **settings: object) -> Response:
        """Send, with our own time limits."""
        settings["timeout"] = _TIMEOUTS_S
        length = int(request.headers.get("Content-Length") or 0)
        kind = _kind(request)
        if kind != "get":  # that is counted with the bytes it brings
            self._traffic.count(kind, sent=length if kind == "put" else 0)
        try:
            response: Response = super().send(request, **settings)
            if kind != "get" or response.status_code >= 400:
                response.content  # noqa: B018 - all of it comes now, or is missed now
        except RequestException as error:
            raise NoAnswer(_reason(error)) from error
        self.server_time = server_time(response.headers)
        if response.status_code >= 500 or response.status_code in _AGAIN:
            asked = response.headers.get("Retry-After", "")
            response.close()
            raise NoAnswer(
                f"status {response.status_code}",
                float(asked) if asked.isascii() and asked.isdigit() else None,
            )
        if kind == "get" and response.status_code >= 400:
            self._traffic.count("get")
        if kind != "get" and response.ok and not _is_answer(request, response):
            raise NoAnswer("what answered does not speak B2")
        return response


def connect(environment: Mapping[str, str], realm: str, traffic: Traffic) -> B2Session:
    """Authorise, with the key in ``B2_APPLICATION_KEY_ID`` and ``B2_APPLICATION_KEY``.

    Raises:
        B2Error: the key is not known, or nobody answers.
        KeyError: there is no key.
    """
    key_id = environment["B2_APPLICATION_KEY_ID"]
    key = environment["B2_APPLICATION_KEY"]
    session = _new_session(traffic)
    session.authorize_account(realm, key_id, key)
    return session


def resume(
    fields: Mapping[str, Any],
    environment: Mapping[str, str],
    realm: str,
    traffic: Traffic,
) -> B2Session:
    """Go on with what `authorisation_of` told; nothing is asked.

    Raises:
        KeyError: there is no key.
        TypeError: these are not the fields.
    """
    session = _new_session(traffic)
    session.account_info.set_auth_data(
        realm=realm,
        application_key_id=environment["B2_APPLICATION_KEY_ID"],
        application_key=environment["B2_APPLICATION_KEY"],
        **fields,
    )
    return session


def authorisation_of(session: B2Session) -> dict[str, Any]:
    """All that the server told at the authorisation, without the key."""
    info = session.account_info
    return {
        "account_id": info.get_account_id(),
        "auth_token": info.get_account_auth_token(),
        "api_url": info.get_api_url(),
        "download_url": info.get_download_url(),
        "recommended_part_size": info.get_recommended_part_size(),
        "absolute_minimum_part_size": info.get_absolute_minimum_part_size(),
        "s3_api_url": info.get_s3_api_url(),
        "allowed": info.get_allowed(),
    }


def _new_session(traffic: Traffic) -> B2Session:
    config = B2HttpApiConfig(
        http_session_factory=lambda: _OneAttempt(traffic),
        install_clock_skew_hook=False,  # signatures of B2 do not depend on the time
        user_agent_append="chunkvault",
    )
    return B2Session(InMemoryAccountInfo(), api_config=config)


def _kind(request: PreparedRequest) -> str:
    if "X-Bz-File-Name" in request.headers:
        return "put"
    path = (request.url or "").partition("?")[0]
    return _KINDS.get(path.rpartition("/")[2], "get" if "/file/" in path else "other")


def _is_answer(request: PreparedRequest, response: Response) -> bool:
    path = (request.url or "").partition("?")[0]
    is_upload = "X-Bz-File-Name" in request.headers
    operation = "b2_upload_file" if is_upload else path.rpartition("/")[2]
    try:
        answer = response.json()
    except ValueError:
        return False
    return isinstance(answer, dict) and _FIELDS.get(operation, "") in {"", *answer}


def _reason(error: RequestException) -> str:
    text = str(error)
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "its name is not known here"
    if "refused" in text:
        return "nobody listens there"
    if "imed out" in text:
        return "no answer for a long time"
    return "the connection broke"
