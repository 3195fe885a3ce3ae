#!/usr/bin/env python3
"""Makes the golden vectors in tests/vectors, the same in every run.

    python tools/make_vectors.py            write those that are not there yet
    python tools/make_vectors.py --check    write nothing, only compare
    python tools/make_vectors.py --force    replace those that differ

A vector that is there and differs is a change of the format, or a file that
somebody edited: it is listed, left alone, and the exit code is 1. A vector with
compressed parts is compared only under the version of Zstandard that made it,
since another one may find other bytes that expand to the same.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from tools.vectors import (  # noqa: E402
    index_runs,
    keys,
    snapshots,
    trees,
    volumes,
)
from tools.vectors.case import Case  # noqa: E402

VECTORS = PROJECT / "tests" / "vectors"


def all_cases() -> Iterator[Case]:
    """Every vector, chapter by chapter."""
    for chapter in (keys, volumes, index_runs, trees, snapshots):
        yield from chapter.cases()


def differences(folder: Path) -> tuple[list[Case], list[str]]:
    """Vectors that are not in the folder; names of files that differ or are odd."""
    missing, different = [], []
    unknown = {str(path.relative_to(folder)) for path in folder.rglob("*.txt")}
    for case in all_cases():
        unknown.discard(case.file_name)
        path = folder / case.file_name
        if not path.exists():
            missing.append(case)
        elif not _agrees(case, path.read_text()):
            different.append(case.file_name)
    return missing, different + sorted(unknown)


def _agrees(case: Case, text: str) -> bool:
    made_by = re.search(r"^compressor: (.*)$", text, re.MULTILINE)
    if made_by and case.compressor and made_by[1] != case.compressor:
        return text.startswith(f"expect: {case.expect}\ncomment: {case.comment}\n")
    return text == case.text()


def write(cases: list[Case], folder: Path) -> None:
    """Write vectors, each after checking that it does what it says."""
    for case in cases:
        outcome = case.outcome()
        if outcome != case.expect:
            raise SystemExit(f"{case.file_name}: {outcome}, not {case.expect}")
        path = folder / case.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(case.text())


def main(arguments: list[str], folder: Path = VECTORS) -> int:
    """Do what the arguments say; gives the exit code."""
    parser = argparse.ArgumentParser(description="make the golden vectors")
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--force", action="store_true", help="replace what differs")
    options = parser.parse_args(arguments)
    missing, different = differences(folder)
    if options.force and not options.check:
        write(list(all_cases()), folder)
        return 0
    for name in different:
        print(f"differs: {name}")
    if options.check:
        for case in missing:
            print(f"missing: {case.file_name}")
        return 1 if missing or different else 0
    write(missing, folder)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
