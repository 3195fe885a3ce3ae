"""rclone's configuration, and the servers of WebDAV and FTP that it leads to.

rclone itself is started by the backend. It serves WebDAV, too; Debian's cannot serve
FTP, which pyftpdlib does.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chunkvault.backends.options import StorageOptions
from chunkvault.backends.rclone import RcloneBackend, open_location
from tests.support.stores.ports import free_port, wait_for_port
from tests.support.stores.shared import run_folder, serve_until_unused, shared_server

__all__ = ["OwnWebdav", "Rclone", "shared_rclone"]

USER, PASSWORD = "someone", "test-password"


class Rclone:
    """Remotes ``disk:``, ``webdav:`` and ``ftp:``, which lead to one folder.

    Attributes:
        folder: what the remotes of the servers show.
        environment: with the remotes, and without the user's own.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.folder = Path(description["folder"])
        self.environment: dict[str, str] = {
            **os.environ,
            "RCLONE_CONFIG": str(self.folder.parent / "rclone.conf"),
        }

    def location(self, remote: str, path: "str | Path" = "") -> str:
        """What a user writes for a place on a remote."""
        return f"rclone:{remote}:{path}"

    def fill(self, path: str, names: Iterable[str]) -> None:
        """Empty objects behind the servers, quickly."""
        for name in names:
            file = self.folder / path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    def open(self, remote: str, path: "str | Path" = "") -> RcloneBackend:
        """The backend of a place on a remote."""
        options = StorageOptions(environment=self.environment)
        return open_location(self.location(remote, path), options)


class OwnWebdav:
    """A server of WebDAV for one test, which may be killed, and the remote ``nas:``.

    Attributes:
        files: the folder that it shows.
        port: where it listens.
        environment: with the configuration that leads to it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.files = folder / "files"
        self.files.mkdir()
        self.port = free_port()
        self._configuration = folder / "rclone.conf"
        self.environment = {
            **os.environ,
            "RCLONE_CONFIG": str(self._configuration),
        }
        self.lead_to(self.port)
        self.start()

    def lead_to(self, port: int) -> None:
        """Have the remote lead to a port, perhaps a proxy's."""
        self._configuration.write_text(
            f"[nas]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:{port}"
        )

    def start(self) -> None:
        """Start it, for the first time or again."""
        self._process = _serve(
            *("rclone", "serve", "webdav", "--addr", f"127.0.0.1:{self.port}"),
            *("--dir-cache-time", "0s", str(self.files)),
        )
        wait_for_port(self.port)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


class _Processes:
    """The servers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []

    def start(self) -> dict[str, Any]:
        """Start both, and write the configuration that leads to them."""
        files = self._folder / "files"
        files.mkdir()
        webdav, ftp = free_port(), free_port()
        self._servers.append(
            _serve(
                *("rclone", "serve", "webdav", "--addr", f"127.0.0.1:{webdav}"),
                *("--user", USER, "--pass", PASSWORD),
                *("--dir-cache-time", "0s", str(files)),
            )
        )
        self._servers.append(
            _serve(
                *(sys.executable, "-m", "pyftpdlib", "-i", "127.0.0.1"),
                *("-p", str(ftp), "-w", "-d", str(files), "-u", USER, "-P", PASSWORD),
            )
        )
        obscured = subprocess.run(
            ["rclone", "obscure", PASSWORD], check=True, capture_output=True, text=True
        ).stdout.strip()
        (self._folder / "rclone.conf").write_text(
            f"[disk]\ntype = local\n\n"
            f"[webdav]\ntype = webdav\nurl = http://127.0.0.1:{webdav}\n"
            f"vendor = other\nuser = {USER}\npass = {obscured}\n\n"
            f"[ftp]\ntype = ftp\nhost = 127.0.0.1\nport = {ftp}\n"
            f"user = {USER}\npass = {obscured}\n"
            # pyftpdlib says 501 of a missing folder then, which rclone takes for
            # a failure.
            f"disable_mlsd = true\n\n"
            f"[gone]\ntype = webdav\nurl = http://127.0.0.1:1\nvendor = other\n\n"
            f"[stranger]\ntype = webdav\nurl = http://127.0.0.1:{webdav}\n"
            f"vendor = other\nuser = {USER}\n"
        )
        for port in (webdav, ftp):
            wait_for_port(port)
        return {"folder": str(files)}

    def stop(self) -> None:
        """End them."""
        for server in self._servers:
            server.terminate()
            server.wait()


def _serve(*command: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *command],
        env={**os.environ, "RCLONE_CONFIG": "/dev/null"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def shared_rclone(factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    """The servers of this test run."""
    folder = run_folder(factory) / "rclone"
    with shared_server("tests.support.stores.rclone", folder) as description:
        yield Rclone(description)


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    _processes = _Processes(_folder)
    serve_until_unused(_folder, _processes.start, _processes.stop)
