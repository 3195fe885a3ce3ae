"""The folder of an archive: files whole or absent, never replaced, never outside."""

import os

import pytest

from chunkvault.duplicity.folder import LocalFolder, open_folder
from chunkvault.errors import (
    BackendError,
    ObjectExists,
    ObjectNotFound,
    RepositoryBusy,
    UsageError,
)


@pytest.fixture
def folder(tmp_path):
    return LocalFolder(os.fsencode(tmp_path / "archive"))


def write(folder, name, data=b"data"):
    with folder.create(name) as file:
        file.write(data)


def test_file_is_there_once_it_is_complete_and_not_before(folder):
    with folder.create("A.gpg") as file:
        file.write(b"data")
        assert folder.list() == []
    assert [(one.name, one.size) for one in folder.list()] == [("A.gpg", 4)]
    with folder.read("A.gpg") as file:
        assert file.read() == b"data"


def test_file_that_failed_leaves_nothing(folder):
    with pytest.raises(KeyError), folder.create("A"):
        raise KeyError
    assert os.listdir(folder.path) == []


def test_name_that_is_taken_keeps_its_file(folder):
    write(folder, "A", b"first")
    with pytest.raises(ObjectExists):
        write(folder, "A", b"second")
    with folder.read("A") as file:
        assert file.read() == b"first"
    assert os.listdir(folder.path) == [b"A"]


def test_folder_that_is_not_there_is_empty(folder):
    assert folder.list() == []
    folder.delete("A")
    assert folder.remove_leftovers() == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\0"])
def test_name_that_leads_elsewhere_is_refused(folder, name):
    with pytest.raises(UsageError):
        write(folder, name)
    with pytest.raises(UsageError):
        folder.delete(name)


def test_links_pipes_and_folders_are_not_read(folder, tmp_path):
    write(folder, "A")
    os.symlink("A", os.path.join(folder.path, b"link"))
    os.mkfifo(os.path.join(folder.path, b"pipe"))
    os.mkdir(os.path.join(folder.path, b"folder"))
    assert [one.name for one in folder.list()] == ["A"]
    for name in ("pipe", "folder", "absent"):
        with pytest.raises(ObjectNotFound), folder.read(name):
            pass
    with pytest.raises(BackendError), folder.read("link"):
        pass


def test_one_writer_at_a_time(folder):
    with folder.lock():
        again = LocalFolder(folder.path)
        with pytest.raises(RepositoryBusy), again.lock():
            pass
    with folder.lock():
        pass


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    folder = LocalFolder(os.fsencode(tmp_path / "file" / "below"))
    with pytest.raises(BackendError, match="below"), folder.lock():
        pass


def test_only_folders_hold_archives(tmp_path):
    assert open_folder(f"file://{tmp_path}").place == str(tmp_path)
    with pytest.raises(UsageError):
        open_folder("memory:x")
