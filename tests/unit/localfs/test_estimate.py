"""The count ahead of a backup."""

import os
from pathlib import Path

import pytest

from chunkvault.localfs.conditions import Conditions
from chunkvault.localfs.estimate import estimate
from chunkvault.localfs.patterns import Selection
from chunkvault.report import Progress


def count(*roots: Path, rules: tuple[str, ...] = ()) -> tuple[int | None, int | None]:
    progress = Progress("backup")
    paths = [os.fsencode(root) for root in roots]
    estimate(paths, Selection.of(rules), Conditions(), progress, lambda: False)
    return progress.total_files, progress.total_bytes


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "one").write_bytes(b"x" * 10)
    (root / "sub" / "two.o").write_bytes(b"x" * 100)
    (root / "link").symlink_to("sub")
    os.mkfifo(root / "fifo")
    return root


def test_every_entry_and_the_bytes_of_files_are_counted(tree: Path) -> None:
    assert count(tree) == (6, 110)


def test_excluded_entries_are_not_counted(tree: Path) -> None:
    assert count(tree, rules=("*.o",)) == (5, 10)
    assert count(tree, rules=("sub/",)) == (4, 10)


def test_root_may_be_a_file_or_missing_or_a_link(tree: Path) -> None:
    assert count(tree / "one", tree / "gone", tree / "link") == (2, 10)


def test_totals_stay_unknown_when_stopped(tree: Path) -> None:
    progress = Progress("backup")
    estimate(
        [os.fsencode(tree)], Selection.of([]), Conditions(), progress, lambda: True
    )
    assert (progress.total_files, progress.total_bytes) == (None, None)
