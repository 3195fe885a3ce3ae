"""rclone: locations, its process, what "not found" means, broken uploads."""

import os
import signal
from pathlib import Path

import pytest

from chunkvault.backends.options import StorageOptions
from chunkvault.backends.rclone import open_location
from chunkvault.backends.rclone_process import failure_of
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ObjectExists,
    StorageFull,
    StorageUnreachable,
    UsageError,
)


@pytest.fixture
def backend(rclone, tmp_path):
    made = rclone.open("disk", tmp_path / "repository")
    yield made
    made.close()


def rclone_child(backend):
    """The process of rclone below the shell that keeps it."""
    keeper = backend._process._process.pid
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text()
    return int(children.split()[0])


@pytest.mark.parametrize("location", ["rclone:", "rclone:remote", "rclone:-x:path"])
def test_a_location_without_a_remote_is_refused(location):
    with pytest.raises(UsageError, match="names no remote"):
        open_location(location, StorageOptions())


def test_settings_in_the_name_of_a_remote_are_not_shown():
    location = "rclone::s3,secret_access_key=hidden:bucket/path"
    backend = open_location(location, StorageOptions())
    assert "hidden" not in backend.store


def test_rclone_that_is_not_installed_is_said(tmp_path):
    options = StorageOptions(environment={"PATH": str(tmp_path)})
    backend = open_location("rclone:disk:path", options)
    with pytest.raises(UsageError, match="rclone is not installed"):
        backend.get("object")


def test_neither_password_nor_remote_is_an_argument(backend, tmp_path):
    backend.put("object", b"content")
    for process in (backend._process._process.pid, rclone_child(backend)):
        arguments = Path(f"/proc/{process}/cmdline").read_bytes()
        environment = Path(f"/proc/{process}/environ").read_bytes()
        password = environment.partition(b"RCLONE_PASS=")[2].partition(b"\0")[0]
        assert len(password) > 30
        assert password not in arguments
        assert os.fsencode(tmp_path) not in arguments


def test_a_stranger_on_this_machine_is_refused(backend):
    backend.put("object", b"content")
    backend._process.authorization = {}
    with pytest.raises(AccessDenied):
        backend.delete("object")
    with pytest.raises(BackendError):
        backend.get("object")


def test_rclone_is_started_again_when_it_has_died(backend):
    backend.put("object", b"content")
    os.kill(rclone_child(backend), signal.SIGKILL)
    while backend._process.is_running():
        pass
    assert backend.get("object") == b"content"


def test_closing_ends_rclone(rclone, tmp_path):
    backend = rclone.open("disk", tmp_path / "repository")
    backend.put("object", b"content")
    child = rclone_child(backend)
    backend.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_what_was_logged_of_another_object_is_no_reason(backend):
    backend.put("object", b"content")
    backend._process._lines.append({"object": "another", "msg": "quota exceeded"})
    assert backend._process.reason("object") == ""
    assert backend._process.reason("") == "quota exceeded"


def test_an_empty_listing_is_asked_for_twice(backend):
    backend.put("volumes/first", b"content")
    requests = backend._options.traffic.requests
    requests.clear()
    assert list(backend.list("volumes/"))
    assert requests == {"list": 1}
    requests.clear()
    assert not list(backend.list("nothing/"))
    assert requests == {"list": 2}


def test_requests_for_a_verb_are_few(backend):
    backend.put("volumes/first", b"content")
    requests = backend._options.traffic.requests
    requests.clear()
    backend.get("volumes/first", 2, 3)
    assert requests == {"get": 1}
    backend.put("volumes/second", b"content")
    assert requests == {"get": 1, "head": 1, "put": 1, "other": 1}


def test_a_remote_of_buckets_takes_one_request_for_a_put(backend, tmp_path):
    backend.put("volumes/first", b"content")
    backend._writes_whole = True  # what rclone says of buckets
    requests = backend._options.traffic.requests
    requests.clear()
    backend.put("volumes/second", b"content")
    assert requests == {"put": 1}
    with pytest.raises(ObjectExists, match="volumes/second"):
        backend.put("volumes/second", b"another")
    assert backend.get("volumes/second") == b"content"


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left(backend, tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/volumes").write_bytes(b"a file in the way")
    with pytest.raises(BackendError, match="volumes/object"):
        backend.put("volumes/object", b"content")
    assert os.listdir(tmp_path / "repository") == ["volumes"]


def test_a_name_that_rclone_would_move_is_refused(backend):
    for name in ("data/object", "volumes/data/object"):
        with pytest.raises(UsageError, match="cannot be stored by rclone"):
            backend.put(name, b"content")
    backend.put("data", b"content")
    backend.put("metadata/object", b"content")
    assert len(list(backend.list(""))) == 2


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("write /x: no space left on device", StorageFull),
        ("googleapi: Error 403: storageQuotaExceeded", StorageFull),
        ("507 Insufficient Storage", StorageFull),
        ("AccessDenied: Access Denied status code: 403", AccessDenied),
        ("Unauthorized: 401 Unauthorized", AccessDenied),
        ("open /x: permission denied", AccessDenied),
        ("dial tcp 127.0.0.1:1: connect: connection refused", StorageUnreachable),
        ('Put "http://nas/x/config": 429 Too Many Requests', StorageUnreachable),
        ("read x/config: connection reset by peer", StorageUnreachable),
        ('Get "http://nas/chunks/50/507": unexpected EOF', StorageUnreachable),
        ('Get "http://nas/chunks/40/401": unexpected EOF', StorageUnreachable),
        ("lookup my.invalid: no such host", StorageUnreachable),
        ('unknown command "serve" for "rclone"', BackendError),
        ("", StorageUnreachable),
        ('unknown type "nothing"', BackendError),
    ],
)
def test_words_of_rclone_are_sorted_by_kind(reason, kind):
    assert type(failure_of("cannot", reason)) is kind
