"""Whole sessions at the command line, written down in ``transcripts/*.txt``.

A transcript is what a terminal shows. ``$`` starts a command, which bash runs in
a folder of the transcript's own, ``>`` continues it; what follows is its output
and its errors, then ``[exit N]`` unless N is 0. Lines with ``#`` are remarks.
Runs of blanks count as one, and these stand for what is never the same twice:

``<id>`` an identifier, ``<time>`` a date with a time, ``<size>`` such as 1.2 KiB,
``<duration>`` such as 0:05, ``<n>`` a number, ``<host>`` this machine, ``<dir>`` the
folder, and ``<…>`` anything on the rest of the line.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.warm_program import script

PROJECT = Path(__file__).parents[2]
TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
REAL = f'#!/bin/sh\nexec {sys.executable} -m chunkvault "$@"\n'
PLACEHOLDERS = {
    "<id>": r"[0-9a-f]{8}(?:[0-9a-f]{56})?",
    "<time>": r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*(?:[+-]\d\d:\d\d)?",
    "<size>": r"[\d.,]+ [KMG]?i?B",
    "<duration>": r"\d+:\d\d",
    "<n>": r"[\d,]+",
    "<host>": re.escape(os.uname().nodename),
    "<…>": r".*",
}


class Step(NamedTuple):
    command: str
    expected: list[str]


def parse_transcript(text):
    steps = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("$ "):
            steps.append(Step(line[2:], []))
        elif line.startswith("> "):
            steps[-1] = Step(f"{steps[-1].command}\n{line[2:]}", [])
        elif steps:
            steps[-1].expected.append(line)
    return [Step(command, trim(expected)) for command, expected in steps]


def trim(lines):
    """Without the blank lines at the end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def pattern_of(line, folder):
    placeholders = {**PLACEHOLDERS, "<dir>": re.escape(str(folder))}
    parts = re.split(r"(<[a-z…]+>|\s+)", line.rstrip())
    regex = "".join(
        placeholders.get(part) or (r"\s+" if part.isspace() else re.escape(part))
        for part in parts
    )
    return re.compile(regex)


def is_as_expected(expected, actual, folder):
    return len(expected) == len(actual) and all(
        pattern_of(wanted, folder).fullmatch(line.rstrip())
        for wanted, line in zip(expected, actual, strict=True)
    )


def make_environment(folder, *, is_real):
    programs = folder / ".programs"
    programs.mkdir()
    program = programs / "chunkvault"
    program.write_text(REAL if is_real else script())
    program.chmod(0o755)
    (folder / ".key").write_bytes(bytes(range(32)))
    (folder / ".key").chmod(0o600)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "HOME": str(folder),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        "CHUNKVAULT_REPOSITORY": "repository",
        "CHUNKVAULT_KEY_FILE": str(folder / ".key"),
    }


def run_step(command, folder, environment):
    done = subprocess.run(
        ["bash", "-c", f"umask 022\n{command}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # no terminal to ask for a password at
        check=False,
        timeout=120,
    )
    lines = done.stdout.decode("utf-8", "backslashreplace").splitlines()
    return lines + ([f"[exit {done.returncode}]"] if done.returncode else [])


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_session_runs_as_it_is_written_down(path, tmp_path):
    # One session is of processes that load the program afresh, as a person's are.
    environment = make_environment(tmp_path, is_real=path.stem == "first-steps")
    for command, expected in parse_transcript(path.read_text(encoding="utf-8")):
        actual = run_step(command, tmp_path, environment)
        assert is_as_expected(expected, actual, tmp_path), "\n".join(
            [f"$ {command}", *actual, "── but the transcript says:", *expected]
        )


def test_there_are_transcripts():
    assert TRANSCRIPTS


def test_placeholders_stand_for_what_changes(tmp_path):
    actual = ["1a2b3c4d  2026-11-01 18:00:05   1.2 KiB  0:05", f"{tmp_path}/x [a]"]
    assert is_as_expected(
        ["<id> <time> <size> <duration>", "<dir>/x [a]"], actual, tmp_path
    )
    assert not is_as_expected(["<id>", "<dir>/x [a]"], actual, tmp_path)
    assert not is_as_expected(["<…>"], actual, tmp_path)
