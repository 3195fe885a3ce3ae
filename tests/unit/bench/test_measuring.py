"""Measuring a command: its cost, its children, its failure."""

import os
import sys

import pytest

from bench.measuring import CommandFailed, measure, stored_bytes


@pytest.fixture
def run(tmp_path):
    def run(program):
        with (tmp_path / "output").open("wb") as output:
            command = [sys.executable, "-c", program]
            return measure(command, os.environ, output, tmp_path / "log")

    return run


def test_processor_time_of_children_counts(run):
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    assert run(child).cpu_s >= 0.3


def test_memory_is_that_of_all_processes_together(run):
    hold = "x = bytearray(30_000_000); import sys; sys.stdin.read()"
    both = f"""
import subprocess, sys
x = bytearray(30_000_000)
child = subprocess.Popen([sys.executable, "-c", {hold!r}], stdin=subprocess.PIPE)
try:
    child.wait(0.5)
except subprocess.TimeoutExpired:
    child.communicate()
"""
    assert run(both).peak_bytes >= 60_000_000


def test_memory_of_the_bench_is_not_taken_for_that_of_a_command(run):
    ballast = bytearray(80_000_000)
    assert run("pass").peak_bytes < len(ballast)


def test_failure_tells_what_the_command_said(run):
    with pytest.raises(CommandFailed, match="ended with 3: no such thing"):
        run("import sys; print('no such thing', file=sys.stderr); sys.exit(3)")


def test_program_that_is_not_there_is_a_failure(tmp_path):
    output = (tmp_path / "output").open("wb")
    with output, pytest.raises(CommandFailed, match="nowhere"):
        measure(["/nowhere"], {}, output, tmp_path / "log")


def test_output_goes_where_it_is_wanted(run, tmp_path):
    run("print('out')")
    assert (tmp_path / "output").read_text() == "out\n"


def test_stored_bytes_are_those_of_all_files_below(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(bytes(10))
    (tmp_path / "d").write_bytes(bytes(5))
    (tmp_path / "link").symlink_to("d")
    assert stored_bytes(tmp_path) == 15 + len("d")
    assert stored_bytes(tmp_path / "nothing") == 0
