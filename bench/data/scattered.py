"""Big files with small writes all over them: a database, the disk of a machine."""

import random
import sqlite3
from pathlib import Path

__all__ = ["Database", "DiskImage"]

_PAGE = 4096
_WORDS = 2000


class Database:
    """An SQLite database; each version updates rows anywhere in it and adds some.

    Attributes:
        file: the database.
    """

    def __init__(
        self, folder: Path, rows: int, updates: int = 100, seed: int = 11
    ) -> None:
        self.file = folder / "database" / "records.sqlite"
        self._source = random.Random(seed)
        self._words = [self._source.randbytes(8).hex() for _ in range(_WORDS)]
        self._rows = rows
        self._updates = updates

    def advance(self, number: int) -> None:
        """The next version, by SQL."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(self.file) as database:
            if number == 0:
                database.execute("PRAGMA journal_mode = DELETE")
                database.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, t)")
                self._insert(database, self._rows)
            else:
                for _ in range(self._updates):
                    row = self._source.randint(1, self._rows)
                    update = "UPDATE records SET t = ? WHERE id = ?"
                    database.execute(update, (self._text(), row))
                self._insert(database, self._updates // 10)
        database.close()

    def content(self) -> bytes:
        """Of the database's file."""
        return self.file.read_bytes()

    def _insert(self, database: sqlite3.Connection, count: int) -> None:
        rows = ((self._text(),) for _ in range(count))
        database.executemany("INSERT INTO records (t) VALUES (?)", rows)
        database.commit()

    def _text(self) -> str:
        return " ".join(self._source.choices(self._words, k=30))


class DiskImage:
    """A raw image of 4 KiB blocks, a fifth of it never written (a hole at the end).

    Each version overwrites blocks: half of them in one place, as a log is
    written, half of them one by one, anywhere.

    Attributes:
        file: the image.
    """

    def __init__(
        self, folder: Path, blocks: int, writes: int = 100, seed: int = 13
    ) -> None:
        self.file = folder / "machine" / "disk.raw"
        self._source = random.Random(seed)
        self._words = [self._source.randbytes(8).hex() for _ in range(_WORDS)]
        self._blocks = blocks
        self._writes = writes

    def advance(self, number: int) -> None:
        """The next version, in place."""
        used = self._blocks * 4 // 5
        if number == 0:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("wb") as file:
                for _ in range(used):
                    file.write(self._block())
                file.truncate(self._blocks * _PAGE)
            return
        log = self._source.randrange(used - self._writes)
        places = [log + step for step in range(self._writes // 2)]
        places += [self._source.randrange(used) for _ in range(self._writes // 2)]
        with self.file.open("r+b") as file:
            for place in places:
                file.seek(place * _PAGE)
                file.write(self._block())

    def content(self) -> bytes:
        """Of the image."""
        return self.file.read_bytes()

    def _block(self) -> bytes:
        text = " ".join(self._source.choices(self._words, k=120)).encode()
        return (
            text[: _PAGE // 2]
            + self._source.randbytes(_PAGE // 8)
            + bytes(_PAGE - _PAGE // 2 - _PAGE // 8)
        )
