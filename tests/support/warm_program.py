"""The program without its start: forked from a process that has loaded it already.

To start Python and to load the program takes 0.2 to 0.5 s, several times what a command
of a test works for. So each run of the tests has one process that has loaded
everything, and that forks for each command. What the command gets is its own:
arguments, environment, folder, umask, standard streams, session.

Real processes are what tests start that are about a process: signals, limits, memory,
what is loaded. Also a shell may run it: `script`.
"""

import _socket
import array
import atexit
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["run_warm", "script"]

_TOP = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 120


@cache
def _server() -> str:
    """Start the process that forks; the name of its socket."""
    # No file: a name in Linux' own namespace, which goes with the process.
    name = f"chunkvault-tests-{os.getpid()}-{os.urandom(4).hex()}"
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", name],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_TOP)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # without a terminal that could be asked
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    def end() -> None:
        with process:
            process.stdin.close()

    atexit.register(end)
    return name


def run_warm(
    words: list[str], environment: dict[str, str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, with nothing to read from standard input."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        open(os.devnull, "rb") as nothing,
    ):
        files = [file.fileno() for file in (nothing, out, err)]
        status = _ask(_server(), words, environment, folder or Path.cwd(), files)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    code = os.waitstatus_to_exitcode(status)
    return subprocess.CompletedProcess(["chunkvault", *words], code, *texts)


def script() -> str:
    """A shell script that is the program."""
    client = f"{sys.executable} -I -S {__file__} ask {_server()}"
    return f'#!/bin/sh\nexec {client} "$@"\n'


def _ask(
    name: str,
    words: list[str],
    environment: dict[str, str],
    folder: Path | str,
    files: list[int],
) -> int:
    """Have a command run; its status as ``waitpid`` gives it."""
    umask = os.umask(0)
    os.umask(umask)
    request = repr((words, environment, str(folder), umask)).encode()
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(_TIMEOUT_S)
        connection.connect(b"\0" + name.encode())
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", files))
        connection.sendmsg([len(request).to_bytes(8, "big")], [rights])
        connection.sendall(request)
        return int.from_bytes(connection.recv(8), "big")
    finally:
        connection.close()


def _ask_from_shell(name: str, words: list[str]) -> None:
    status = _ask(name, words, dict(os.environ), os.getcwd(), [0, 1, 2])
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _serve(name: str) -> None:
    """Fork for each request, until standard input is closed."""
    import gc
    import selectors
    import socket

    _load_everything()
    gc.collect()
    gc.freeze()
    selector = selectors.DefaultSelector()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(b"\0" + name.encode())
    listener.listen(64)
    selector.register(0, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    os.write(1, b"ready\n")
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                os._exit(0)
            if key.fileobj is listener:
                connection, _ = listener.accept()
                pid = _fork(connection)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, connection)
                continue
            _reap(selector, key)


def _reap(selector, key) -> None:
    import contextlib

    selector.unregister(key.fileobj)
    status = os.waitid(os.P_PIDFD, key.fileobj, os.WEXITED)
    os.close(key.fileobj)
    code = status.si_status
    is_exit = status.si_code == os.CLD_EXITED
    with contextlib.suppress(OSError):  # whoever asked may be gone
        key.data.sendall((code << 8 if is_exit else code).to_bytes(8, "big"))
    key.data.close()


def _fork(connection) -> int:
    import socket
    import traceback

    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    length = int.from_bytes(head, "big")
    request = b""
    while len(request) < length:
        request += connection.recv(length - len(request))
    pid = os.fork()
    if pid == 0:
        try:
            _become(files, *eval(request))
        except BaseException:  # noqa: BLE001 - as Python ends that runs a program
            traceback.print_exc()
        finally:
            os._exit(70)
    for file in files:
        os.close(file)
    return pid


def _become(files, words, environment, folder, umask) -> None:
    """Be the command."""
    import time

    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 1024)
    _open_streams()
    os.umask(umask)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["chunkvault", *words]
    from chunkvault.cli.start import run

    run()


def _open_streams() -> None:
    """As Python does when it starts; those that there were know another file."""
    opened = [
        open(number, mode, encoding="utf-8", closefd=False, buffering=size)  # noqa: SIM115
        for number, (mode, size) in enumerate((("r", -1), ("w", -1), ("w", 1)))
    ]
    sys.stdin, sys.stdout, sys.stderr = opened
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = opened


def _load_everything() -> None:
    import importlib
    import pkgutil

    import boto3  # noqa: F401 - loaded by the first request only
    import rich.progress  # noqa: F401

    import chunkvault

    for module in pkgutil.walk_packages(chunkvault.__path__, "chunkvault."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(sys.argv[2])
    else:
        _ask_from_shell(sys.argv[2], sys.argv[3:])
