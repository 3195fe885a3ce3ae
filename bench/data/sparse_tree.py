"""The source of a big repository: files that occupy nothing, or do not even exist."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from chunkvault.codec.hashing import content_hash
from chunkvault.localfs.scan import SourceDirectory

__all__ = [
    "WANTED",
    "WANTED_BYTES",
    "Directory",
    "layout",
    "make_source",
    "open_source",
    "wanted_content",
]

WANTED = (b"wanted", b"letter.txt")
"""The one file that can be restored, below the source."""

WANTED_BYTES = 100_000

_FILES_PER_FOLDER = 200
_FOLDERS_PER_FOLDER = 100
_FLAT_SHARE = 50
_LARGEST_FLAT = 100_000
"""One folder of the source holds a fiftieth of all files, at most this many."""


class Directory(Protocol):
    """What a tree is made from: a `SourceDirectory`, or an invented one."""

    @property
    def stat(self) -> os.stat_result:
        """Of the directory."""

    def names(self) -> list[bytes]:
        """In it, sorted."""

    def status(self, name: bytes) -> os.stat_result:
        """Of one of them."""

    def open_child(self, name: bytes) -> "Directory":
        """One that is a directory."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class InventedDirectory:
    """A directory of `layout`, with metadata that no disk has."""

    def __init__(self, folders: dict[bytes, list[bytes]], path: bytes = b"") -> None:
        self._folders = folders
        self._path = path
        self.stat = _invented_status(path, is_directory=True)

    def names(self) -> list[bytes]:
        """In it, sorted."""
        return sorted(self._folders[self._path])

    def status(self, name: bytes) -> os.stat_result:
        """Of one of them."""
        path = self._below(name)
        return _invented_status(path, is_directory=path in self._folders)

    def open_child(self, name: bytes) -> "InventedDirectory":
        """One that is a directory."""
        return InventedDirectory(self._folders, self._below(name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def _below(self, name: bytes) -> bytes:
        return self._path + b"/" + name


def layout(files: int) -> Iterator[tuple[bytes, list[bytes]]]:
    """The folders that hold files, each relative and with the names in it."""
    yield b"/" + WANTED[0], [WANTED[1]]
    flat = min(files // _FLAT_SHARE, _LARGEST_FLAT)
    if flat:
        yield b"/flat", [b"message-%07d.eml" % number for number in range(flat)]
    for number, start in enumerate(range(flat, files - 1, _FILES_PER_FOLDER)):
        above, here = divmod(number, _FOLDERS_PER_FOLDER)
        count = min(_FILES_PER_FOLDER, files - 1 - start)
        names = [b"document-%08d.txt" % (start + place) for place in range(count)]
        yield b"/year-%04d/project-%03d" % (above, here), names


def make_source(source: Path, files: int) -> None:
    """Make the files, sparse and of lengths up to 64 KiB; again does nothing."""
    done = source.with_name(source.name + ".made")
    if done.exists() and done.read_text() == str(files):
        return
    lengths = random.Random(5)
    for folder, names in layout(files):
        directory = os.fsencode(source) + folder
        os.makedirs(directory, exist_ok=True)
        for name in names:
            descriptor = os.open(directory + b"/" + name, os.O_CREAT | os.O_WRONLY)
            os.ftruncate(descriptor, lengths.randint(1, 65_536))
            os.close(descriptor)
    (source / os.fsdecode(b"/".join(WANTED))).write_bytes(wanted_content())
    done.write_text(str(files))


def wanted_content() -> bytes:
    """What the one file that can be restored holds."""
    return random.Random(7).randbytes(WANTED_BYTES)


def open_source(source: Path, files: int, *, real: bool) -> Directory:
    """The source as it is on the disk, or as it would be."""
    if real:
        return SourceDirectory.open_root(os.fsencode(source))
    folders: dict[bytes, set[bytes]] = {b"": set()}
    for folder, names in layout(files):
        folders[folder] = set(names)
        way = folder
        while way:
            above, _, name = way.rpartition(b"/")
            folders.setdefault(above, set()).add(name)
            way = above
    return InventedDirectory({path: list(names) for path, names in folders.items()})


def _invented_status(path: bytes, *, is_directory: bool) -> os.stat_result:
    number = int.from_bytes(content_hash(path)[:7], "little")
    mode = 0o040755 if is_directory else 0o100644
    length = WANTED_BYTES if path.endswith(WANTED[1]) else 1 + number % 65_536
    moment = 1_700_000_000 + number % 10_000_000
    seconds = (moment, moment, moment)
    head = (mode, number % 2**32, 64, 1, 1000, 1000, length, *seconds)
    nanoseconds = dict.fromkeys(
        ("st_atime_ns", "st_mtime_ns", "st_ctime_ns"), moment * 10**9 + number % 10**9
    )
    return os.stat_result(head, nanoseconds)
