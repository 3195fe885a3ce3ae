"""What one backup set says: entries out of its volumes, in their order.

A member of a volume is called ``snapshot/PATH`` (an object as it is now),
``diff/PATH`` (how a file has changed), ``deleted/PATH``, or, for a piece K of
an entry, ``multivol_snapshot/PATH/K`` and ``multivol_diff/PATH/K``. Pieces may go on
in the next volume. The paths in a set are sorted by their components.

A volume that is missing or broken becomes a `Gap` in the stream of entries.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from chunkvault.duplicity.tar_reader import TarMember, TarReader
from chunkvault.errors import DamageError, FormatError
from chunkvault.format.tree import is_node_name

__all__ = [
    "Action",
    "Entry",
    "EntryReader",
    "Gap",
    "Path",
    "PlainStream",
    "VolumeSource",
    "joined",
    "parse_path",
    "signature_entries",
]

Path = tuple[bytes, ...]
"""Components below the root of the archive; none for the root itself."""

_MAX_PATH_BYTES = 64 << 10


class Action(Enum):
    """What an entry says about its path."""

    SNAPSHOT = auto()
    DIFF = auto()
    DELETED = auto()


_PREFIXES = {
    b"snapshot": (Action.SNAPSHOT, False),
    b"diff": (Action.DIFF, False),
    b"deleted": (Action.DELETED, False),
    b"multivol_snapshot": (Action.SNAPSHOT, True),
    b"multivol_diff": (Action.DIFF, True),
}
_SIGNATURE_PREFIXES = {
    b"signature": (Action.SNAPSHOT, False),
    b"snapshot": (Action.SNAPSHOT, False),
    b"deleted": (Action.DELETED, False),
}


class PlainStream(Protocol):
    """A file of the archive, decrypted and expanded."""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, none at the end; `DamageError` where it is broken."""

    def finish(self) -> None:
        """Look at what is left; `DamageError` if it shows that all was wrong."""


class VolumeSource(Protocol):
    """One volume of a set.

    Attributes:
        number: from 1.
        file_name: in the archive.
        start: the first path in it; None if nobody knows.
        end: the last path in it.
        is_surplus: it is there, and the manifest ends before it.
    """

    number: int
    file_name: str
    start: Path | None
    end: Path | None
    is_surplus: bool

    def open(self) -> AbstractContextManager[PlainStream]:
        """Its content; raises `DamageError` if it is missing or broken."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """What a set says about one path.

    Attributes:
        path: what it is about.
        action: what has happened.
        member: the attributes; those of the first piece.
        data: the file's content, or the delta; to be read before the next entry
            is asked for. Raises `DamageError` where it ends too early.
        fault: why the entry cannot be used; empty where it can.
        is_unsafe: the path must not be used either.
    """

    path: Path
    action: Action
    member: TarMember
    data: Iterator[bytes] = field(default_factory=lambda: iter(()))
    fault: str = ""
    is_unsafe: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """What comes here cannot be read, up to the end of the volume."""

    volume: VolumeSource
    error: DamageError
    is_whole: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """A member, and what its name says."""

    member: TarMember
    tar: TarReader
    action: Action
    path: Path
    number: int | None
    fault: str
    is_unsafe: bool


class EntryReader:
    """The entries and gaps of a set, in the order of its volumes."""

    def __init__(self, volumes: Iterable[VolumeSource]) -> None:
        self._pieces = _pieces(volumes)
        self._next: _Piece | Gap | None = None

    def __iter__(self) -> Generator[Entry | Gap, None, None]:
        try:
            self._advance()
            while (item := self._next) is not None:
                yield from self._item(item)
        finally:
            self._pieces.close()  # with it the volume, and gpg

    def _item(self, item: "_Piece | Gap") -> Iterator[Entry | Gap]:
        if isinstance(item, Gap):
            yield item
            self._advance()
            return
        entry = self._entry(item)
        yield entry
        for _ in _undamaged(entry.data):
            pass

    def _entry(self, first: _Piece) -> Entry:
        fault = first.fault or first.member.fault
        if first.number not in (None, 1) and not fault:
            fault = "the pieces before this one are missing"
        return Entry(
            path=first.path,
            action=first.action,
            member=first.member,
            data=self._data(first),
            fault=fault,
            is_unsafe=first.is_unsafe,
        )

    def _data(self, first: _Piece) -> Iterator[bytes]:
        """The data of an entry; leaves what follows it in ``_next``."""
        piece = first
        while True:
            try:
                yield from piece.tar.data()
            except DamageError:
                self._advance()
                raise
            self._advance()
            if first.number is None:
                return
            following = self._next
            if isinstance(following, Gap) and _may_hold(following, first.path):
                raise FormatError("a part of it is in a damaged or missing volume")
            if not isinstance(following, _Piece) or not _follows(piece, following):
                return
            piece = following

    def _advance(self) -> None:
        self._next = next(self._pieces, None)


def signature_entries(stream: PlainStream) -> Iterator[Entry]:
    """What a sigtar says about each path of its set; without any content.

    Raises:
        DamageError: it is broken; every entry before was right.
    """
    tar = TarReader(stream.read)
    while (member := tar.next()) is not None:
        piece = _parse(member, tar, _SIGNATURE_PREFIXES)
        yield Entry(
            path=piece.path,
            action=piece.action,
            member=member,
            fault=piece.fault or member.fault,
            is_unsafe=piece.is_unsafe,
        )


def joined(path: Path) -> bytes:
    """A path in one piece; ``.`` is the root."""
    return b"/".join(path) or b"."


def parse_path(path: bytes) -> Path:
    """The components of a path as archives and manifests have it."""
    path = path.removesuffix(b"/")
    return () if path in (b"", b".") else tuple(path.split(b"/"))


def _pieces(
    volumes: Iterable[VolumeSource],
) -> Generator[_Piece | Gap, None, None]:
    for volume in volumes:
        begun = False
        try:
            with volume.open() as stream:
                tar = TarReader(stream.read)
                while (member := tar.next()) is not None:
                    begun = True
                    yield _parse(member, tar, _PREFIXES)
                stream.finish()
        except DamageError as error:
            yield Gap(volume, error, is_whole=not begun)


def _undamaged(data: Iterator[bytes]) -> Iterator[bytes]:
    """Data that nobody wanted; what is wrong with it shows again as a gap."""
    try:
        yield from data
    except DamageError:
        return


def _may_hold(gap: Gap, path: Path) -> bool:
    """Whether pieces of this entry may be in what cannot be read."""
    if not gap.is_whole or gap.volume.start is None:
        return True
    return gap.volume.start == path


def _follows(piece: _Piece, following: _Piece) -> bool:
    return (
        following.path == piece.path
        and following.action is piece.action
        and piece.number is not None
        and following.number == piece.number + 1
    )


def _parse(
    member: TarMember, tar: TarReader, prefixes: dict[bytes, tuple[Action, bool]]
) -> _Piece:
    prefix, _, rest = member.name.partition(b"/")
    action, is_piece = prefixes.get(prefix, (Action.SNAPSHOT, False))
    fault = "" if prefix in prefixes else "it is no kind of entry that is known"
    number: int | None = None
    if is_piece:
        rest, _, digits = rest.rpartition(b"/")
        number = int(digits) if digits.isdigit() and len(digits) < 18 else 0
    path = parse_path(rest)
    is_unsafe = not all(map(is_node_name, path)) or len(rest) > _MAX_PATH_BYTES
    if is_unsafe:
        fault = "its name could mean something outside of the archive"
    elif number == 0:
        fault = "its name is not that of a piece"
    return _Piece(member, tar, action, path, number, fault, is_unsafe)
