"""OpenSSH's server with keys of its own, and the client's configuration for it.

Nothing of the user's own ssh is read or written.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chunkvault.backends.options import StorageOptions
from chunkvault.backends.sftp import SftpBackend, open_location
from tests.support.stores.ports import free_port, wait_for_port
from tests.support.stores.shared import run_folder, serve_until_unused, shared_server

__all__ = ["Sshd", "children_of", "own_sshd", "shared_sshd"]

HOST = "Chunkvault-Test"

_SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host-key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user-key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxSessions 100
MaxStartups 100
Subsystem sftp internal-sftp
"""
_CLIENT = """
Host {host}
    HostName 127.0.0.1
    Port {port}
    IdentityFile {identity}
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    {more}
"""


class Sshd:
    """How to reach the running server.

    Attributes:
        port: where it listens.
        folder: with its keys and its log.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.port: int = description["port"]
        self.folder = Path(description["folder"])

    def location(self, path: "str | Path", configuration: "Path | None" = None) -> str:
        """What a user writes for a folder on this server."""
        configuration = configuration or self.folder / "ssh_config"
        return f"sftp://{HOST}{path}?ssh-config={configuration}"

    def open(self, path: Path, configuration: "Path | None" = None) -> SftpBackend:
        """The backend of a folder on this server."""
        options = StorageOptions(environment=dict(os.environ))
        return open_location(self.location(path, configuration), options)

    def open_as_stranger(self, path: Path) -> SftpBackend:
        """With a key that the server does not know."""
        stranger = self.configure(path, identity=self.folder / "other-key")
        return self.open(path, stranger)

    def open_expecting(self, path: Path, host_key: str) -> SftpBackend:
        """With known hosts that have this key for the server, or none."""
        known = path / "known_hosts"
        key = (self.folder / f"{host_key}.pub").read_text() if host_key else ""
        known.write_text(f"[127.0.0.1]:{self.port} {key}" if key else "")
        return self.open(path, self.configure(path, known_hosts=known))

    def open_at_port(self, path: Path, port: int) -> SftpBackend:
        """Where this server does not listen."""
        return self.open(path, self.configure(path, port=port))

    def configure(self, folder: Path, **changes: Any) -> Path:
        """Write a client's configuration that differs from the one that works."""
        settings = {
            "host": HOST,
            "port": self.port,
            "identity": self.folder / "user-key",
            "known_hosts": self.folder / "known_hosts",
            "more": "",
        }
        path = folder / "ssh_config"
        path.write_text(_CLIENT.format(**{**settings, **changes}))
        return path


class _Process:
    """The server itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()

    def start(self) -> dict[str, Any]:
        """Make keys, write the configuration, start; 0.1 seconds."""
        for name in ("host-key", "user-key", "other-key"):
            make_key(self._folder / name)
        host_key = (self._folder / "host-key.pub").read_text()
        known = f"[127.0.0.1]:{self._port} {host_key}"
        (self._folder / "known_hosts").write_text(known)
        configuration = self._folder / "sshd_config"
        configuration.write_text(_SERVER.format(port=self._port, folder=self._folder))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it wants to be at home
        self.listen()
        description = {"port": self._port, "folder": str(self._folder)}
        Sshd(description).configure(self._folder)
        return description

    def listen(self) -> None:
        """Start the server, for the first time or again."""
        configuration = self._folder / "sshd_config"
        self._sshd = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "TERM"),
                *("/usr/sbin/sshd", "-D", "-f", str(configuration)),
                *("-E", str(self._folder / "log")),
            ],
            stdin=subprocess.DEVNULL,
        )
        wait_for_port(self._port)

    def kill(self) -> None:
        """End it at once, and all of its connections."""
        for child in children_of(self._sshd.pid):
            os.kill(child, signal.SIGKILL)
        self._sshd.kill()
        self._sshd.wait()

    def stop(self) -> None:
        """End it; connections that are open end with their clients."""
        self._sshd.terminate()
        self._sshd.wait()


def children_of(process_id: int) -> list[int]:
    """All processes below one."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children")
    found = [int(number) for number in children.read_text().split()]
    return found + [below for child in found for below in children_of(child)]


def make_key(path: Path) -> None:
    """Make a pair of keys, without a passphrase."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@contextmanager
def shared_sshd(factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """The server of this test run."""
    folder = run_folder(factory) / "sshd"
    with shared_server("tests.support.stores.sshd", folder) as description:
        yield Sshd(description)


@contextmanager
def own_sshd(folder: Path) -> Iterator[tuple[_Process, Sshd]]:
    """A server for one test, which may be killed and made to listen again."""
    folder.mkdir()
    process = _Process(folder)
    description = process.start()
    try:
        yield process, Sshd(description)
    finally:
        process.kill()


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    _process = _Process(_folder)
    serve_until_unused(_folder, _process.start, _process.stop)
