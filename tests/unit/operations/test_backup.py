"""What a backup takes in: real files into a repository in memory."""

import os

import pytest

from chunkvault.errors import ChunkvaultError
from chunkvault.report import SilentReporter
from tests.support.builders import (
    back_up,
    contents,
    create_small,
    noise,
    read_back,
    snapshots_of,
    write_tree,
)


class Watcher(SilentReporter):
    """Sees how far a large file was read whenever some of it is stored."""

    def begin(self, progress):
        self.progress = progress


@pytest.fixture
def repository():
    return create_small()


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", {"a": b"1", "own/keys/b": b"2"})


def stored(repository):
    return contents(read_back(repository, snapshots_of(repository)[-1]))


def test_clock_that_was_set_back_is_told(repository, source):
    late, early, reporter = 9 * 10**18, 10**18, SilentReporter()
    back_up(repository, source, time_ns=late, started_ns=late)
    back_up(repository, source, time_ns=early, started_ns=late, reporter=reporter)
    assert reporter.problems == []  # somebody asked for that time
    back_up(repository, source, time_ns=early, started_ns=early, reporter=reporter)
    [problem] = reporter.problems
    assert "was the clock set back?" in problem.message
    assert not problem.is_failure


def test_nothing_of_the_repository_is_stored(repository, source):
    own = (os.fsencode(source / "own"),)
    back_up(repository, source, skip_directories=own)
    assert stored(repository) == {os.fsencode(source / "a"): b"1"}


@pytest.mark.parametrize("path", ["own", "own/keys", "own/keys/b"])
def test_nor_where_it_is_asked_for(repository, source, path):
    own = (os.fsencode(source / "own"),)
    with pytest.raises(ChunkvaultError, match="nothing could be read"):
        back_up(repository, source / path, skip_directories=own)


def test_path_that_is_not_there_is_a_failure_and_has_not_vanished(repository, source):
    reporter = SilentReporter()
    summary = back_up(repository, source, source.parent / "no", reporter=reporter)
    assert (summary.failed, summary.vanished) == (1, 0)
    assert [problem.path for problem in reporter.problems] == [
        os.fsencode(source.parent / "no")
    ]
    summary = back_up(repository, source / "own", source / "a/below", at=2)
    assert (summary.failed, summary.vanished) == (1, 0)


def test_progress_counts_a_large_file_while_it_is_read(repository, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(noise(6 << 20))
    with path.open("r+b") as file:
        file.truncate(8 << 20)  # ends in a hole
    watcher, seen = Watcher(), []
    put = repository.backend.put

    def watched(name, data):
        seen.append(watcher.progress.done_bytes)
        put(name, data)

    repository.backend.put = watched
    back_up(repository, path, reporter=watcher)
    assert any(0 < done < 8 << 20 for done in seen), seen
    assert watcher.progress.done_bytes == 8 << 20
