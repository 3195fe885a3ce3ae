"""One golden vector: its header lines and bytes, as text and back."""

import json
from dataclasses import dataclass, fields, is_dataclass

import zstandard

from chunkvault.codec.hashing import content_hash
from chunkvault.errors import ChunkvaultError
from chunkvault.format.subkeys import derive_keyring
from chunkvault.ids import RepositoryId
from tools.vectors.readers import READERS

__all__ = ["FIXED_INPUTS", "KEYRING", "MASTER", "REPOSITORY", "Case", "fixed"]

_LINE_DIGITS = 64
ZSTD = ".".join(map(str, zstandard.ZSTD_VERSION))


def fixed(label: str, length: int = 32) -> bytes:
    """Bytes that look random and are the same in every run."""
    pieces = [content_hash(f"{label} {n}".encode()) for n in range(length // 32 + 1)]
    return b"".join(pieces)[:length]


MASTER = fixed("master key")
REPOSITORY = RepositoryId(fixed("repository id"))
KEYRING = derive_keyring((MASTER,), REPOSITORY)
FIXED_INPUTS = {"masters": MASTER.hex(), "repository": REPOSITORY.hex()}


@dataclass(frozen=True)
class Case:
    """One vector.

    Attributes:
        chapter: folder, and key of `READERS`.
        name: of the file.
        comment: what it shows.
        data: the bytes that a reader is given.
        inputs: what else a reader is given, in hex.
        expect: ``ok`` or the name of the error.
        compressor: version of the library that made compressed parts; empty where
            there are none. Another version may find other bytes for the same.
    """

    chapter: str
    name: str
    comment: str
    data: bytes
    inputs: dict[str, str]
    expect: str
    compressor: str = ""

    @property
    def file_name(self) -> str:
        """Relative to the folder of all vectors."""
        return f"{self.chapter}/{self.name}.txt"

    def decoded(self) -> str:
        """What a reader finds, as JSON with bytes in hex.

        Raises:
            ChunkvaultError: the reader refuses the bytes.
        """
        found = READERS[self.chapter](self.inputs, self.data)
        return json.dumps(_plain(found), sort_keys=True)

    def outcome(self) -> str:
        """``ok``, or the name of the error that the reader raises."""
        try:
            self.decoded()
        except ChunkvaultError as error:
            return type(error).__name__
        return "ok"

    def text(self) -> str:
        """The vector as a file."""
        header = {"expect": self.expect, "comment": self.comment}
        if self.compressor:
            header["compressor"] = self.compressor
        header |= self.inputs
        if self.expect == "ok":
            header["decoded"] = self.decoded()
        lines = [f"{key}: {value}" for key, value in header.items()]
        digits = self.data.hex()
        rows = [
            digits[start : start + _LINE_DIGITS]
            for start in range(0, len(digits), _LINE_DIGITS)
        ]
        return "\n".join([*lines, "", *rows]) + "\n"


def parse_case(chapter: str, name: str, text: str) -> tuple[Case, str]:
    """Undo `Case.text`; the second is the JSON that the file expects."""
    head, _, body = text.partition("\n\n")
    header = dict(line.split(": ", 1) for line in head.splitlines())
    known = {key: header.pop(key, "") for key in _KNOWN}
    case = Case(
        chapter,
        name,
        known["comment"],
        bytes.fromhex(body),
        header,
        known["expect"],
        known["compressor"],
    )
    return case, known["decoded"]


_KNOWN = ("expect", "comment", "compressor", "decoded")


def _plain(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return list(value) if hasattr(value, "typecode") else value
