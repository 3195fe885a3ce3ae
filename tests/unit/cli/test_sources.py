import io
import os
from types import SimpleNamespace

import pytest

from chunkvault.cli import sources
from chunkvault.cli.sources import (
    missing_paths,
    read_path_list,
    read_rule_file,
    source_path,
)
from chunkvault.errors import UsageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    monkeypatch.chdir(tmp_path)
    return os.fsencode(tmp_path)


@pytest.mark.parametrize(
    ("given", "below"),
    [
        (b"folder", b"/folder"),
        (b"folder/", b"/folder"),
        (b"folder/../folder/./x", b"/folder/x"),
        (b"link", b"/link"),
        (b"link/", b"/folder"),
        (b"link/x", b"/link/x"),
        (b"\xff\n", b"/\xff\n"),
    ],
)
def test_source_is_absolute_and_follows_a_link_only_with_a_slash(folder, given, below):
    assert source_path(given) == folder + below


def test_root_is_a_source():
    assert source_path(b"/") == b"/"
    assert source_path(b"//") == b"/"


def test_only_what_is_certainly_not_there_is_missing(folder):
    unknown = folder + b"/" + b"x" * 256  # no such name can be looked up
    absent = [folder + b"/absent", folder + b"/absent/below"]
    assert missing_paths((folder, folder + b"/link", unknown, *absent)) == absent


@pytest.mark.parametrize("given", [b"", b"a\0b"])
def test_what_is_no_path_is_refused(given):
    with pytest.raises(UsageError):
        source_path(given)


@pytest.mark.parametrize(
    ("content", "is_null", "expected"),
    [
        (b"/a\n /b \n\n#c\n", False, [b"/a", b" /b ", b"#c"]),
        (b"/a\n\0/b\0\0/c", True, [b"/a\n", b"/b", b"/c"]),
        (b"", False, []),
    ],
)
def test_list_of_paths_is_taken_as_it_is(
    tmp_path, monkeypatch, content, is_null, expected
):
    (tmp_path / "list").write_bytes(content)
    assert read_path_list(str(tmp_path / "list"), is_null=is_null) == expected
    stdin = SimpleNamespace(buffer=io.BytesIO(content))
    monkeypatch.setattr(sources.sys, "stdin", stdin)
    assert read_path_list("-", is_null=is_null) == expected


def test_patterns_come_from_a_file(tmp_path):
    (tmp_path / "rules").write_text("# comment\n*.o\n!keep.o\n")
    assert read_rule_file(str(tmp_path / "rules")) == ["*.o", "!keep.o"]


def test_file_that_cannot_be_read_is_named(tmp_path):
    for read in (read_rule_file, lambda name: read_path_list(name, is_null=False)):
        with pytest.raises(UsageError, match="cannot read /no/such"):
            read("/no/such")
