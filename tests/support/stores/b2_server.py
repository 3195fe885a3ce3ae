"""Backblaze's protocol on loopback: the simulator of b2sdk, spoken to over HTTP.

So the whole of b2sdk is what talks to it, connections, tokens and errors included.
What the simulator does not check but Backblaze does is added here: that a key
restricted to a bucket may upload, the capability to read, and the prefix of a key.
"""

import base64
import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import RLock, Thread
from typing import Any
from urllib.parse import unquote_plus

from b2sdk.v3 import BucketSimulator, RawSimulator, exception

from chunkvault.backends.b2 import open_location
from chunkvault.backends.base import Backend
from chunkvault.backends.options import StorageOptions

__all__ = ["B2Server", "b2_server"]

ALL = ("listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles")

_FULL_BUCKET = "full"

_UPLOADS = "https://upload.example.com/"
"""What the simulator calls its own upload URLs."""

_STATUS = {
    "AccessDenied": (403, "access_denied"),
    "BadUploadUrl": (400, "bad_request"),
    "ChecksumMismatch": (400, "bad_request"),
    "FileNotPresent": (404, "not_found"),
    "FileSha1Mismatch": (400, "bad_request"),
    "InvalidAuthToken": (401, "expired_auth_token"),
    "NonExistentBucket": (404, "not_found"),
    "StorageCapExceeded": (403, "storage_cap_exceeded"),
    "Unauthorized": (401, "unauthorized"),
    "UnsatisfiableRange": (416, "range_not_satisfiable"),
}


def _milliseconds() -> Iterator[int]:
    """What time it is, at each question a little later."""
    last = 0
    while True:
        last = max(last + 1, time.time_ns() // 10**6)
        yield last


class _Bucket(BucketSimulator):
    """A bucket for more than 5,000 uploads. Ids count down: newer versions first."""

    FIRST_FILE_NUMBER = 9_999_999
    FIRST_FILE_ID = str(FIRST_FILE_NUMBER)

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.upload_timestamp_counter = _milliseconds()


class _Simulator(RawSimulator):
    """The simulator with what Backblaze checks besides."""

    BUCKET_SIMULATOR_CLASS = _Bucket

    MIN_PART_SIZE = 5_000_000

    def _assert_account_auth(  # type: ignore[no-untyped-def]
        self, api_url, token, account_id, capability, bucket_id=None, file_name=None
    ):
        key = self.key_of(token)
        if bucket_id is None and key.buckets_or_none:  # some callers do not say
            bucket_id = key.buckets_or_none[0]["id"]
        super()._assert_account_auth(
            api_url, token, account_id, capability, bucket_id, file_name
        )

    def key_of(self, token: str | None) -> Any:
        """The key that a token was given for."""
        if token not in self.auth_token_to_key:
            raise exception.InvalidAuthToken("bad token", "bad_auth_token")
        if token in self.expired_auth_tokens:
            raise exception.InvalidAuthToken("token expired", "expired_auth_token")
        return self.auth_token_to_key[token]

    def require(self, token: str, capability: str, name: str) -> None:
        """Refuse what the key of the token may not do."""
        key = self.key_of(token)
        is_inside = name.startswith(key.name_prefix_or_none or "")
        if capability not in key.capabilities or not is_inside:
            raise exception.Unauthorized("not with this key", "unauthorized")


class B2Server:
    """A running server, and what tests set up on it.

    Attributes:
        port: where it listens.
    """

    def __init__(self) -> None:
        self.simulator = _Simulator()
        self.lock = RLock()
        self._http = _Http(self)
        self.port: int = self._http.server_address[1]
        self._account, self._key = self.simulator.create_account()
        self._run = Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._run.start()
        self._buckets: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def bucket(self, name: str) -> str:
        """The id of a bucket, which is made unless it is there."""
        if name not in self._buckets:
            made = self.simulator.create_bucket(
                *(self.simulator.API_URL, self._master(), self._account),
                *(name, "allPrivate"),
            )
            self._buckets[name] = made["bucketId"]
        return self._buckets[name]

    def key(
        self,
        capabilities: tuple[str, ...] = ALL,
        bucket: str | None = None,
        prefix: str | None = None,
    ) -> dict[str, str]:
        """Variables with a new key that may do so much."""
        made = self.simulator.create_key(
            *(self.simulator.API_URL, self._master(), self._account),
            *(list(capabilities), "key", None),
            *(None if bucket is None else [self.bucket(bucket)], prefix),
        )
        return self._variables(made["applicationKeyId"], made["applicationKey"])

    def master_key(self) -> dict[str, str]:
        """Variables with the key that may do everything."""
        return self._variables(self._account, self._key)

    def open(
        self,
        path: Path | str,
        *,
        bucket: str = "contract",
        environment: dict[str, str] | None = None,
    ) -> Backend:
        """A backend in a bucket, below a test's own path."""
        self.bucket("contract")
        return open_location(
            f"b2:{bucket}/{str(path).strip('/')}",
            StorageOptions(environment=environment or self.master_key()),
        )

    def full_bucket(self) -> str:
        """A bucket that takes nothing, because a cap is reached."""
        self.bucket(_FULL_BUCKET)
        return _FULL_BUCKET

    def fill(self, path: Path, names: Iterable[str]) -> None:
        """Put empty objects, without HTTP in between."""
        master, bucket_id = self._master(), self.bucket("contract")
        given = self.simulator.get_upload_url(self.simulator.API_URL, master, bucket_id)
        for name in names:
            self.simulator.upload_file(
                *(given["uploadUrl"], given["authorizationToken"]),
                *(f"{str(path).strip('/')}/{name}", 0, "b2/x-auto"),
                *(sha1(b"").hexdigest(), {}, BytesIO()),
            )

    def versions(self, bucket: str, prefix: str) -> list[tuple[str, str]]:
        """Action and name of all versions."""
        found = self.simulator.list_file_versions(
            *(self.simulator.API_URL, self._master(), self.bucket(bucket)),
            prefix=prefix,
        )
        return [(line["action"], line["fileName"]) for line in found["files"]]

    def hide(self, bucket: str, name: str) -> None:
        """Put a hide marker on a name."""
        self.simulator.hide_file(
            *(self.simulator.API_URL, self._master(), self.bucket(bucket), name)
        )

    def begin_large(self, bucket: str, name: str, parts: Iterable[bytes]) -> None:
        """Send parts of a large file, and never finish it."""
        master, api = self._master(), self.simulator.API_URL
        begun = self.simulator.start_large_file(
            *(api, master, self.bucket(bucket), name, "b2/x-auto", {})
        )
        for number, part in enumerate(parts, 1):
            given = self.simulator.get_upload_part_url(api, master, begun["fileId"])
            self.simulator.upload_part(
                *(given["uploadUrl"], given["authorizationToken"], number),
                *(len(part), sha1(part).hexdigest(), BytesIO(part)),
            )

    def expire_tokens(self) -> None:
        """All authorisations are over."""
        for token in list(self.simulator.auth_token_to_key):
            self.simulator.expire_auth_token(token)

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()

    def _master(self) -> str:
        given = self.simulator.authorize_account(self.url, self._account, self._key)
        token: str = given["authorizationToken"]
        return token

    def _variables(self, key_id: str, key: str) -> dict[str, str]:
        return {
            "B2_APPLICATION_KEY_ID": key_id,
            "B2_APPLICATION_KEY": key,
            "B2_ENVIRONMENT": self.url,
        }


@contextmanager
def b2_server() -> Iterator[B2Server]:
    """A server for as long as this lasts."""
    server = B2Server()
    try:
        yield server
    finally:
        server.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: B2Server) -> None:
        self.b2 = server
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are nothing to write about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is written."""

    def _answer_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        try:
            self._route(self.path.partition("?")[0], body)
        except exception.B2Error as error:
            self._refuse(error)

    do_GET = do_POST = _answer_any  # noqa: N815

    def _route(self, path: str, body: bytes) -> None:
        b2 = self.server.b2
        token = self.headers.get("Authorization", "")
        file = re.match(r"/file/([^/]+)/(.+)$", path)
        if file is not None:
            self._download(file[1], unquote_plus(file[2]), token)
        elif path.startswith("/upload/"):
            with b2.lock:
                self._send_json(self._upload(path.removeprefix("/upload/"), body))
        else:
            operation = path.rpartition("/")[2]
            with b2.lock:
                self._send_json(
                    getattr(self, operation)(token, json.loads(body or "{}"))
                )

    def b2_authorize_account(self, token: str, _: dict[str, Any]) -> Any:
        key_id, key = base64.b64decode(token.removeprefix("Basic")).decode().split(":")
        simulator = self.server.b2.simulator
        if key_id not in simulator.key_id_to_key or (
            simulator.key_id_to_key[key_id].key != key
        ):
            raise exception.InvalidAuthToken("invalid key", "bad_auth_token")
        answer = simulator.authorize_account(
            "http://production.example.com", key_id, key
        )
        api = answer["apiInfo"]["storageApi"]
        api["apiUrl"] = api["downloadUrl"] = self._own_url()
        return answer

    def b2_list_buckets(self, token: str, asked: dict[str, Any]) -> Any:
        return self._call(
            "list_buckets", token, asked["accountId"], None, asked.get("bucketName")
        )

    def b2_get_upload_url(self, token: str, asked: dict[str, Any]) -> Any:
        answer = self._call("get_upload_url", token, asked["bucketId"])
        answer["uploadUrl"] = answer["uploadUrl"].replace(
            _UPLOADS, f"{self._own_url()}/upload/"
        )
        return answer

    def b2_list_file_names(self, token: str, asked: dict[str, Any]) -> Any:
        prefix = asked.get("prefix")
        start = asked.get("startFileName") or prefix  # the simulator stops before it
        return self._call(
            *("list_file_names", token, asked["bucketId"], start),
            *(asked.get("maxFileCount"), prefix),
        )

    def b2_list_file_versions(self, token: str, asked: dict[str, Any]) -> Any:
        start = (asked.get("startFileName"), asked.get("startFileId"))
        which = (asked.get("maxFileCount"), asked.get("prefix"))
        return self._call(
            "list_file_versions", token, asked["bucketId"], *start, *which
        )

    def b2_delete_file_version(self, token: str, asked: dict[str, Any]) -> Any:
        self.server.b2.simulator.require(token, "deleteFiles", asked["fileName"])
        return self._call(
            "delete_file_version", token, asked["fileId"], asked["fileName"]
        )

    def b2_list_unfinished_large_files(self, token: str, asked: dict[str, Any]) -> Any:
        return self._call(
            *("list_unfinished_large_files", token, asked["bucketId"]),
            *(asked.get("startFileId"), asked.get("maxFileCount")),
            asked.get("namePrefix"),
        )

    def b2_list_parts(self, token: str, asked: dict[str, Any]) -> Any:
        return self._call(
            *("list_parts", token, asked["fileId"]),
            *(asked["startPartNumber"], asked["maxPartCount"]),
        )

    def b2_cancel_large_file(self, token: str, asked: dict[str, Any]) -> Any:
        bucket_id = self.server.b2.simulator.file_id_to_bucket_id[asked["fileId"]]
        bucket = self.server.b2.simulator._get_bucket_by_id(bucket_id)
        if asked["fileId"] not in bucket.file_id_to_file:
            raise exception.BadRequest("no such file", "bad_request")
        return self._call("cancel_large_file", token, asked["fileId"])

    def _call(self, operation: str, token: str, *arguments: Any) -> Any:
        simulator = self.server.b2.simulator
        return getattr(simulator, operation)(simulator.API_URL, token, *arguments)

    def _upload(self, url: str, body: bytes) -> Any:
        b2, headers = self.server.b2, self.headers
        if url.startswith(b2.bucket(b2.full_bucket())):
            raise exception.StorageCapExceeded
        name = unquote_plus(headers["X-Bz-File-Name"])
        b2.simulator.require(url.rpartition("/")[2], "writeFiles", name)
        return b2.simulator.upload_file(
            *(_UPLOADS + url, headers["Authorization"], name, len(body)),
            *(headers["Content-Type"], headers["X-Bz-Content-Sha1"], {}),
            BytesIO(body),
        )

    def _download(self, bucket: str, name: str, token: str) -> None:
        b2 = self.server.b2
        span = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        with b2.lock:
            b2.simulator.require(token, "readFiles", name)
            whole = b2.simulator._get_bucket_by_name(bucket).download_file_by_name(
                token, name, self.path
            )
            with whole as found:
                data = found.data_bytes
                digest = found.headers["X-Bz-Content-Sha1"]
        headers = {"X-Bz-Content-Sha1": digest}
        if span is None:
            return self._send(200, data, headers)
        first, last = int(span[1]), min(int(span[2]), len(data) - 1)
        if first > last:
            raise exception.UnsatisfiableRange
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return self._send(206, data[first : last + 1], headers)

    def _own_url(self) -> str:
        """As the client sees it, so that a proxy in between stays in between."""
        return f"http://{self.headers['Host']}"

    def _refuse(self, error: exception.B2Error) -> None:
        status, code = _STATUS.get(type(error).__name__, (400, "bad_request"))
        if isinstance(error, exception.NonExistentBucket) and "/file/" not in self.path:
            status, code = 400, "bad_bucket_id"
        text = {"status": status, "code": code, "message": str(error)}
        self._send(status, json.dumps(text).encode(), {})

    def _send_json(self, answer: Any) -> None:
        self._send(200, json.dumps(answer, default=_as_json).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, (set, frozenset, tuple)) else str(value)
