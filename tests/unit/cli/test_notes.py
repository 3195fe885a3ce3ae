"""Notes of stores: sealed, and never in the way."""

import os

import pytest

from chunkvault.cli.notes import SealedNotes

SECRET = "K005" + "x" * 27


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache/notes"


@pytest.fixture
def notes(folder):
    return SealedNotes(os.fsencode(folder))


def test_the_last_note_of_a_place_is_recalled(notes):
    assert notes.recall("place", SECRET) is None
    notes.remember("place", SECRET, b"first")
    notes.remember("place", SECRET, b"second")
    notes.remember("other", SECRET, b"third")
    assert notes.recall("place", SECRET) == b"second"


def test_only_the_same_secret_and_place_open_it(notes, folder):
    notes.remember("place", SECRET, b"a token")
    assert notes.recall("place", SECRET + "y") is None
    [file] = folder.iterdir()
    assert b"token" not in file.read_bytes()
    notes.remember("other", SECRET, b"")
    [other] = set(folder.iterdir()) - {file}
    other.write_bytes(file.read_bytes())
    assert notes.recall("other", SECRET) is None


def test_notes_are_for_nobody_else(notes, folder):
    notes.remember("place", SECRET, b"")
    [file] = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", [b"", b"short", bytes(24), bytes(100)])
def test_what_is_no_note_is_none(notes, folder, content):
    notes.remember("place", SECRET, b"")
    [file] = folder.iterdir()
    file.write_bytes(content)
    assert notes.recall("place", SECRET) is None


def test_a_disk_that_takes_nothing_is_no_failure(tmp_path):
    (tmp_path / "file").touch()
    notes = SealedNotes(os.fsencode(tmp_path / "file/notes"))
    notes.remember("place", SECRET, b"content")
    assert notes.recall("place", SECRET) is None
