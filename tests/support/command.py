"""The program as a process of its own, and ways to hit it at a chosen moment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.warm_program import run_warm

__all__ = ["Program"]

_TOP = Path(__file__).resolve().parents[2]

_HIT = """
import os, signal, sys
number, moment = int(sys.argv.pop(1)), int(sys.argv.pop(1))
watched = {"open", "os.link", "os.remove", "os.mkdir", "os.rename", "os.scandir"}
place = os.fsencode(os.environ["WATCHED"])
count = 0
def look(event, arguments):
    global count
    if event in watched and place in os.fsencode(str(arguments)):
        count += 1
        if count == moment:
            os.kill(os.getpid(), number)
        if number == 0:
            sys.stderr.write("x")
sys.addaudithook(look)
from chunkvault.cli.main import run
run()
"""
"""Counts what the process does to files in a folder, and signals itself.

Unlike a pause this hits the same moments on a slow machine and on a fast one.
"""


class Program:
    """Runs commands on one repository, without reading this user's settings.

    Args:
        top: a folder for all that.
        repository: if it is to lie elsewhere.
        watched: where moments are counted, if not in the repository.
    """

    def __init__(
        self,
        top: Path,
        *,
        repository: Path | None = None,
        watched: Path | None = None,
    ) -> None:
        self.repository = repository or top / "repository"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(top),
            "PYTHONPATH": str(_TOP),
            "CHUNKVAULT_REPOSITORY": str(self.repository),
            "CHUNKVAULT_KEY_FILE": str(top / "device.key"),
            "CHUNKVAULT_CACHE_DIR": str(top / "cache"),
            "WATCHED": str(watched or self.repository),
        }

    def start(self, *words: object) -> "subprocess.Popen[str]":
        """Begin a command."""
        return self._start([sys.executable, "-m", "chunkvault", *map(str, words)])

    def run_short_of_space(
        self, file_bytes: int, *words: object
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command that can write no file larger than this."""
        limit = f"ulimit -f {file_bytes // 1024}; trap '' XFSZ; exec \"$@\""
        command = [sys.executable, "-m", "chunkvault", *map(str, words)]
        return _finish(self._start(["bash", "-c", limit, "bash", *command]))

    def run(self, *words: object) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, without a terminal; a traceback is never right."""
        if self.environment["PYTHONPATH"] != str(_TOP):
            return _finish(self.start(*words))  # with other modules than are loaded
        done = run_warm([str(word) for word in words], self.environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def json(self, *words: object) -> Any:
        """What a command prints with ``--json``, where that is one document."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run_hit(
        self, number: int, moment: int, *words: object
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command that gets signal ``number`` at the given moment.

        Moments are counted from 1 and are what it does to the repository, or
        where else they are to be counted.
        """
        command = [sys.executable, "-c", _HIT, str(number), str(moment)]
        return _finish(self._start([*command, *map(str, words)]))

    def count_moments(self, *words: object) -> int:
        """Run a command to its end; how many moments there were to hit it."""
        done = self.run_hit(0, 0, *words)
        assert done.returncode == 0, done.stderr
        return done.stderr.count("x")

    def _start(self, command: list[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _finish(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    with process:
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
