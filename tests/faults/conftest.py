"""An S3 repository behind a proxy that injects faults."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from chunkvault.backends.base import Backend
from chunkvault.backends.location import open_backend
from chunkvault.backends.options import StorageOptions
from tests.support.fake_clock import FakeClock
from tests.support.stores.fault_proxy import FaultProxy, fault_proxy
from tests.support.stores.radosgw import Radosgw

BUCKET = "chunkvault-faults"


@dataclass
class Store:
    """A place of a test's own in the bucket, and two ways to it.

    Attributes:
        server: where it really is.
        proxy: where clients go.
        prefix: of all its keys.
        clock: pauses of the clients; they take no time.
        told: what the clients told people.
    """

    server: Radosgw
    proxy: FaultProxy
    prefix: str
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[str] = field(default_factory=list)

    @property
    def location(self) -> str:
        """Through the proxy."""
        return f"s3:{self.proxy.url}/{BUCKET}/{self.prefix}"

    def open(self, connections: int = 3) -> Backend:
        """As the program opens it, with a clock that does not take time."""
        return open_backend(self.location, self.options(connections))

    def options(self, connections: int = 3) -> StorageOptions:
        return StorageOptions(
            connections=connections,
            environment=self.server.environment,
            clock=self.clock,
            tell=self.told.append,
        )

    def objects(self) -> dict[str, bytes]:
        """All that is really there, asked for round the proxy."""
        client = self.server.client
        return {
            key.removeprefix(f"{self.prefix}/"): client.get_object(
                Bucket=BUCKET, Key=key
            )["Body"].read()
            for key in self._keys()
        }

    def fill(self, objects: Mapping[str, bytes]) -> None:
        """Put objects there, round the proxy."""
        for name, content in objects.items():
            key = f"{self.prefix}/{name}"
            self.server.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def lose_everything(self) -> None:
        """As if an empty disk had been mounted in its place."""
        for key in self._keys():
            self.server.client.delete_object(Bucket=BUCKET, Key=key)

    def _keys(self) -> list[str]:
        pages = self.server.client.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix=f"{self.prefix}/")
        return [one["Key"] for page in found for one in page.get("Contents", ())]


@pytest.fixture(scope="session")
def bucket(radosgw: Any) -> str:
    radosgw.bucket(BUCKET)
    return BUCKET


@pytest.fixture
def store(radosgw: Any, bucket: str) -> Iterator[Store]:
    with fault_proxy(radosgw.port) as proxy:
        yield Store(radosgw, proxy, uuid.uuid4().hex)
