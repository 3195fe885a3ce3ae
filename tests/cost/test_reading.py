"""What restoring a version reads, after long histories of several kinds."""

import random

import pytest

from bench.data.mail import MailFile
from bench.data.scattered import Database, DiskImage
from chunkvault.backends.memory import MemoryBackend
from chunkvault.repository import DEFAULT_SETTINGS, open_repository
from tests.support.builders import (
    KEY,
    back_up,
    create_small,
    read_tree,
    restore_all,
    snapshots_of,
)


class EditedTree:
    """Small files of words; in each version two lines of each file are new."""

    def __init__(self, folder, files, lines):
        self._folder = folder
        self._files = files
        self._lines = lines
        self._source = random.Random(3)
        self._words = [self._source.randbytes(3).hex() for _ in range(3000)]

    def advance(self, number):
        self._folder.mkdir(parents=True, exist_ok=True)
        for place in range(self._files):
            path = self._folder / f"file{place:04}"
            count = self._source.randint(1, self._lines)
            lines = path.read_text().split("\n") if number else [""] * count
            for line in range(len(lines)):
                if not number:
                    lines[line] = self._line()
            for _ in range(2):
                lines[self._source.randrange(len(lines))] = self._line()
            path.write_text("\n".join(lines))

    def _line(self):
        return " ".join(self._source.choices(self._words, k=9))


HISTORIES = {
    "mail": lambda folder: MailFile(folder, 400),
    "database": lambda folder: Database(folder, 10_000, updates=25),
    "image": lambda folder: DiskImage(folder, 2_500, writes=8),
    "tree": lambda folder: EditedTree(folder, 200, 120),
}
"""Of a database, two of three chunks change with every version; of the image one in
twenty; of the tree each file."""


def stored_chunks(backend):
    """Bytes of all chunk volumes."""
    return sum(info.size for info in backend.list("chunks/"))


def read_ratio(folder, kind, versions):
    """What a restore of the last version reads, divided by what it is if stored alone.

    Also checks that it restores exactly, and counts whole chunk volumes for the
    latter, with padding.
    """
    source = folder / "source"
    source.mkdir()
    history = HISTORIES[kind](source)
    backend = MemoryBackend()
    create_small(backend, settings=DEFAULT_SETTINGS)
    for number in range(versions):
        history.advance(number)
        back_up(open_repository(backend, KEY), source, at=number + 1)
    repository = open_repository(backend, KEY)
    last = snapshots_of(repository)[-1]
    summary = restore_all(repository, last, folder / "target")
    restored, wanted = read_tree(folder / "target"), read_tree(source)
    assert {name: entry.content for name, entry in restored.items()} == {
        name: entry.content for name, entry in wanted.items()
    }
    alone = MemoryBackend()
    create_small(alone, settings=DEFAULT_SETTINGS)
    back_up(open_repository(alone, KEY), source, at=1)
    return summary.read_bytes / stored_chunks(alone)


@pytest.mark.parametrize(
    ("kind", "versions"), [("mail", 30), ("database", 30), ("image", 30), ("tree", 10)]
)
def test_a_version_reads_about_twice_its_bytes_at_most(tmp_path, kind, versions):
    assert read_ratio(tmp_path, kind, versions) < 1.8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "versions", "most"),
    [("mail", 300, 2), ("database", 100, 2.5), ("image", 100, 2.2), ("tree", 60, 2)],
)
def test_a_long_history_hardly_raises_that(tmp_path, kind, versions, most):
    """All of database and image was replaced by then, bit by bit."""
    assert read_ratio(tmp_path, kind, versions) < most
