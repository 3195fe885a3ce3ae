"""Faults on the stores that are not S3: each request may fail, or lie."""

import json

import pytest

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.location import open_backend
from chunkvault.backends.options import StorageOptions
from tests.support.builders import noise
from tests.support.fake_clock import FakeClock
from tests.support.stores.fault_proxy import fault_proxy
from tests.support.stores.fault_rules import Fault
from tests.support.stores.rclone import OwnWebdav

CONTENT = noise(30_000)
OBJECTS = {f"chunks/{number}": noise(5_000, number) for number in range(6)}
ERROR = json.dumps({"status": 500, "code": "internal_error", "message": "x"}).encode()


class Far:
    """A backend as the program opens it, behind a proxy; pauses take no time."""

    def __init__(self, location, environment, proxy):
        self.proxy = proxy
        self.clock = FakeClock()
        self.backend = open_backend(
            location,
            StorageOptions(
                connections=1,
                environment=environment,
                clock=self.clock,
                tell=lambda text: None,
            ),
        )
        self.backend.put("config", b"1")
        self.backend.put("keys", b"2")
        self.backend.get("config")
        self.backend.get("keys")
        proxy.clear()

    def check_all_verbs(self):
        for name, content in OBJECTS.items():
            self.backend.put(name, content)
        for name, content in OBJECTS.items():
            assert self.backend.get(name) == content
            assert self.backend.get(name, 100, 1000) == content[100:1100]
        expected = {ObjectInfo(name, len(OBJECTS[name])) for name in OBJECTS}
        assert set(self.backend.list("chunks/")) == expected
        assert any(request.fault for request in self.proxy.requests)


@pytest.fixture
def far_b2(b2, tmp_path):
    b2.bucket("contract")
    with fault_proxy(b2.port) as proxy:
        environment = {**b2.master_key(), "B2_ENVIRONMENT": proxy.url}
        far = Far(f"b2:contract{tmp_path}", environment, proxy)
        yield far
        far.backend.close()


@pytest.mark.parametrize("every", [5, 7])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_at=10),
        Fault(status=200, body=ERROR),
        Fault(status=200, body=b"<html>Please log in</html>"),
        Fault(swallow=True),
    ],
    ids=["cut", "error under 200", "page under 200", "reply lost"],
)
def test_every_verb_gets_through_to_b2(far_b2, fault, every):
    far_b2.proxy.add(fault, every=every, times=None)
    far_b2.check_all_verbs()
    assert max(far_b2.clock.waits) <= 16


@pytest.fixture
def far_webdav(tmp_path):
    server = OwnWebdav(tmp_path / "webdav")
    with fault_proxy(server.port) as proxy:
        server.lead_to(proxy.port)
        far = Far("rclone:nas:far", server.environment, proxy)
        yield far
        far.backend.close()
    server.kill()


def test_a_put_through_rclone_is_as_many_requests_as_lie_between_refusals(far_webdav):
    """Attempts of equal length would always be refused at their upload."""
    fault = Fault(status=429, retry_after="1")
    far_webdav.proxy.add(fault, every=9, times=None)
    for name, content in OBJECTS.items():
        far_webdav.backend.put(name, content)
    uploads = far_webdav.proxy.count("PUT")
    assert uploads <= 2 * len(OBJECTS)
    assert len(far_webdav.clock.waits) <= 2 * len(OBJECTS)
    assert max(far_webdav.clock.waits, default=0) <= 4  # the third attempt at most
