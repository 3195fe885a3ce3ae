"""Workloads 1, 2, 4, 5 and part of 8: a folder is backed up, again, and restored."""

import os
import shutil
from functools import partial
from pathlib import Path

from bench.data.history import History
from bench.data.large_files import make_large_files
from bench.data.source_tree import LinuxTree, MadeTree
from bench.floors import FIND, LIBRARIES, TAR, UNTAR, library_seconds
from bench.measuring import Cost
from bench.results import Measurement, Topic
from bench.workbench import Turn, Workbench, say

__all__ = ["back_up_binaries", "back_up_large_files", "back_up_tree", "source_tree"]

FIRST = "first backup"
AGAIN = "nothing changed"
START = "start-up: list snapshots"
WHOLE = "restore the tree"
PART = "restore a folder of it"
LARGE_WHOLE = "restore the large files"


def back_up_tree(bench: Workbench, wanted: frozenset[int]) -> None:
    """A source tree: first backup, nothing changed, restore of all and of a part."""
    for place in bench.effort.places:
        with bench.folder(place) as folder:
            history = source_tree(bench, folder / "source")
            history.advance(0)
            source = folder / "source"
            part = min(path for path in source.iterdir() if path.is_dir())
            files = _count(source)[0]
            floors = [TAR, FIND] + ([UNTAR] if 8 in wanted else [])

            story = partial(_tree_story, wanted, source, part, files)
            bench.contest(1, (place, source), story, floors)


def _tree_story(
    wanted: frozenset[int], source: Path, part: Path, files: int, turn: Turn
) -> None:
    peer = turn.peer
    if not turn.do(1, FIRST, peer.backup, items=files):
        return
    again = peer.rescan or (() if peer.is_floor else peer.backup)
    if 2 in wanted and turn.do(2, AGAIN, again, number=1, items=files):
        turn.do(2, START, peer.listing)
    if 8 in wanted:
        restore_whole(turn, source, WHOLE)
        turn.trial.clear_target()
        turn.do(8, PART, peer.restore_path, path=str(part))


def back_up_binaries(bench: Workbench, wanted: frozenset[int]) -> None:  # noqa: ARG001
    """Programs and libraries of this machine, copied from /usr."""
    with bench.folder("memory") as folder:
        source = folder / "source"
        total = copy_binaries(Path("/usr"), source, bench.effort.binaries_bytes)
        bench.results.note(f"Binaries: {total / 1e6:.0f} MB of this machine's /usr.")
        bench.contest(
            4,
            ("memory", source),
            lambda turn: turn.do(4, FIRST, turn.peer.backup),
            [TAR],
        )


def back_up_large_files(bench: Workbench, wanted: frozenset[int]) -> None:
    """Media, archives, a file system image, logs."""
    for place in bench.effort.places:
        with bench.folder(place) as folder:
            tree, source = folder / "tree", folder / "source"
            source_tree(bench, tree).advance(0)
            make_large_files(source, bench.effort.large_bytes, tree)
            shutil.rmtree(tree)

            def story(turn: Turn, source: Path = source) -> None:
                if turn.do(5, FIRST, turn.peer.backup) and 8 in wanted:
                    restore_whole(turn, source, LARGE_WHOLE)

            floors = [TAR] + ([UNTAR] if 8 in wanted else [])
            bench.contest(5, (place, source), story, floors)
            if 5 in wanted:
                _measure_libraries(bench, source, place)


def source_tree(bench: Workbench, folder: Path) -> History:
    """Linux, or in a quick run a tree that is made."""
    effort = bench.effort
    history: LinuxTree | MadeTree
    if effort.linux_versions:
        history = LinuxTree(folder, bench.cache, effort.linux_versions)
    else:
        history = MadeTree(folder, effort.tree_files)
    for note in history.notes:
        bench.results.note(note)
    return history


def restore_whole(turn: Turn, source: Path, step: str) -> None:
    """Restore everything, and see that it is everything."""
    if not turn.peer.restore or not turn.do(8, step, turn.peer.restore):
        return
    wanted, found = _count(source), _count(turn.trial.target)
    if wanted != found:
        turn.fail(8, step, f"restored {found} files and bytes instead of {wanted}")


def _count(folder: Path) -> tuple[int, int]:
    """How many files there are, and how many bytes they hold."""
    files = total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            files += 1
            path = os.path.join(parent, name)
            total += 0 if os.path.islink(path) else os.path.getsize(path)
    return files, total


def _measure_libraries(bench: Workbench, source: Path, place: str) -> None:
    topic = Topic(workload=5, step=FIRST, place=place)
    total = _count(source)[1]
    for number in range(1, bench.effort.rounds + 1):
        spent = library_seconds(source)
        seconds = sum(spent.values())
        say(f"  {LIBRARIES}: {seconds / 2:.2f} s")
        if number == 1 and place == bench.effort.places[0]:
            parts = ", ".join(
                f"{step} {1e9 * part / total:.2f}" for step, part in spent.items()
            )
            bench.results.note(
                "Libraries, nanoseconds of one core for a byte of the large files: "
                f"{parts}; together {1e9 * seconds / total:.2f}."
            )
        cost = Cost(wall_s=seconds / 2, cpu_s=seconds, peak_bytes=0)
        bench.results.add(
            Measurement(topic=topic, program=LIBRARIES, round_number=number, cost=cost)
        )


def copy_binaries(origin: Path, folder: Path, limit: int) -> int:
    """Copy files in the order of their names; gives how many bytes."""
    total = 0
    for part in ("bin", "lib", "sbin", "libexec", "share"):
        for parent, folders, names in os.walk(origin / part):
            folders.sort()
            for name in sorted(names):
                path = Path(parent) / name
                if path.is_symlink() or not path.is_file():
                    continue
                total += path.stat().st_size
                if total > limit:
                    return total
                target = folder / path.relative_to(origin)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
    return total
