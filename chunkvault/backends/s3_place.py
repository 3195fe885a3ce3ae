"""What a location of S3 says: server, bucket, prefix, and how to ask.

::

    s3:bucket/prefix                        at Amazon; s3://bucket/prefix is the same
    s3:https://host:port/bucket/prefix      at any other server
    …?region=eu-1&path-style=yes            options, see `_OPTIONS`

Neither connects nor loads the SDK.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from chunkvault.errors import UsageError

__all__ = ["S3Place", "parse_place"]

_EXAMPLE = "write s3:bucket/prefix, or s3:https://host/bucket/prefix"
_OPTIONS = frozenset(
    {"region", "profile", "storage-class", "path-style", "checksums", "conditional-put"}
)
_YES_OR_NO = {
    "yes": True,
    "true": True,
    "1": True,
    "no": False,
    "false": False,
    "0": False,
}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}\Z")
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """Where objects lie, and how the server wants to be asked.

    Attributes:
        endpoint: URL of the server; empty for Amazon's.
        bucket: its name.
        prefix: of all keys; empty, or with a slash at its end.
        region: empty for what the environment or the profile says.
        profile: of the AWS files; empty for what the environment says.
        storage_class: for large objects; empty for the bucket's default.
        path_style: the bucket in the path (true) or in the host's name.
        checksums: whether the server keeps and verifies checksums of its own.
        conditional_put: whether it is certain that ``If-None-Match`` is heeded.
    """

    endpoint: str
    bucket: str
    prefix: str
    region: str
    profile: str
    storage_class: str
    path_style: bool
    checksums: bool
    conditional_put: bool

    def __str__(self) -> str:
        return f"bucket {self.bucket} at {self.endpoint or 'Amazon S3'}"


def parse_place(location: str, environment: Mapping[str, str] | None = None) -> S3Place:
    """Read a location.

    Args:
        location: what the user wrote.
        environment: may name the server, where the location does not.

    Raises:
        UsageError: it makes no sense.
    """
    place, _, query = location.split(":", 1)[1].partition("?")
    options = _parse_options(query)
    endpoint, path = _split_endpoint(place)
    endpoint = endpoint or _endpoint_of(environment or {})
    bucket, _, prefix = unquote(path).strip("/").partition("/")
    if not _BUCKET.match(bucket):
        raise UsageError(f"the location names no bucket: {bucket!r}", hint=_EXAMPLE)
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        raise UsageError(f"{prefix!r} is not a prefix of objects", hint=_EXAMPLE)
    is_amazon = not endpoint or _is_amazon(endpoint)
    return S3Place(
        endpoint=endpoint,
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
        region=options.get("region", ""),
        profile=options.get("profile", ""),
        storage_class=_storage_class(options),
        path_style=_switch(options, "path-style", default=not is_amazon),
        checksums=_switch(options, "checksums", default=is_amazon),
        conditional_put=_switch(options, "conditional-put", default=is_amazon),
    )


def _parse_options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS or not value or name in options:
            raise UsageError(
                f"the location has an option that makes no sense: {name}",
                hint=f"there are {', '.join(sorted(_OPTIONS))}, each once and with"
                " a value",
            )
        options[name] = value
    return options


def _split_endpoint(place: str) -> tuple[str, str]:
    if not place.startswith(("http://", "https://")):
        return "", place
    parts = urlsplit(place)
    try:
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        raise UsageError("the location names no host", hint=_EXAMPLE)
    if "@" in parts.netloc:
        raise UsageError(
            "keys do not belong into a location",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a profile",
        )
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _endpoint_of(environment: Mapping[str, str]) -> str:
    """What the SDK would take: then it is not Amazon's behaviour that counts."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    return next((environment[name] for name in names if environment.get(name)), "")


def _is_amazon(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _switch(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in options:
        return default
    try:
        return _YES_OR_NO[options[name].lower()]
    except KeyError:
        raise UsageError(f"{name} is yes or no, not {options[name]!r}") from None


def _storage_class(options: Mapping[str, str]) -> str:
    storage_class = options.get("storage-class", "")
    if storage_class.upper() in _ARCHIVES:
        raise UsageError(
            f"objects of class {storage_class} cannot be read when they are needed",
            hint="GLACIER_IR is read at once",
        )
    return storage_class
