import fcntl
import os

from chunkvault.backends.local import LocalBackend


def leftover(folder, content=b"half an object"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".tmp-0123456789abcdef"
    path.write_bytes(content)
    return path


def test_the_first_put_of_a_process_removes_what_a_killed_one_left(tmp_path):
    path = leftover(tmp_path / "repository" / "chunks" / "ab")
    LocalBackend(tmp_path / "repository").put("config", b"x")
    assert not path.exists()


def test_reading_removes_nothing(tmp_path):
    path = leftover(tmp_path / "repository" / "chunks" / "ab")
    assert list(LocalBackend(tmp_path / "repository").list("")) == []
    assert path.exists()


def test_what_somebody_still_writes_stays(tmp_path):
    path = leftover(tmp_path / "repository" / "chunks" / "ab")
    descriptor = os.open(path, os.O_WRONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        LocalBackend(tmp_path / "repository").put("config", b"x")
        assert path.exists()
    finally:
        os.close(descriptor)


def test_a_file_that_its_writer_has_not_locked_yet_stays(tmp_path):
    path = leftover(tmp_path / "repository", content=b"")
    LocalBackend(tmp_path / "repository").put("config", b"x")
    assert path.exists()


def test_other_hidden_files_stay(tmp_path):
    other = tmp_path / "repository" / ".nfs0001"
    other.parent.mkdir()
    other.write_bytes(b"not ours")
    LocalBackend(tmp_path / "repository").put("config", b"x")
    assert other.exists()
