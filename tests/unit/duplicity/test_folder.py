"""The folder of an archive: files whole or absent, never replaced, never outside."""

import os

import pytest

from chunkvault.backends.local import LocalBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.duplicity.backend_folder import BackendFolder, folder_on
from chunkvault.duplicity.folder import LocalFolder
from chunkvault.errors import (
    BackendError,
    ObjectExists,
    ObjectNotFound,
    RepositoryBusy,
    UsageError,
)
from tests.support.builders import noise
from tests.support.recording import RecordingBackend

MIB = 1 << 20


@pytest.fixture
def local(tmp_path):
    return LocalFolder(os.fsencode(tmp_path / "archive"))


@pytest.fixture(params=["local", "memory"])
def folder(request):
    if request.param == "local":
        return request.getfixturevalue("local")
    return BackendFolder(MemoryBackend(), "memory:")


def write(folder, name, data=b"data"):
    with folder.create(name) as file:
        file.write(data)


def listed(folder):
    return [(one.name, one.size) for one in folder.list()]


def content(folder, name):
    with folder.read(name) as file:
        return file.read()


def test_file_is_there_once_it_is_complete_and_not_before(folder):
    with folder.create("A.gpg") as file:
        file.write(b"data")
        assert folder.list() == []
    assert listed(folder) == [("A.gpg", 4)]
    assert content(folder, "A.gpg") == b"data"


def test_file_that_failed_leaves_nothing(folder):
    with pytest.raises(KeyError), folder.create("A") as file:
        file.write(b"data")
        raise KeyError
    assert folder.list() == []


def test_file_that_failed_leaves_not_even_something_hidden(local):
    with pytest.raises(KeyError), local.create("A"):
        raise KeyError
    assert os.listdir(local.path) == []


def test_name_that_is_taken_keeps_its_file(folder):
    write(folder, "A", b"first")
    with pytest.raises(ObjectExists):
        write(folder, "A", b"second")
    assert content(folder, "A") == b"first"
    assert listed(folder) == [("A", 5)]


def test_files_are_listed_by_name_and_deleted_once_or_twice(folder):
    for name in ("b", "B", "a", "A.x"):
        write(folder, name, name.encode())
    assert [one.name for one in folder.list()] == ["A.x", "B", "a", "b"]
    for _ in range(2):
        folder.delete("B")
    assert [one.name for one in folder.list()] == ["A.x", "a", "b"]


def test_file_that_is_absent_is_not_found(folder):
    with pytest.raises(ObjectNotFound), folder.read("A"):
        pass


@pytest.mark.parametrize("size", [0, 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB])
def test_file_is_read_in_any_steps_and_again(folder, size):
    data = noise(size)
    write(folder, "A", data)
    with folder.read("A") as file:
        assert file.read(3) == data[:3]
        assert file.tell() == min(3, size)
        assert b"".join(iter(lambda: file.read(1_000_003), b"")) == data[3:]
        file.seek(0)
        assert file.read() == data


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
    with pytest.raises(UsageError), folder.read(name):
        pass


def test_links_pipes_and_folders_are_not_read(local):
    write(local, "A")
    os.symlink("A", os.path.join(local.path, b"link"))
    os.mkfifo(os.path.join(local.path, b"pipe"))
    os.mkdir(os.path.join(local.path, b"folder"))
    assert [one.name for one in local.list()] == ["A"]
    for name in ("pipe", "folder", "absent"):
        with pytest.raises(ObjectNotFound), local.read(name):
            pass
    with pytest.raises(BackendError), local.read("link"):
        pass


def test_one_writer_at_a_time(local):
    with local.lock():
        again = LocalFolder(local.path)
        with pytest.raises(RepositoryBusy), again.lock():
            pass
    with local.lock():
        pass


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    folder = LocalFolder(os.fsencode(tmp_path / "file" / "below"))
    with pytest.raises(BackendError, match="below"), folder.lock():
        pass


def test_only_the_top_of_a_backend_is_listed():
    backend = MemoryBackend({"A": b"1", "chunks/aa/b": b"2", "folder/A": b"3"})
    assert listed(BackendFolder(backend, "memory:")) == [("A", 1)]


def test_directory_is_written_as_one_and_other_storage_as_objects(tmp_path):
    backend = LocalBackend(os.fsencode(tmp_path))
    assert folder_on(backend, "shown").place == str(tmp_path)
    assert folder_on(MemoryBackend(), "shown").place == "shown"


def test_file_is_fetched_in_pieces_each_once():
    backend = RecordingBackend(MemoryBackend())
    folder = BackendFolder(backend, "memory:")
    write(folder, "A", bytes(30 * MIB))
    with folder.read("A") as file:
        for expected in (8, 16):
            while file.read(MIB):
                pass
            file.seek(0)
            assert len(backend.calls("get")) == expected
