"""Write one backup set: volumes, signatures, manifest, in one pass.

The volumes get their names one by one. Of what comes then the order matters to who is
killed between two of them. A full set has its signatures before its manifest, as
duplicity does it: signatures alone are passed over. An increment has its manifest
first: for signatures alone, which begin where a chain ends, duplicity would neither
continue the chain nor clean them up, while a newest increment without signatures is
to it not there yet.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from chunkvault.duplicity.export.archive_writer import (
    ArchiveWriter,
    OutputFile,
    abandon,
)
from chunkvault.duplicity.export.signature_writer import SetTimes, SignatureWriter
from chunkvault.duplicity.manifest import (
    Manifest,
    VolumeRecord,
    encode_change,
    encode_manifest,
)
from chunkvault.duplicity.names import FileKind, FileName
from chunkvault.duplicity.tar_writer import (
    deleted_header,
    end_of_archive,
    node_header,
    padding,
)
from chunkvault.errors import RepositoryBusy
from chunkvault.format.node import Node, NodeKind

__all__ = ["SetWriter"]

_LEAST_PIECE_BYTES = 64 << 10
_MOST_PIECE_BYTES = 1 << 20
_PIECES_PER_VOLUME = 16
_MARGIN_BYTES = 64 << 10
_MAX_LIST_BYTES = 32 << 20
"""The list of files stands in front of the volumes, so it is held in memory."""

Records = Sequence[tuple[bytes, bytes]]


class SetWriter:
    """A backup set; a context manager.

    Entries come sorted by the components of their paths, which are relative, the
    root being empty. Without `finish` nothing gets complete: an error leaves at
    most volumes, which no manifest names.

    Attributes:
        volumes: finished so far.
        stored_bytes: of all files finished so far.
    """

    def __init__(
        self, archive: ArchiveWriter, times: SetTimes, *, volume_bytes: int
    ) -> None:
        self.volumes: list[VolumeRecord] = []
        self.stored_bytes = 0
        self._files: list[tuple[str, int]] = []
        self._archive = archive
        self._times = times
        self._volume_bytes = volume_bytes
        self._piece_bytes = min(
            max(volume_bytes // _PIECES_PER_VOLUME, _LEAST_PIECE_BYTES),
            _MOST_PIECE_BYTES,
        )
        self._changes = _ChangeList()
        self._volume_stack = ExitStack()
        self._volume: _OpenVolume | None = None
        self._signatures = SignatureWriter(archive, times)

    def __enter__(self) -> Self:
        self._signatures.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        abandon(self._volume_stack, error, trace)
        self._signatures.__exit__(kind, error, trace)

    def add_object(self, path: bytes, node: Node, own: Records = ()) -> None:
        """A directory, link, pipe or device."""
        slash = b"/" if node.kind == NodeKind.DIRECTORY else b""
        name = b"snapshot/" + (path or b".") + slash
        self._member(path, node_header(name, node, 0, own))
        self._signatures.add_object(path, node)

    def add_file(
        self,
        path: bytes,
        node: Node,
        data: Iterable[bytes],
        own: Records = (),
        *,
        is_diff: bool,
        was_file: bool,
    ) -> None:
        """A regular file.

        Args:
            path: of the file.
            node: its attributes.
            data: its content, or the delta that makes it of the old one.
            own: further records of its header.
            is_diff: whether ``data`` is a delta.
            was_file: whether the set before has a file there.
        """
        kind = b"diff" if is_diff else b"snapshot"
        pieces = _cut(data, self._piece_bytes)
        first = next(pieces, b"")
        second = next(pieces, None)
        if second is None:
            self._data_member(path, b"%b/%b" % (kind, path), node, first, own)
        else:
            self._add_pieces(path, kind, node, (first, second, pieces), own)
        self._signatures.add_file(path, node)
        self._changes.add("changed" if was_file else "new", path or b".")

    def add_deleted(self, path: bytes, *, was_file: bool) -> None:
        """Something is gone; what was below it is told of one by one."""
        self._member(path, deleted_header(b"deleted/" + path))
        self._signatures.add_deleted(path)
        if was_file:
            self._changes.add("deleted", path)

    def finish(self, manifest: Manifest) -> None:
        """Complete the set. Its files are durable on return.

        Args:
            manifest: what it is to say, but for volumes and files.

        Raises:
            RepositoryBusy: files of the set have been removed meanwhile; it gets
                no manifest.
        """
        if self._volume is None and not self.volumes:
            self._open_volume(b"", None)
        self._close_volume()
        if self._times.start is None:
            self._finished(self._signatures.finish())
        self._require_files()
        self._write_manifest(manifest)
        if self._times.start is not None:
            self._finished(self._signatures.finish())

    def _write_manifest(self, manifest: Manifest) -> None:
        text = encode_manifest(
            replace(manifest, volumes=tuple(self.volumes)),
            self._changes.lines,
            self._changes.count,
        )
        with self._archive.create(self._name(FileKind.MANIFEST)) as output:
            output.write(text)
        self._finished(output)

    def _add_pieces(
        self,
        path: bytes,
        kind: bytes,
        node: Node,
        pieces: tuple[bytes, bytes, Iterator[bytes]],
        own: Records,
    ) -> None:
        data, following, rest = pieces
        number = 1
        while True:
            name = b"multivol_%b/%b/%d" % (kind, path or b".", number)
            is_last = following is None
            self._data_member(path, name, node, data, own, None if is_last else number)
            if following is None:
                return
            own = ()
            number += 1
            data, following = following, next(rest, None)  # type: ignore[assignment]

    def _data_member(
        self,
        path: bytes,
        name: bytes,
        node: Node,
        data: bytes,
        own: Records,
        piece: int | None = None,
    ) -> None:
        size = len(data)
        header = node_header(name, node, size, own)
        self._member(path, header, piece)
        if size:
            assert self._volume is not None, "the member has opened it"
            self._volume.file.write(data)
            if size % 512:
                self._volume.file.write(padding(size))

    def _member(self, path: bytes, header: bytes, piece: int | None = None) -> None:
        volume = self._volume
        if volume is None:
            volume = self._open_volume(path, piece)
        elif volume.file.reaches(self._volume_bytes - _MARGIN_BYTES):
            self._close_volume()
            volume = self._open_volume(path, piece)
        volume.last, volume.last_piece = path, piece
        volume.file.write(header)

    def _open_volume(self, path: bytes, piece: int | None) -> "_OpenVolume":
        name = self._name(FileKind.VOLUME)._replace(volume=len(self.volumes) + 1)
        file = self._volume_stack.enter_context(self._archive.create(name))
        self._volume = _OpenVolume(file, path, piece)
        return self._volume

    def _close_volume(self) -> None:
        volume = self._volume
        if volume is None:
            return
        volume.file.write(end_of_archive(volume.file.plain_bytes))
        self._volume = None
        self._volume_stack.close()
        self._finished(volume.file)
        self.volumes.append(
            VolumeRecord(
                len(self.volumes) + 1,
                volume.first or b".",
                volume.first_piece,
                volume.last or b".",
                volume.last_piece,
                volume.file.sha1,
            )
        )

    def _finished(self, file: OutputFile) -> None:
        self.stored_bytes += file.stored_bytes
        self._files.append((file.name, file.stored_bytes))

    def _require_files(self) -> None:
        """Not every lock keeps out who takes these for leftovers."""
        missing = set(self._files).difference(self._archive.folder.list())
        if missing:
            raise RepositoryBusy(
                f"{min(missing)[0]} is gone: another export writes to"
                f" {self._archive.folder.place}",
                hint="wait until it is done, then export again",
            )

    def _name(self, kind: FileKind) -> FileName:
        return FileName(kind, self._times.start, self._times.end)


class _OpenVolume:
    """The volume being written, and what it begins and ends with."""

    def __init__(self, file: OutputFile, first: bytes, piece: int | None) -> None:
        self.file = file
        self.first, self.first_piece = first, piece
        self.last, self.last_piece = first, piece


class _ChangeList:
    """The manifest's list of files; given up where it grows beyond measure."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.count = 0
        self._bytes = 0

    def add(self, word: str, path: bytes) -> None:
        if self._bytes > _MAX_LIST_BYTES:
            return
        line = encode_change(word, path)
        self.lines.append(line)
        self.count += 1
        self._bytes += len(line)
        if self._bytes > _MAX_LIST_BYTES:
            self.lines, self.count = [], 0


def _cut(data: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly ``size``, the last one shorter."""
    if isinstance(data, list) and sum(map(len, data)) <= size:
        yield b"".join(data)  # most files are small
        return
    pending: list[bytes] = []
    length = 0
    for piece in data:
        pending.append(piece)
        length += len(piece)
        if length < size:
            continue
        joined = memoryview(b"".join(pending))
        whole = length - length % size
        for start in range(0, whole, size):
            yield bytes(joined[start : start + size])
        pending, length = [bytes(joined[whole:])], length - whole
    if length:
        yield b"".join(pending)
