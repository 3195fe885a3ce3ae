"""Small repositories, real trees on the disk, and ways to compare the two.

A small repository has tiny chunks, frames and volumes, so that a few dozen files
fill several volumes and a test sees what otherwise takes gigabytes.
"""

import os
import random
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from chunkvault.backends.base import Backend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.codec.passphrase import KdfCost
from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.node import Node, NodeKind
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.localfs.patterns import Selection
from chunkvault.operations.backup import BackupOptions, BackupSummary, backup
from chunkvault.operations.check import CheckOptions, CheckSummary, check
from chunkvault.operations.restore import RestoreOptions, RestoreSummary, restore
from chunkvault.report import SilentReporter
from chunkvault.repository import (
    DeviceKey,
    Passphrase,
    Repository,
    Secret,
    Settings,
    create_repository,
    open_repository,
)
from chunkvault.snapshots.catalog import Catalog
from chunkvault.snapshots.content import read_file
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = [
    "CHEAP",
    "KEY",
    "PASSWORD",
    "SMALL",
    "Entry",
    "back_up",
    "contents",
    "copy_of",
    "create_small",
    "noise",
    "objects_of",
    "open_small",
    "outcome",
    "read_back",
    "read_tree",
    "restore_all",
    "run_check",
    "snapshots_of",
    "write_tree",
]

KEY = DeviceKey(b"k" * 32)
"""Opens without stretching: for tests that open thousands of times."""

PASSWORD = Passphrase(b"x")
CHEAP = KdfCost(passes=1, memory_bytes=8 << 20)

SMALL = Settings(
    chunker=ChunkerParameters(minimum=256, average=1024, maximum=4096),
    frame_bytes=4 << 10,
    volume_bytes=16 << 10,
)

_EPOCH_NS = 1_700_000_000 * 10**9
_SECOND_NS = 10**9

Content = bytes | DamageError


class Entry(NamedTuple):
    """What a restore has to bring back of one path.

    Attributes:
        kind: ``file``, ``directory``, ``link`` or ``other``.
        mode: permission bits; 0 for a link, which has none of its own.
        mtime_ns: of last modification.
        content: of a file, or where a link points.
        names: all paths of the same file, where it has several.
    """

    kind: str
    mode: int
    mtime_ns: int
    content: bytes
    names: tuple[bytes, ...]


def create_small(
    backend: Backend | None = None,
    secret: Secret = KEY,
    settings: Settings = SMALL,
) -> Repository:
    """An empty repository in memory, unless another backend is given."""
    place = MemoryBackend() if backend is None else backend
    return create_repository(place, secret, settings=settings, cost=CHEAP)


def open_small(
    backend: Backend, secret: Secret = KEY, connections: int = 0
) -> Repository:
    """The repository as another process sees it."""
    return open_repository(backend, secret, connections=connections)


def objects_of(backend: Backend) -> dict[str, bytes]:
    """Everything that lies on a backend."""
    return {info.name: backend.get(info.name) for info in backend.list("")}


def copy_of(backend: Backend) -> MemoryBackend:
    """A backend that holds the same."""
    return MemoryBackend(objects_of(backend))


def noise(size: int, seed: object = 0) -> bytes:
    """Bytes that cannot be compressed; the same for the same seed."""
    return random.Random(repr(seed)).randbytes(size)


def write_tree(top: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a directory, and the directories they need."""
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return top


def read_tree(top: Path) -> dict[bytes, Entry]:
    """What is below a directory, by relative path; itself is ``b"."``."""
    root = os.fsencode(top)
    paths = [root]
    for folder, folders, files in os.walk(root):
        paths += [os.path.join(folder, name) for name in (*folders, *files)]
    shared: dict[tuple[int, int], list[bytes]] = {}
    for path in paths:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            same = shared.setdefault((status.st_dev, status.st_ino), [])
            same.append(os.path.relpath(path, root))
    return {os.path.relpath(path, root): _entry(path, shared) for path in paths}


def back_up(
    repository: Repository,
    *paths: Path,
    at: int = 1,
    workers: int = 0,
    reporter: SilentReporter | None = None,
    **options: object,
) -> BackupSummary:
    """Take a snapshot, ``at`` so many seconds after the first possible one."""
    fields: dict[str, object] = {
        "paths": tuple(os.fsencode(path) for path in paths),
        "time_ns": _EPOCH_NS + at * _SECOND_NS,
        "host": "host",
        "user": "user",
        "selection": Selection.of(()),
        "workers": workers,
    }
    chosen = BackupOptions(**(fields | options))  # type: ignore[arg-type]
    return backup(repository, chosen, reporter or SilentReporter())


def snapshots_of(repository: Repository) -> list[StoredSnapshot]:
    """Every snapshot that can be read, oldest first."""
    return Catalog(repository).all()


def restore_all(
    repository: Repository,
    snapshot: StoredSnapshot,
    target: Path,
    reporter: SilentReporter | None = None,
    **options: object,
) -> RestoreSummary:
    """Restore a snapshot below a directory."""
    fields: dict[str, object] = {
        "snapshot": snapshot,
        "target": os.fsencode(target),
        "workers": 0,
    }
    chosen = RestoreOptions(**(fields | options))  # type: ignore[arg-type]
    return restore(repository, chosen, reporter or SilentReporter())


def read_back(repository: Repository, snapshot: StoredSnapshot) -> dict[bytes, Content]:
    """Content by absolute path, or the damage that hides it.

    Of a directory that cannot be read its own path tells, with the damage.
    Other errors than damage are raised: a test does not expect them.
    """
    trees = TreeReader(repository.reader)
    found: dict[bytes, Content] = {}
    stack = [(b"", snapshot.snapshot.tree)]
    while stack:
        path, tree = stack.pop()
        try:
            nodes = list(trees.entries(tree))
        except DamageError as error:
            found[path or b"/"] = error
            continue
        for node in nodes:
            child = path + b"/" + node.name
            if node.kind == NodeKind.FILE:
                found[child] = _content(repository, node)
            elif node.kind == NodeKind.DIRECTORY and node.subtree is not None:
                stack.append((child, node.subtree))
    return found


def contents(found: Mapping[bytes, Content]) -> dict[bytes, bytes]:
    """Only what could be read."""
    return {path: one for path, one in found.items() if isinstance(one, bytes)}


def run_check(backend: Backend, *, read_data: bool = True) -> CheckSummary:
    """Check a repository as another process would."""
    repository = open_small(backend)
    return check(repository, CheckOptions(read_data=read_data), SilentReporter())


def outcome(action: Callable[[], object]) -> ChunkvaultError | None:
    """The error that an action ended with; anything but ours is raised."""
    try:
        action()
    except ChunkvaultError as error:
        return error
    return None


def _content(repository: Repository, node: Node) -> Content:
    try:
        return b"".join(read_file(repository.reader, node))
    except DamageError as error:
        return error


def _entry(path: bytes, shared: Mapping[tuple[int, int], Iterable[bytes]]) -> Entry:
    status = os.lstat(path)
    names = tuple(sorted(shared.get((status.st_dev, status.st_ino), ())))
    mode, time = stat.S_IMODE(status.st_mode), status.st_mtime_ns
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", 0, time, os.readlink(path), names)
    if stat.S_ISDIR(status.st_mode):
        return Entry("directory", mode, time, b"", ())
    if not stat.S_ISREG(status.st_mode):
        return Entry("other", mode, time, b"", names)
    with open(path, "rb") as file:
        return Entry("file", mode, time, file.read(), names)
