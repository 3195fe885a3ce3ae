"""Whole sessions of the program, each request of which may fail, on real servers.

A session ends with an equal tree, or with a sentence: then the next run does it.
"""

import json
from dataclasses import dataclass

import pytest

from tests.support.builders import KEY, noise, read_tree, write_tree
from tests.support.command import Program
from tests.support.stores.fault_proxy import FaultProxy, fault_proxy
from tests.support.stores.fault_rules import Fault
from tests.support.stores.rclone import OwnWebdav

FILES = {
    **{f"large{number}": noise(9_000_000, number) for number in range(2)},
    **{f"d{number % 5}/f{number}": noise(number * 150, number) for number in range(60)},
    "empty": b"",
}
SENTENCES = {1, 20, 22, 23, 24}
ERRORS = {
    "s3": b"<Error><Code>InternalError</Code><Message>Try again</Message></Error>",
    "b2": json.dumps({"status": 500, "code": "internal_error"}).encode(),
    "webdav": (
        b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>/x'
        b"</D:href><D:propstat><D:prop/><D:status>HTTP/1.1 500 Error</D:status>"
        b"</D:propstat></D:response></D:multistatus>"
    ),
}
FAULTS = {
    "cut, every 3rd": (Fault(cut_at=10), 3),
    "cut, every 7th": (Fault(cut_at=10), 7),
    "cut late, every 3rd": (Fault(cut_at=60_000), 3),
    "reset, every 5th": (Fault(reset_before=True), 5),
    "reply lost, every 5th": (Fault(swallow=True), 5),
    "429, every 10th": (Fault(status=429, retry_after="1"), 10),
    "500, every 10th": (Fault(status=500), 10),
    "503, every 9th": (Fault(status=503), 9),
    "bit flipped, every 4th": (Fault(corrupt_at=5), 4),
    "page under 200, every 5th": (Fault(status=200, body=b"<html>Log in</html>"), 5),
}


@dataclass
class Place:
    """An empty place on a store, behind a proxy."""

    store: str
    location: str
    environment: dict[str, str]
    proxy: FaultProxy


@pytest.fixture(params=ERRORS)
def place(request, tmp_path):
    if request.param == "webdav":
        server = OwnWebdav(tmp_path / "webdav")
        with fault_proxy(server.port) as proxy:
            server.lead_to(proxy.port)
            settings = {"RCLONE_CONFIG": server.environment["RCLONE_CONFIG"]}
            yield Place("webdav", "rclone:nas:far", settings, proxy)
        server.kill()
        return
    server = request.getfixturevalue("radosgw" if request.param == "s3" else "b2")
    server.bucket("sessions")
    with fault_proxy(server.port) as proxy:
        if request.param == "s3":
            location = f"s3:{proxy.url}/sessions{tmp_path}"
            yield Place("s3", location, server.environment, proxy)
        else:
            settings = {**server.master_key(), "B2_ENVIRONMENT": proxy.url}
            yield Place("b2", f"b2:sessions{tmp_path}", settings, proxy)


@pytest.fixture
def program(place, tmp_path):
    (tmp_path / "device.key").write_bytes(KEY.key)
    (tmp_path / "device.key").chmod(0o600)
    program = Program(tmp_path)
    program.environment |= place.environment
    program.environment["CHUNKVAULT_REPOSITORY"] = place.location
    return program


def run_session(program, place, fault, every, source, top):
    """Each command under the fault, and once more without it if it gave up."""
    steps = (
        ("init",),
        ("backup", source, "-q"),
        ("backup", source, "-q"),
        ("check", "--read-data"),
        ("restore", "--to", top / "all", "-q"),
        ("restore", source / "large1", "--to", top / "one", "-q", "--no-cache"),
    )
    for step in steps:
        place.proxy.clear()
        place.proxy.add(fault, every=every, first=2, times=None)
        process = program.start(*step)
        _, problems = process.communicate(timeout=1200)
        assert "Traceback" not in problems
        assert "this is a bug" not in problems
        if process.returncode:
            assert process.returncode in SENTENCES, problems
            place.proxy.clear()
            done = program.run(*step)
            assert done.returncode == 0 or step == ("init",), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAULTS, "error under 200, every 4th"])
def test_a_session_ends_well_or_with_a_sentence(place, program, tmp_path, name):
    error = Fault(
        status=207 if place.store == "webdav" else 200, body=ERRORS[place.store]
    )
    fault, every = FAULTS.get(name, (error, 4))
    source = write_tree(tmp_path / "source", FILES)
    run_session(program, place, fault, every, source, tmp_path)
    assert read_tree(tmp_path / "all") == read_tree(source)
    assert (tmp_path / "one/large1").read_bytes() == FILES["large1"]
    place.proxy.clear()
    done = program.run("check", "--read-data", "--no-cache")
    assert done.returncode == 0, done.stderr
