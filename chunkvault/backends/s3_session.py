"""A client of botocore, the engine of boto3: its credentials and its settings.

Credentials come from where all tools of AWS look: the variables, the profiles,
the metadata of a machine. They are never shown.
"""

from collections.abc import Mapping
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import Session

from chunkvault.backends.body import Body
from chunkvault.backends.s3_place import S3Place

__all__ = ["create_client"]

_LOADER = create_loader()
"""The descriptions of services, which take 0.1 s to read: once for all clients."""

_CONNECT_S = 15
_READ_S = 60
_DEFAULT_REGION = "us-east-1"
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
    client.meta.events.register("before-send.s3", _begin_sending)
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
    # Servers that are not Amazon's refuse the SDK's own checksums over TLS. There
    # the signature covers the content, so that it is verified all the same.
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


def _begin_sending(request: AWSPreparedRequest, **_: object) -> None:
    """The signature is made: what is read now goes over the wire."""
    if isinstance(request.body, Body):
        request.body.begin_sending()
