r"""The manifest of a backup set: which volumes there are, and what is in them.

Text, one record a line::

    Hostname vm
    Localdir /home/me/src
    Filelist 2
        new      almost64k
        deleted  "with\x20space"
    Volume 1:
        StartingPath   .
        EndingPath     big3m.bin 16
        Hash SHA1 b8759681b8a10d09740a14a6425b049b16126bde

The number after a path is that of a piece, where a volume starts or ends in the
middle of a file. Ours has lines more, and duplicity passes over lines that it does not
know::

    Snapshot ID         the snapshot that the set was made from
    Earlier TIME ID     the same of a set before it, with the time of that set
    Lost PATH           could not be read from the snapshot

Source: ``manifest.py`` of duplicity 0.8.22 and 3.2.1.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chunkvault.duplicity.names import format_set_time, parse_set_time
from chunkvault.errors import FormatError

__all__ = [
    "Manifest",
    "ManifestDecoder",
    "VolumeRecord",
    "decode_manifest",
    "encode_change",
    "encode_manifest",
    "quote",
    "unquote",
]

_TO_QUOTE = re.compile(rb"[\s\\\"']")
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")
_VOLUME_LINE = re.compile(rb"volume\s+([0-9]{1,9}):?", re.IGNORECASE)
_HASHES = {b"sha1": 20, b"md5": 16}
_HEX = re.compile(rb"[0-9a-fA-F]+")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_MAX_LINE_BYTES = 1 << 20
_MAX_KEPT_BYTES = 256 << 20
"""Of the lines that are held in memory; some hundred bytes are of one volume."""


class VolumeRecord(NamedTuple):
    """What the manifest says of one volume.

    Attributes:
        number: from 1.
        first: path of the first entry, ``.`` for the root.
        first_piece: which piece of it, if the volume starts in the middle.
        last: path of the last entry.
        last_piece: which piece of it, if the volume ends in the middle.
        sha1: hash of the volume's stored bytes; None if only ``md5`` is given.
        md5: the same by MD5.
    """

    number: int
    first: bytes
    first_piece: int | None
    last: bytes
    last_piece: int | None
    sha1: bytes | None
    md5: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest.

    Attributes:
        host: name of the machine; None where nothing is said.
        folder: what was backed up, as given then.
        snapshot: the snapshot that we made the set from; duplicity has none.
        earlier: times and snapshots of sets before this one, oldest first.
        lost: paths that could not be written, because the snapshot is damaged there;
            the root if too much was to list it all.
        volumes: by number, without gaps where nothing is wrong.
    """

    host: bytes | None = None
    folder: bytes | None = None
    snapshot: bytes | None = None
    earlier: tuple[tuple[int, bytes], ...] = ()
    lost: tuple[bytes, ...] = ()
    volumes: tuple[VolumeRecord, ...] = ()


def encode_manifest(
    manifest: Manifest, changes: Iterable[bytes] = (), count: int = 0
) -> bytes:
    """The text of a manifest.

    Args:
        manifest: what it says.
        changes: the regular files that were written, from `encode_change`.
        count: how many these are.
    """
    lines = []
    if manifest.snapshot is not None:
        lines.append(b"Snapshot %s\n" % manifest.snapshot.hex().encode())
    for end, snapshot in manifest.earlier:
        line = f"Earlier {format_set_time(end)} {snapshot.hex()}\n"
        lines.append(line.encode())
    lines += [b"Lost %s\n" % quote(path) for path in manifest.lost]
    if manifest.host is not None:
        lines.append(b"Hostname %s\n" % manifest.host)
    if manifest.folder is not None:
        lines.append(b"Localdir %s\n" % quote(manifest.folder))
    lines.append(b"Filelist %d\n" % count)
    lines += changes
    lines += map(_encode_volume, manifest.volumes)
    return b"".join(lines)


def encode_change(word: str, path: bytes) -> bytes:
    """A line of the list of files; the word is ``new``, ``changed`` or ``deleted``."""
    return b"    %-7s  %s\n" % (word.encode(), quote(path))


def decode_manifest(data: bytes) -> Manifest:
    """Undo `encode_manifest`; see `ManifestDecoder`."""
    decoder = ManifestDecoder()
    decoder.feed(data)
    return decoder.finish()


class ManifestDecoder:
    """Takes what any version of duplicity writes, piece by piece.

    Of the list of files nothing is kept: it is as long as the source has files, and
    the volumes say the same.

    Where a volume is named twice, the last record counts, and volumes above it are
    dropped: so does duplicity, whose interrupted backups look like that.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[bytes, list[list[bytes]]] = {}
        self._records: list[tuple[int, list[list[bytes]]]] = []
        self._list_left = 0
        self._kept_bytes = 0

    def feed(self, data: bytes) -> None:
        """The next bytes.

        Raises:
            FormatError: it is no manifest.
        """
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _MAX_LINE_BYTES:
            raise FormatError("a manifest has a line that is too long")
        for line in lines:
            self._take(line)

    def finish(self) -> Manifest:
        """What it says, now that there is no more of it.

        Raises:
            FormatError: a volume has no hash, no number or no paths.
        """
        self._take(self._rest)
        fields = self._fields
        folder = _first(fields, b"localdir")
        return Manifest(
            host=_first(fields, b"hostname"),
            folder=None if folder is None else unquote(folder),
            snapshot=_snapshot(_first(fields, b"snapshot")),
            earlier=tuple(_earlier(fields.get(b"earlier", ()))),
            lost=tuple(unquote(b" ".join(one)) for one in fields.get(b"lost", ())),
            volumes=_last_records(self._records),
        )

    def _take(self, line: bytes) -> None:
        is_listed = self._list_left and line[:1].isspace()
        if is_listed and not _VOLUME_LINE.fullmatch(line.strip()):
            self._list_left -= not line.isspace()
        elif words := line.split():
            self._keep(line, words)

    def _keep(self, line: bytes, words: list[bytes]) -> None:
        self._kept_bytes += len(line)
        if self._kept_bytes > _MAX_KEPT_BYTES:
            raise FormatError("a manifest says more than one can")
        if volume := _VOLUME_LINE.fullmatch(line.strip()):
            self._records.append((int(volume[1]), []))
            self._list_left = 0  # whatever it said of its length
        elif words[0].lower() == b"filelist" and len(words) == 2:
            self._list_left = _number(words[1])
        elif self._records and line[:1].isspace():
            self._records[-1][1].append(words)
        else:
            self._fields.setdefault(words[0].lower(), []).append(words[1:])


def quote(path: bytes) -> bytes:
    """A path as it stands in a manifest: one word, whatever is in it."""
    if not _TO_QUOTE.search(path):
        return path
    return b'"%s"' % _TO_QUOTE.sub(lambda one: b"\\x%02x" % one[0][0], path)


def unquote(word: bytes) -> bytes:
    """Undo `quote`."""
    if word[:1] not in (b'"', b"'"):
        return word
    if len(word) < 2 or word[-1:] != word[:1]:
        raise FormatError("a path in a manifest has a quote at one end only")
    return _ESCAPED.sub(lambda one: bytes.fromhex(one[1].decode()), word[1:-1])


def _encode_volume(volume: VolumeRecord) -> bytes:
    assert volume.sha1 is not None, "without a hash duplicity fails"
    first = _encode_place(volume.first, volume.first_piece)
    last = _encode_place(volume.last, volume.last_piece)
    return (
        b"Volume %d:\n    StartingPath   %s\n    EndingPath     %s\n    Hash SHA1 %s\n"
    ) % (volume.number, first, last, volume.sha1.hex().encode())


def _encode_place(path: bytes, piece: int | None) -> bytes:
    return b"%s %s" % (quote(path), b" " if piece is None else b"%d" % piece)


def _last_records(
    records: list[tuple[int, list[list[bytes]]]],
) -> tuple[VolumeRecord, ...]:
    if not records:
        return ()
    last = records[-1][0]
    by_number = {number: lines for number, lines in records if number <= last}
    return tuple(_decode_volume(n, lines) for n, lines in sorted(by_number.items()))


def _decode_volume(number: int, lines: list[list[bytes]]) -> VolumeRecord:
    places: dict[bytes, tuple[bytes, int | None]] = {}
    hashes: dict[bytes, bytes] = {}
    for words in lines:
        key = words[0].lower()
        if key in (b"startingpath", b"endingpath") and len(words) in (2, 3):
            piece = _number(words[2]) if len(words) == 3 else None
            places[key] = unquote(words[1]), piece
        elif key == b"hash" and len(words) == 3:
            _add_hash(hashes, words[1].lower(), words[2])
    if len(places) < 2 or not hashes:
        raise FormatError(f"the manifest does not say enough of volume {number}")
    return VolumeRecord(
        number,
        *places[b"startingpath"],
        *places[b"endingpath"],
        hashes.get(b"sha1"),
        hashes.get(b"md5"),
    )


def _add_hash(hashes: dict[bytes, bytes], name: bytes, text: bytes) -> None:
    length = _HASHES.get(name)
    if length is None:
        return  # of no use to anybody; another line may have one that is
    if len(text) != 2 * length or not _HEX.fullmatch(text):
        raise FormatError("a hash in the manifest is none")
    hashes[name] = bytes.fromhex(text.decode())


def _snapshot(text: bytes | None) -> bytes | None:
    if text is None or len(text) % 2 or not _HEX.fullmatch(text):
        return None
    return bytes.fromhex(text.decode())


def _first(fields: dict[bytes, list[list[bytes]]], key: bytes) -> bytes | None:
    return b" ".join(fields[key][0]) if key in fields else None


def _earlier(lines: Iterable[list[bytes]]) -> Iterator[tuple[int, bytes]]:
    for words in lines:
        end = parse_set_time(words[0].decode("ascii", "replace")) if words else None
        snapshot = _snapshot(words[-1]) if len(words) == 2 else None
        if end is not None and snapshot is not None:
            yield end, snapshot


def _number(text: bytes) -> int:
    if not _NUMBER.fullmatch(text):
        raise FormatError("a number in the manifest is none")
    return int(text)
