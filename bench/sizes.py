"""What sizes of chunks and frames cost: stored bytes, growth, index, reads, time.

Takes sources through their versions, and after each step a snapshot into every one
of several repositories in memory, which differ in their sizes. Prints the table that
docs/decisions/0002 rests on; trees are versions of one source, oldest first::

    PYTHONPATH=. python -m bench.sizes /dev/shm/work 1 /path/to/linux-6.1.1 ...

The number is that by which what is made here is smaller; trees are taken whole.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.data.large_files import make_large_files
from bench.data.mail import MailFile
from bench.data.scattered import Database, DiskImage
from bench.data.source_tree import make_like
from bench.workloads.trees import copy_binaries
from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.format.keys import DeviceKey
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.localfs.patterns import Selection
from chunkvault.operations.backup import BackupOptions, backup
from chunkvault.operations.restore import RestoreOptions, restore
from chunkvault.report import SilentReporter
from chunkvault.repository import (
    Repository,
    Settings,
    create_repository,
    open_repository,
)
from chunkvault.snapshots.content import read_file
from chunkvault.snapshots.tree_reader import TreeReader

KIB = 1024
CHUNK_SIZES = (16, 32, 64, 128, 256)
FRAME_SIZES = (256, 512, 1024, 2048)
DEFAULT_CHUNK, DEFAULT_FRAME = 64, 1024
BINARIES_BYTES = 400 << 20
LARGE_BYTES = 400 << 20
READ_FILES = 40
VERSIONS = 25
_KEY = DeviceKey(b"b" * 32)

HEADINGS = (
    "source",
    "chunk",
    "frame",
    "first MB",
    "of it index",
    "of it trees",
    "KB a version",
    "of it index",
    "a file reads KB",
    "the last version reads KB",
    "CPU s",
)


def main() -> None:
    """Print one line for each source and choice of sizes."""
    work, divisor = Path(sys.argv[1]), int(sys.argv[2])
    trees = [Path(name) for name in sys.argv[3:]]
    print(" | ".join(HEADINGS), flush=True)
    for name, versions, make in _sources(trees, divisor):
        folder = work / "source"
        folder.mkdir(parents=True)
        contenders = [Contender(work, *sizes) for sizes in choices()]
        history = make(folder)
        for number in range(versions):
            history(number)
            for contender in contenders:
                contender.take(folder, number)
        for contender in contenders:
            print(f"{name} | {contender.row(folder)}", flush=True)
        shutil.rmtree(folder)


def choices() -> Iterator[tuple[int, int]]:
    """Average chunks and frames in KiB: one of both at a time differs."""
    for chunk in CHUNK_SIZES:
        yield chunk, DEFAULT_FRAME
    for frame in FRAME_SIZES:
        if frame != DEFAULT_FRAME:
            yield DEFAULT_CHUNK, frame


_Advance = Callable[[int], object]


def _sources(
    trees: list[Path], divisor: int
) -> Iterator[tuple[str, int, Callable[[Path], _Advance]]]:
    """Name, number of versions, and what makes them in a folder."""
    yield "mail", VERSIONS, lambda at: MailFile(at, 8000 // divisor).advance
    yield "database", VERSIONS, lambda at: Database(at, 200_000 // divisor).advance
    yield "image", VERSIONS, lambda at: DiskImage(at, 100_000 // divisor).advance
    yield "binaries", 1, partial(_binaries, BINARIES_BYTES // divisor)
    if trees:
        yield "tree", len(trees), partial(_versions, trees)
        yield "mixed", 1, partial(_large_files, LARGE_BYTES // divisor, trees[0])


def _binaries(length: int, folder: Path) -> _Advance:
    return lambda _: copy_binaries(Path("/usr"), folder, length)


def _versions(trees: list[Path], folder: Path) -> _Advance:
    return lambda number: make_like(folder, trees[number])


def _large_files(length: int, tree: Path, folder: Path) -> _Advance:
    return lambda _: make_large_files(folder, length, tree)


@dataclass(slots=True)
class Contender:
    """A repository with chunks and frames of these sizes in KiB."""

    work: Path
    chunk: int
    frame: int
    store: MemoryBackend = field(default_factory=MemoryBackend)
    stored: list[dict[str, int]] = field(default_factory=list)
    seconds: float = 0.0

    def take(self, folder: Path, number: int) -> None:
        """One more snapshot."""
        options = BackupOptions(
            paths=(os.fsencode(folder),),
            time_ns=number,
            host="bench",
            user="bench",
            selection=Selection.of([]),
        )
        repository = self._open(self.store) if number else self._create()
        before = time.process_time()
        backup(repository, options, SilentReporter())
        self.seconds += time.process_time() - before
        self.stored.append(
            {
                part: sum(info.size for info in self.store.list(part))
                for part in ("", "index/", "trees/")
            }
        )

    def row(self, folder: Path) -> str:
        """What it came to."""
        first, last = self.stored[0], self.stored[-1]
        count = len(self.stored) - 1 or 1
        growth = {part: (last[part] - first[part]) / count / 1e3 for part in first}
        one, whole = self._reads(folder)
        return (
            f"{self.chunk} | {self.frame} | {first[''] / 1e6:.2f}"
            f" | {first['index/'] / 1e6:.2f} | {first['trees/'] / 1e6:.2f}"
            f" | {growth['']:.1f} | {growth['index/']:.1f}"
            f" | {one / 1e3:.0f} | {whole / 1e3:.0f} | {self.seconds:.1f}"
        )

    def _reads(self, folder: Path) -> tuple[float, int]:
        """Bytes of chunk volumes that one file takes, on average, and the whole."""
        paths = [path for path in folder.rglob("*") if path.is_file()]
        paths = [path for path in sorted(paths) if not path.is_symlink()]
        some = random.Random(3).sample(paths, min(len(paths), READ_FILES))
        return sum(map(self._read_file, some)) / len(some), self._restore()

    def _read_file(self, path: Path) -> int:
        counting = CountingBackend(self.store)
        repository = self._open(counting)
        tree = self._last(repository).snapshot.tree
        node = TreeReader(repository.reader).lookup(tree, os.fsencode(path))
        before = counting.counts.get_bytes
        assert node is not None, "every file was backed up"
        for _ in read_file(repository.reader, node):
            pass
        return counting.counts.get_bytes - before

    def _restore(self) -> int:
        repository = self._open(self.store)
        with tempfile.TemporaryDirectory(dir=self.work) as target:
            options = RestoreOptions(
                snapshot=self._last(repository), target=os.fsencode(target)
            )
            return restore(repository, options, SilentReporter()).read_bytes

    @staticmethod
    def _last(repository: Repository) -> StoredSnapshot:
        return repository.load_snapshot(repository.list_snapshots()[-1])

    def _create(self) -> Repository:
        average = self.chunk * KIB
        settings = Settings(
            chunker=ChunkerParameters(average // 4, average, average * 4),
            frame_bytes=self.frame * KIB,
            volume_bytes=16384 * KIB,
        )
        return create_repository(self.store, _KEY, settings=settings)

    @staticmethod
    def _open(store: MemoryBackend | CountingBackend) -> Repository:
        return open_repository(store, _KEY)


if __name__ == "__main__":
    main()
