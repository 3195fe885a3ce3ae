"""The real duplicity, in two versions, kept away from this user's settings."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.gpg_homes import gpg_home, make_key

__all__ = ["VERSIONS", "Duplicity", "new_key"]

_TOP = Path(__file__).resolve().parents[2]
_NEW = _TOP / ".venv-duplicity" / "bin" / "duplicity"

VERSIONS = {
    "0.8": "/usr/bin/duplicity",
    "3.2": os.environ.get("CHUNKVAULT_TEST_DUPLICITY", str(_NEW)),
}
"""Debian's package, and the one of PyPI that ``tools/test`` installs."""

PASSPHRASE = "pass phrase"
_CHEAP = "--gpg-options=--s2k-count 65536"


class Duplicity:
    """One version with an archive, a cache and a home of its own.

    Args:
        program: its path.
        top: a folder for all that.
        options: given with every command.
        gnupg: folder of keys.
    """

    def __init__(
        self, program: str, top: Path, *options: str, gnupg: Path | None = None
    ) -> None:
        self.archive = top / "archive"
        self._program = program
        self._options = [f"--archive-dir={top / 'cache'}", _CHEAP, *options]
        home = top / "home"
        home.mkdir(parents=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PASSPHRASE": PASSPHRASE,
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(home),
        }
        if gnupg is not None:
            self.environment["GNUPGHOME"] = str(gnupg)

    def back_up(self, kind: str, source: Path, at: int) -> None:
        """A ``full`` or ``incremental`` backup at a time."""
        self._run(kind, f"--current-time={at}", "--volsize=1", source, self._url)

    def restore(self, at: int, target: Path) -> None:
        """Restore the state of a time."""
        self._run("restore", f"--time={at}", self._url, target)

    @property
    def _url(self) -> str:
        return f"file://{self.archive}"

    def run(self, command: str, *words: object) -> str:
        """Any command on the archive; what it prints. ``URL`` stands for where."""
        return self._run(command, *words)

    def try_to(
        self, command: str, *words: object
    ) -> "subprocess.CompletedProcess[str]":
        """The same, which may fail."""
        chosen = [self._url if word == "URL" else word for word in words]
        return subprocess.run(
            [self._program, command, *self._options, *map(str, chosen)],
            env=self.environment,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
        )

    def _run(self, command: str, *words: object) -> str:
        done = self.try_to(command, *words)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


@contextmanager
def new_key() -> Iterator[tuple[Path, str]]:
    """A folder of keys with one key in it, and its fingerprint."""
    with gpg_home() as home:
        yield Path(home), make_key(home, "a@example.org", PASSPHRASE)
