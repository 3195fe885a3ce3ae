"""One program with a repository of its own, in folders that are deleted afterwards."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from bench.measuring import CommandFailed, Cost, measure, stored_bytes
from bench.peers import Peer, snapshot_moment

__all__ = ["Traffic", "Trial"]


class Traffic(NamedTuple):
    """What went to and from the store."""

    requests: int
    moved_bytes: int


class Trial:
    """A peer at work on one source; a context manager that deletes what it made.

    Attributes:
        peer: the program.
        repository: its folder.
        target: an empty folder to restore into, see `clear_target`.
        output: what the last command wrote to its standard output.
    """

    def __init__(
        self, peer: Peer, source: Path, folder: Path, existing: Path | None = None
    ) -> None:
        """Create the repository, unless there is an existing one.

        Raises:
            CommandFailed: it could not be created.
        """
        self.peer = peer
        self.repository = existing or folder / "repository"
        self.target = folder / "restored"
        self.output = folder / "output"
        self._folder = folder
        self._source = source
        self._log = folder / "log"
        self._scratch = folder / "scratch"
        self._ids: list[str] = []
        shutil.rmtree(folder, ignore_errors=True)
        for made in (self.repository, self.target, self._scratch):
            made.mkdir(parents=True, exist_ok=True)
        if peer.create and existing is None:
            try:
                self._measure(peer.create, {})
            except CommandFailed:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def stored_bytes(self) -> int:
        """In the repository right now."""
        return stored_bytes(self.repository)

    @property
    def traffic(self) -> Traffic | None:
        """Of the last command, where the program counts it."""
        path = self._scratch.with_name(self._scratch.name + ".counts")
        if not path.exists():
            return None
        counts = json.loads(path.read_text())
        requests = ("puts", "gets", "lists", "deletes")
        return Traffic(
            sum(one[key] for one in counts for key in requests),
            sum(one["put_bytes"] + one["get_bytes"] for one in counts),
        )

    def run(self, command: Sequence[str], number: int = 0, path: str = "") -> Cost:
        """Run one of the peer's commands.

        Args:
            command: of `Peer`.
            number: of the snapshot that is made or meant.
            path: of a file or folder, absolute.

        Raises:
            CommandFailed: it ended badly.
        """
        return self._measure(command, self._names(command, number, path))

    def clear_target(self) -> None:
        """Make the folder to restore into empty again."""
        shutil.rmtree(self.target)
        self.target.mkdir()

    def forget_cache(self) -> None:
        """Be a machine that has never seen the repository."""
        shutil.rmtree(self._scratch)
        self._scratch.mkdir()

    def close(self) -> None:
        """Delete everything that this made."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _names(self, command: Sequence[str], number: int, path: str) -> dict[str, str]:
        moment = snapshot_moment(number)
        names = {
            "path": path,
            "rootless": path.lstrip("/"),
            "relative": os.path.relpath(path or self._source, self._source),
            "name": os.path.basename(path),
            "number": str(number),
            "date": f"{moment:%Y-%m-%d %H:%M:%S}",
            "iso": f"{moment:%Y-%m-%dT%H:%M:%S}",
            "seconds": str(int(moment.timestamp())),
        }
        words = " ".join(command)
        for name, wanted in (("snapshot", number), ("older", number - 1)):
            if f"{{{name}}}" in words:
                names[name] = self._snapshot(wanted)
        return names

    def _snapshot(self, number: int) -> str:
        """What the program calls the snapshot of this number, the first being 0."""
        if self.peer.snapshot:
            seconds = str(int(snapshot_moment(number).timestamp()))
            return self.peer.snapshot.format(number=number, seconds=seconds)
        if len(self._ids) <= number and self.peer.ids is not None:
            done = subprocess.run(
                self._words(self.peer.listing, {}),
                env=self._environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise CommandFailed(f"{self.peer.name} lists no snapshots")
            self._ids = self.peer.ids(done.stdout)
        if number >= len(self._ids):
            raise CommandFailed(f"{self.peer.name} has no snapshot {number}")
        return self._ids[number]

    def _measure(self, command: Sequence[str], names: dict[str, str]) -> Cost:
        # what others have left to write is not this one's doing
        subprocess.run(["sync", "-f", self._folder], check=False)
        with self.output.open("wb") as output:
            words = self._words(command, names)
            return measure(words, self._environment(), output, self._log)

    def _words(self, command: Sequence[str], names: dict[str, str]) -> list[str]:
        return [word.format(**self._folders(), **names) for word in command]

    def _environment(self) -> dict[str, str]:
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        variables = {
            name: value.format(**self._folders()) for name, value in self.peer.variables
        }
        return {**os.environ, "PATH": path, **variables}

    def _folders(self) -> dict[str, str]:
        return {
            "source": str(self._source),
            "repository": str(self.repository),
            "target": str(self.target),
            "scratch": str(self._scratch),
        }
