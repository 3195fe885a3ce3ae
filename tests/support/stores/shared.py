"""One server for all processes of a test run, and none after it.

A supervisor process starts the server and then waits for an exclusive lock of a
file that each user holds shared. The kernel takes a lock from a process that dies,
however it dies; so the server ends with its last user, and never before.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["run_folder", "serve_until_unused", "shared_server"]

_TOP = Path(__file__).resolve().parents[3]
_START_S = 120


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def shared_server(module: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Have a server run for as long as this lasts; started unless it runs.

    Args:
        module: run with the folder as argument, it calls `serve_until_unused`.
        folder: the server's own, created if missing.

    Returns:
        What the server says about itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users.lock").open("w") as users:
        with (folder / "start.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not (folder / "ready.json").exists():
                _start(module, folder)
        yield json.loads((folder / "ready.json").read_text())


def serve_until_unused(
    folder: Path, start: Callable[[], dict[str, Any]], stop: Callable[[], None]
) -> None:
    """Start a server, say so, and stop it when its last user is gone."""
    with (folder / "users.lock").open("w") as users:
        try:
            description = start()
            unfinished = folder / "ready.json.tmp"
            unfinished.write_text(json.dumps(description))
            unfinished.rename(folder / "ready.json")
            os.write(1, b"ready\n")
            os.close(1)
            fcntl.flock(users, fcntl.LOCK_EX)
            (folder / "ready.json").unlink()
        finally:
            stop()


def _start(module: str, folder: Path) -> None:
    """Start the supervisor, apart from our terminal, and wait until it is ready."""
    with (folder / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            env={**os.environ, "PYTHONPATH": str(_TOP)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert supervisor.stdout is not None
    with supervisor.stdout as out:
        if out.readline() != b"ready\n":
            supervisor.wait(_START_S)
            raise RuntimeError((folder / "supervisor.log").read_text())
    supervisor.returncode = 0  # it ends after us: nobody is to wait for it
