"""A mail file that grows and is edited, and a small tree, step by step."""

import os
import random
import shutil
from pathlib import Path

__all__ = ["T0", "GrowingSource"]

T0 = 1_700_000_000


class GrowingSource:
    """A folder that changes a little with every step, the same way every time.

    A file that is written gets a time of its own, in whole seconds: to duplicity
    one that keeps its time has not changed.

    Args:
        top: the folder, made anew.
        mail_bytes: length of the mail file at first.
    """

    def __init__(self, top: Path, mail_bytes: int = 150_000) -> None:
        self.top = top
        self._chance = random.Random(5)
        self._mail = bytearray(self._chance.randbytes(mail_bytes))
        self._step = 0
        (top / "notes").mkdir(parents=True)
        self._write("mail", self._mail)
        for number in range(4):
            self._write(f"notes/{number}", b"note %d" % number)
        self._settle()

    def step(self) -> None:
        """The next state."""
        self._step += 1
        place = self._chance.randrange(len(self._mail) - 8)
        self._mail[place : place + 8] = self._chance.randbytes(8)
        self._mail += self._chance.randbytes(300)
        self._write("mail", self._mail)
        self._write(f"notes/{self._step % 4}", self._chance.randbytes(50))
        folder = self.top / f"box.{self._step % 3}"
        if folder.exists():
            shutil.rmtree(folder)
        else:
            folder.mkdir()
            self._write(f"{folder.name}/new", b"letter %d" % self._step)
            (folder / "link").symlink_to(f"new {self._step}")
        os.chmod(self.top / "notes" / "0", 0o600 + self._step % 2 * 0o44)
        self._settle()

    def _write(self, name: str, data: bytes | bytearray) -> None:
        (self.top / name).write_bytes(data)
        os.utime(self.top / name, (T0 + self._step, T0 + self._step))

    def _settle(self) -> None:
        """Folders have the time of their last change, which is not ours."""
        for folder, _, _ in os.walk(self.top):
            os.utime(folder, (T0 + self._step, T0 + self._step))
