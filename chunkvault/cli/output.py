"""What is written: text for people, JSON for programs.

Names of files are any bytes. Text shows them through `printable`, so that no name
can send a terminal control codes or turn its neighbours around. JSON shows them
as Unicode, with the exact bytes beside it where they are no UTF-8.
"""

import base64
import json
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

__all__ = [
    "Output",
    "OutputLost",
    "count",
    "human_duration",
    "human_size",
    "path_fields",
    "printable",
]

JsonObject = Mapping[str, object]

_LINES_AT_ONCE = 512

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class OutputLost(BaseException):
    """Standard output cannot be written: its reader went away, its disk is full.

    No ``OSError``: what names a file that cannot be read or written and goes on with
    the next one would take it for an error of that file.

    Attributes:
        reason: why.
    """

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


class Output:
    """Lines and documents to standard output; any thread may write.

    Every method raises `OutputLost` if that fails.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._lock = threading.Lock()

    def line(self, text: str = "") -> None:
        """One line of text, made of parts that went through `printable`."""
        with self._writing():
            self._stream.write(text + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """As `line` for each of them; on a terminal as they come, else some at once."""
        at_once = 1 if self._stream.isatty() else _LINES_AT_ONCE
        ready: list[str] = []
        try:
            for text in texts:
                ready.append(text)
                if len(ready) >= at_once:
                    batch, ready = ready, []
                    self.line("\n".join(batch))
        finally:  # what was found before something failed
            if ready:
                self.line("\n".join(ready))

    def json_line(self, content: JsonObject) -> None:
        """One object on a line of its own, at once, for a program that follows."""
        with self._writing():
            self._stream.write(json.dumps(content) + "\n")
            self._stream.flush()

    def json_document(self, content: object) -> None:
        """One document."""
        self.line(json.dumps(content, indent=2))

    def json_array(self, objects: Iterable[JsonObject]) -> None:
        """One document: an array, an object a line, written as they come."""
        separator = "["
        for content in objects:
            with self._writing():
                self._stream.write(f"{separator}\n  {json.dumps(content)}")
            separator = ","
        self.line("[]" if separator == "[" else "\n]")

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[str]], *, right: str = ""
    ) -> None:
        """Aligned columns, the last one as wide as it likes.

        Args:
            header: the titles.
            rows: as many cells each, already printable.
            right: titles of the columns with numbers, separated by blanks.
        """
        lines = [header, *rows]
        widths = [max(map(_columns, column)) for column in zip(*lines, strict=True)]
        numbers = {header.index(title) for title in right.split()}
        for cells in lines:
            padded = [
                _pad(cell, width, on_the_left=place in numbers)
                for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            self.line("  ".join(padded).rstrip())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except OSError as error:
            raise OutputLost(error) from error


def printable(name: bytes | str) -> str:
    r"""Text that is safe on a terminal.

    Control characters, those that change the direction of text or are invisible,
    and bytes that are not UTF-8 become ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``.
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    if text.isprintable():
        return text
    return "".join(map(_escape, text))


def path_fields(name: bytes, key: str = "path") -> dict[str, str]:
    """A name as fields of a JSON object: readable, and exact where that differs."""
    try:
        return {key: name.decode("utf-8")}
    except UnicodeDecodeError:
        return {
            key: name.decode("utf-8", "replace"),
            f"{key}_bytes": base64.b64encode(name).decode("ascii"),
        }


def human_size(size: int) -> str:
    """``1.2 MiB``; ``512 B``."""
    if size < 1024:
        return f"{size} B"
    value, unit = float(size), 0
    # 1023.95 would be shown as 1024.0
    while value >= 1023.95 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.1f} {_UNITS[unit]}"


def human_duration(seconds: float) -> str:
    """``0:05``, ``12:30``, ``3:20:09``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minute:02d}:{second:02d}"
    return f"{minute}:{second:02d}"


def count(number: int, thing: str, things: str | None = None) -> str:
    """``1 file``, ``12,345 files``."""
    plural = things or f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"


def _pad(cell: str, width: int, *, on_the_left: bool) -> str:
    blanks = " " * (width - _columns(cell))
    return blanks + cell if on_the_left else cell + blanks


def _columns(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    import unicodedata  # needed by few, and never by --help

    return sum(
        0
        if unicodedata.combining(one)
        else 2
        if unicodedata.east_asian_width(one) in "WF"
        else 1
        for one in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if character.isprintable():
        return character
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
