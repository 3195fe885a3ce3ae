"""A client of botocore, the engine of boto3: its credentials and its settings.

Credentials come from where all tools of AWS look: the variables, the profiles,
the metadata of a machine. They are never shown.
"""

from collections.abc import Mapping
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import Session

from chunkvault.backends.body import Body
from chunkvault.backends.s3_checksums import CRC_HEADER
from chunkvault.backends.s3_place import S3Place

__all__ = ["create_client"]

_LOADER = create_loader()
"""The descriptions of services, which take 0.1 s to read: once for all clients."""

_CONNECT_S = 15
_READ_S = 60
_DEFAULT_REGION = "us-east-1"
_UPLOADS = ("PutObject", "UploadPart")
_SETTINGS = {
    "config_file": "AWS_CONFIG_FILE",
    "credentials_file": "AWS_SHARED_CREDENTIALS_FILE",
    "ca_bundle": "AWS_CA_BUNDLE",
    "profile": "AWS_PROFILE",
}


def create_client(
    place: S3Place, environment: Mapping[str, str], connections: int
) -> BaseClient:
    """A client that makes each request once; it does not connect yet.

    Args:
        place: where, and how the server wants to be asked.
        environment: wins over the variables of this process.
        connections: how many are kept open.

    Raises:
        botocore.exceptions.BotoCoreError: the settings do not make sense.
        ValueError: the endpoint is not one.
    """
    session = _create_session(place, environment)
    region = place.region or _region(session, environment)
    client = session.create_client(
        "s3",
        region_name=region,
        endpoint_url=place.endpoint or None,
        config=_config(place, connections),
    )
    client.meta.events.register("before-call.s3", _expect_nothing)
    client.meta.events.register("before-call.s3.HeadBucket", _follow_nobody)
    client.meta.events.register("before-send.s3", _send_in_pieces)
    for operation in _UPLOADS:
        client.meta.events.register(f"before-sign.s3.{operation}", _hash_once)
    return client


def _create_session(place: S3Place, environment: Mapping[str, str]) -> Session:
    session = Session()
    session.register_component("data_loader", _LOADER)
    for setting, variable in _SETTINGS.items():
        if environment.get(variable):
            session.set_config_variable(setting, environment[variable])
    if place.profile:
        session.set_config_variable("profile", place.profile)
    elif environment.get("AWS_ACCESS_KEY_ID"):
        session.set_credentials(
            environment["AWS_ACCESS_KEY_ID"],
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN"),
        )
    return session


def _region(session: Session, environment: Mapping[str, str]) -> str:
    """Amazon itself tells which region a bucket is in, and the SDK goes there."""
    return (
        environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
        or session.get_config_variable("region")
        or _DEFAULT_REGION
    )


def _config(place: S3Place, connections: int) -> Config:
    # Servers that are not Amazon's refuse the SDK's own checksums over TLS. Uploads
    # have a checksum of ours; of the rest the signature covers the content.
    checksums = "when_supported" if place.checksums else "when_required"
    return Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        tcp_keepalive=True,
        max_pool_connections=max(1, connections),
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        signature_version="s3v4",
        s3={
            "addressing_style": "path" if place.path_style else "auto",
            **({} if place.checksums else {"payload_signing_enabled": True}),
        },
    )


def _expect_nothing(params: dict[str, Any], **_: object) -> None:
    """Do not ask before sending: that costs a way there and back for each object."""
    params["headers"].pop("Expect", None)


def _follow_nobody(params: dict[str, Any], **_: object) -> None:
    """The SDK asks so for the region of a bucket when it is led elsewhere.

    If that is led elsewhere, too, it would ask again, and again.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _hash_once(request: AWSRequest, **_: object) -> None:
    """Sign the checksum of what is sent, and not the SHA-256 of the same bytes.

    A header with a checksum is signed, and the server compares it with what comes:
    SHA-256 would be twice as much work for both sides as MD5 is, for nothing.
    """
    is_secret = request.url.startswith("https:") and CRC_HEADER in request.headers
    if is_secret or "Content-MD5" in request.headers:
        unsigned = Config(s3={"payload_signing_enabled": False})
        config = request.context["client_config"]
        request.context["client_config"] = config.merge(unsigned)


def _send_in_pieces(request: AWSPreparedRequest, **_: object) -> None:
    """The signature is made: what is read now goes over the wire."""
    if isinstance(request.body, Body):
        request.body = request.body.pieces()
