"""Locations as people write them."""

import pytest

from chunkvault.backends.local import LocalBackend
from chunkvault.backends.location import describe, is_remote, lies_in, open_backend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import RepositoryNotFound, UsageError


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/mnt/backup", b"/mnt/backup"),
        ("relative/path", b"relative/path"),
        ("./with:colon", b"./with:colon"),
        ("/a/s3:b", b"/a/s3:b"),
        ("/latin-\udce4", b"/latin-\xe4"),
        ("file:///mnt/a%20b", b"/mnt/a b"),
        ("file:///mnt/%E4", b"/mnt/\xe4"),
        ("FILE:///mnt", b"/mnt"),
        ("file://localhost/mnt", b"/mnt"),
        ("file:/mnt", b"/mnt"),
        ("file:///mnt/a?b#c", b"/mnt/a?b#c"),
    ],
)
def test_a_path_opens_a_directory(location, path):
    backend = open_backend(location)
    assert isinstance(backend, LocalBackend)
    assert backend.path == path


@pytest.mark.parametrize(
    ("location", "other", "expected"),
    [
        ("/mnt/a", "/mnt/a/", True),
        ("/mnt/a/b/c", "file:///mnt/a", True),
        ("file:///mnt/a%20b/c", "/mnt/a b", True),
        ("/mnt/x/../a/b", "/mnt/a", True),
        ("/mnt/a", "/mnt/a/b", False),
        ("/mnt/ab", "/mnt/a", False),
        ("/mnt/a", "s3:mnt/a", False),
        ("s3:bucket/a/b", "s3:bucket/a/", True),
        ("s3:bucket/ab", "s3:bucket/a", False),
        ("s3:bucket/a", "b2:bucket/a", False),
    ],
)
def test_location_is_known_to_lie_in_another(location, other, expected):
    assert lies_in(location, other) is expected


def test_links_do_not_hide_that_a_folder_lies_in_another(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert lies_in(f"{tmp_path}/link/new", f"{tmp_path}/real")


def test_memory_is_shared_by_name():
    first = open_backend("memory:shared by name")
    assert isinstance(first, MemoryBackend)
    first.put("a", b"1")
    assert open_backend("memory:shared by name").get("a") == b"1"
    assert list(open_backend("memory:another name").list("")) == []


@pytest.mark.parametrize("location", ["gopher://host/path", "name:with:colon"])
def test_an_unknown_scheme_is_refused(location):
    with pytest.raises(UsageError, match="unknown kind of storage") as caught:
        open_backend(location)
    assert f"./{location}" in caught.value.hint


@pytest.mark.parametrize("scheme", ["ftp", "webdav", "DAVS"])
def test_what_rclone_speaks_is_said_to_go_through_rclone(scheme):
    with pytest.raises(UsageError, match=scheme.lower()) as caught:
        open_backend(f"{scheme}://host/path")
    assert "rclone" in caught.value.hint


@pytest.mark.parametrize(
    ("location", "is_far"),
    [
        ("/mnt/backup", False),
        ("./s3:b", False),
        ("file:///mnt", False),
        ("memory:x", False),
        ("s3:bucket", True),
        ("SFTP:host:path", True),
        ("https://host/copy", True),
        ("added-by-a-package:x", True),
    ],
)
def test_a_folder_is_not_remote(location, is_far):
    assert is_remote(location) is is_far


@pytest.mark.parametrize(
    "location",
    ["", "file:", "file:relative", "file://host/path", "a\0b", "file:///a%00b"],
)
def test_a_location_without_a_path_is_refused(location):
    with pytest.raises(UsageError):
        open_backend(location)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/plain/path", "/plain/path"),
        ("sftp://user@host:22/path", "sftp://user@host:22/path"),
        ("sftp://user@host:22/p@th", "sftp://user@host:22/p@th"),
        ("sftp://user:secret@host:22/path", "sftp://user:***@host:22/path"),
        ("s3:https://key:se/cr@et@host/bucket", "s3:https://key:***@host/bucket"),
        ("b2://id:key@bucket", "b2://id:***@bucket"),
    ],
)
def test_a_password_is_never_shown(location, shown):
    assert describe(location) == shown


def test_errors_do_not_show_the_password():
    for scheme in ("gopher", "ftp", "file"):
        with pytest.raises(UsageError) as caught:
            open_backend(f"{scheme}://user:secret@host/path")
        assert "secret" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_is_no_repository_and_its_folder_is_named(tmp_path, scheme):
    (tmp_path / "config").touch()
    with pytest.raises(RepositoryNotFound, match="is a file, not a folder") as caught:
        open_backend(f"{scheme}{tmp_path}/config")
    assert str(tmp_path) in caught.value.hint
    open_backend(f"{scheme}{tmp_path}/none")
