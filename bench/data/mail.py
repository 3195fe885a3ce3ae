"""A mail file that grows and is edited, as mail programs do it."""

import random
from pathlib import Path

__all__ = ["MailFile", "edit_messages", "make_message", "make_messages", "make_words"]

NEW_MESSAGES = 10
CHANGED_MESSAGES = 10


class MailFile:
    """One file of messages of about 4 KB.

    Each version appends ten messages and marks ten old ones, anywhere in the
    file, as read; the file is rewritten at its place.

    Attributes:
        file: the mail file.
    """

    def __init__(self, folder: Path, messages: int, seed: int = 7) -> None:
        self.file = folder / "mail" / "inbox"
        self._source = random.Random(seed)
        self._words = make_words(self._source)
        self._messages = make_messages(self._source, self._words, messages)

    def advance(self, number: int) -> None:
        """The next version."""
        if number:
            edit_messages(self._source, self._words, self._messages)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(b"".join(self._messages))

    def content(self) -> bytes:
        """Of the mail file."""
        return b"".join(self._messages)


def make_words(source: random.Random) -> list[str]:
    """A vocabulary."""
    return [source.randbytes(source.randint(2, 6)).hex() for _ in range(4000)]


def make_messages(source: random.Random, words: list[str], count: int) -> list[bytes]:
    """A mail file to begin with."""
    return [make_message(source, words) for _ in range(count)]


def make_message(source: random.Random, words: list[str]) -> bytes:
    """One mail of about 4 KB, unread."""
    text = " ".join(source.choices(words, k=source.randint(100, 700)))
    return f"From sender\nStatus: O \n\n{text}\n\n".encode()


def edit_messages(
    source: random.Random, words: list[str], messages: list[bytes]
) -> None:
    """What happens to a mail file between two snapshots."""
    messages += [make_message(source, words) for _ in range(NEW_MESSAGES)]
    for _ in range(CHANGED_MESSAGES):
        place = source.randrange(len(messages))
        messages[place] = messages[place].replace(b"Status: O ", b"Status: RO", 1)
