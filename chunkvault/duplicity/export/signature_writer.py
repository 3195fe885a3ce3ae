"""Write the signatures of a set: every entry of it again, with no content."""

from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

from chunkvault.duplicity.export.archive_writer import (
    ArchiveWriter,
    OutputFile,
    abandon,
)
from chunkvault.duplicity.names import FileKind, FileName
from chunkvault.duplicity.signature import NULL_SIGNATURE
from chunkvault.duplicity.tar_writer import (
    deleted_header,
    end_of_archive,
    node_header,
    padding,
)
from chunkvault.format.node import Node, NodeKind

__all__ = ["SetTimes", "SignatureWriter"]

_BLOCK = NULL_SIGNATURE + padding(len(NULL_SIGNATURE))


class SetTimes(NamedTuple):
    """Between which times a set lies: the one before it (None for a full), its own."""

    start: int | None
    end: int


class SignatureWriter:
    """The sigtar of a set; a context manager.

    Entries come in the order of the set. Without `finish` there is no file.
    """

    def __init__(self, archive: ArchiveWriter, times: SetTimes) -> None:
        self._archive = archive
        self._name = FileName(FileKind.SIGNATURES, times.start, times.end)
        self._stack = ExitStack()
        self._file: OutputFile | None = None

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(self._archive.create(self._name))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        abandon(self._stack, error, trace)

    def add_object(self, path: bytes, node: Node) -> None:
        """A directory, link, pipe or device."""
        slash = b"/" if path and node.kind == NodeKind.DIRECTORY else b""
        self._write(node_header(b"snapshot/" + path + slash, node, 0))

    def add_file(self, path: bytes, node: Node) -> None:
        """A regular file, with a signature that fits any content."""
        header = node_header(b"signature/" + path, node, len(NULL_SIGNATURE))
        self._write(header + _BLOCK)

    def add_deleted(self, path: bytes) -> None:
        """Something is gone."""
        self._write(deleted_header(b"deleted/" + path))

    def finish(self) -> OutputFile:
        """Give the file its name; it is durable on return."""
        assert self._file is not None, "it is open"
        self._write(end_of_archive(self._file.plain_bytes))
        self._stack.close()
        return self._file

    def _write(self, data: bytes) -> None:
        assert self._file is not None, "it is open"
        self._file.write(data)
