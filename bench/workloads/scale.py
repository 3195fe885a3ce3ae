"""Workloads 10 and 11: a repository of a size that nobody waits for to be filled.

Only ours: no other program lets its index and trees be made up.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.data.sparse_tree import WANTED, WANTED_BYTES
from bench.peers import PROJECT, Peer, counted_chunkvault
from bench.results import OURS
from bench.trial import Trial
from bench.workbench import SHARED_MEMORY, Turn, Workbench, say

__all__ = [
    "COLD",
    "COMPARE",
    "ONE_FILE",
    "SEARCH",
    "UNCHANGED",
    "measure_cold_start",
    "measure_scale",
]

UNCHANGED = "backup with nothing changed"
ONE_FILE = "restore of one file"
COMPARE = "diff of two snapshots"
SEARCH = "find a name"
COLD = f"one file of {WANTED_BYTES // 1000} KB, no cache"

_SNAPSHOTS = 3
_INODE_BYTES = 1200
"""What a file without content takes in memory, on a tmpfs."""


def measure_scale(bench: Workbench, wanted: frozenset[int]) -> None:  # noqa: ARG001
    """Time and memory of commands on a big index and a big tree."""
    ours = _ours(bench)
    if ours is None:
        return
    effort = bench.effort
    files = effort.scale_files
    bench.results.note(
        f"Scale: an index of {effort.scale_blobs:,} blobs and a tree of {files:,} "
        "files, made without data."
    )
    with _roomy_folder(bench, files) as folder:
        _make(folder, effort.scale_blobs, files, _SNAPSHOTS)
        source, repository = folder / "source", folder / "repository"
        wanted_file = str(source / os.fsdecode(b"/".join(WANTED)))
        with Trial(ours, source, folder / "trial", repository) as trial:
            for number in range(1, effort.rounds + 1):
                turn = Turn(bench.results, trial, number, "memory")
                first = UNCHANGED if number > 1 else f"{UNCHANGED}, empty cache"
                turn.do(10, first, _now(ours.backup), items=files)
                if number == effort.rounds == 1:
                    turn.do(10, UNCHANGED, _now(ours.backup), items=files)
                trial.clear_target()
                turn.do(10, ONE_FILE, _now(ours.restore_path), path=wanted_file)
                turn.do(10, COMPARE, ours.diff)
                turn.do(10, SEARCH, ours.find, path=wanted_file)


def measure_cold_start(
    bench: Workbench,
    wanted: frozenset[int],  # noqa: ARG001
) -> None:
    """Requests and bytes for one file, by somebody who has never been here."""
    if _ours(bench) is None:
        return
    effort = bench.effort
    bench.results.note(
        f"Cold start: {effort.cold_blobs:,} blobs, {effort.cold_files:,} files, "
        f"{effort.cold_snapshots:,} snapshots."
    )
    with bench.folder("disk") as folder:
        sizes = (effort.cold_blobs, effort.cold_files, effort.cold_snapshots)
        _make(folder, *sizes, "--without-source")
        wanted_file = str(folder / "source" / os.fsdecode(b"/".join(WANTED)))
        peers = [_ours(bench), counted_chunkvault()]
        for peer in [peer for peer in peers if peer is not None]:
            repository = folder / "repository"
            with Trial(peer, folder, folder / "trial", repository) as trial:
                turn = Turn(bench.results, trial, 1, "disk")
                turn.do(11, COLD, _now(peer.restore_path), path=wanted_file)
                _check(turn)


def _check(turn: Turn) -> None:
    found = list(turn.trial.target.rglob(os.fsdecode(WANTED[1])))
    if [path.stat().st_size for path in found] != [WANTED_BYTES]:
        turn.fail(11, COLD, "it did not give the file")


def _ours(bench: Workbench) -> Peer | None:
    return next((peer for peer in bench.peers if peer.name == OURS), None)


def _now(command: Sequence[str]) -> tuple[str, ...]:
    """The command without a date: what was made has dates of its own."""
    words = list(command)
    for option in ("--time", "--at"):
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
    return tuple(words)


def _make(folder: Path, blobs: int, files: int, snapshots: int, *more: str) -> None:
    say(f" making {blobs:,} blobs, {files:,} files, {snapshots:,} snapshots")
    counts = ("--blobs", str(blobs), "--files", str(files))
    subprocess.run(
        [
            *(sys.executable, "-m", "bench.scale", *counts),
            *("--snapshots", str(snapshots), *more, str(folder)),
        ],
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


@contextmanager
def _roomy_folder(bench: Workbench, files: int) -> Iterator[Path]:
    """In memory if that has an inode for each file, or can be made to; else disk."""
    status = os.statvfs(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
    if status is not None and status.f_favail > files + files // 10:
        with bench.folder("memory") as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory(dir=bench.cache) as name:
        size = 2 * files * _INODE_BYTES + (4 << 30)
        options = f"nr_inodes=0,size={size}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", name]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            bench.results.note("Workload 10 is on the disk: memory has too few inodes.")
            with bench.folder("disk") as folder:
                yield folder
            return
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)
