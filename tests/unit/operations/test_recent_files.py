"""A file that changes within one tick of the clock must not look unchanged."""

import os

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.localfs.patterns import Selection
from chunkvault.operations.backup import BackupOptions, backup
from chunkvault.report import SilentReporter
from tests.support.builders import create_small


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "file").write_bytes(b"before")
    return folder


def take(repository, source, number, started_ns):
    options = BackupOptions(
        paths=(os.fsencode(source),),
        time_ns=number,
        started_ns=started_ns,
        host="host",
        user="user",
        selection=Selection.of([]),
        workers=0,
    )
    return backup(repository, options, SilentReporter())


def test_a_file_that_had_just_changed_is_read_again_by_the_next_backup(source):
    repository = create_small(MemoryBackend())
    changed_ns = (source / "file").stat().st_ctime_ns
    take(repository, source, 1, started_ns=changed_ns + 10**6)
    again = take(repository, source, 2, started_ns=changed_ns + 10**10)
    assert (again.files_changed, again.files_unmodified) == (1, 0)
    once_more = take(repository, source, 3, started_ns=changed_ns + 2 * 10**10)
    assert (once_more.files_changed, once_more.files_unmodified) == (0, 1)


def test_a_file_that_changed_long_ago_is_not_read_again(source):
    repository = create_small(MemoryBackend())
    changed_ns = (source / "file").stat().st_ctime_ns
    take(repository, source, 1, started_ns=changed_ns + 10**9)
    again = take(repository, source, 2, started_ns=changed_ns + 10**10)
    assert (again.files_changed, again.files_unmodified) == (0, 1)
