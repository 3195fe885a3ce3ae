"""Which parts of which frames go to which places of which files.

The plan turns the order of the tree into the order of the frames, so that each
frame is read once. It lies in a private temporary SQLite database: memory stays
flat for millions of files, and what SQLite costs is a few microseconds for each.

A *source* is where pieces of files come from: a frame, or (None) files that
stand in the target already. Sources are numbered in the order of their first use.
A piece that is stored as a delta comes from the frame of its base; the deltas
themselves are gathered before, frame by frame, and lie in the database meanwhile.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from chunkvault.format.node import Node
from chunkvault.ids import BlobId
from chunkvault.localfs.frozen_nodes import freeze, thaw
from chunkvault.repository import BlobLocation, FrameLocation

__all__ = [
    "DeltaGroup",
    "Piece",
    "PieceGroup",
    "Plan",
    "PlannedDirectory",
    "PlannedLink",
]

_CACHE_KIB = 16 << 10
_ROWS_AT_ONCE = 1000
_GROUP_PIECES = 4096
"""Pieces of one frame held at once; a frame with more is read again for them."""
_LOCAL_PIECES = 256

_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{_CACHE_KIB};
CREATE TABLE files (
    file INTEGER PRIMARY KEY, path BLOB, pieces INTEGER, node BLOB);
CREATE TABLE pieces (
    source INTEGER, start INTEGER, file INTEGER, offset INTEGER,
    stored INTEGER, length INTEGER, blob_id BLOB, delta INTEGER,
    PRIMARY KEY (source, start, file, offset)) WITHOUT ROWID;
CREATE TABLE deltas (
    delta INTEGER PRIMARY KEY, source INTEGER, start INTEGER, stored INTEGER,
    body BLOB);
CREATE TABLE first_names (
    inode BLOB PRIMARY KEY, path BLOB, file INTEGER) WITHOUT ROWID;
CREATE TABLE links (path BLOB, first_path BLOB, file INTEGER);
CREATE TABLE directories (path BLOB, tree BLOB, is_new INTEGER, node BLOB);
BEGIN;
"""

_SELECT_PIECES = """
SELECT pieces.source, pieces.start, file, offset, pieces.stored, length, blob_id,
       delta, body, path, pieces, node
FROM pieces CROSS JOIN files USING (file) LEFT JOIN deltas USING (delta)
ORDER BY pieces.source, pieces.start, file, offset
"""
_SELECT_DELTAS = "SELECT source, delta, start, stored FROM deltas ORDER BY source"
_INSERT_PIECES = "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_DELTAS = "INSERT INTO deltas VALUES (?, ?, ?, ?, NULL)"


class Piece(NamedTuple):
    """A run of one file's content, and where it comes from.

    Attributes:
        source: its number in the plan.
        start: of the blob in the frame's content; of a delta, of its base.
        file: the file's number in the plan.
        offset: in the file.
        stored: bytes of that in the frame's content.
        length: bytes in the file; 0 for a file without content.
        blob_id: of the chunk.
        delta: number of the delta in the plan, or None.
        body: the delta; None if it could not be had.
        path: of the file, below the target.
        pieces: that the whole file has.
        frozen_node: see `Piece.node`.
    """

    source: int
    start: int
    file: int
    offset: int
    stored: int
    length: int
    blob_id: BlobId
    delta: int | None
    body: bytes | None
    path: bytes
    pieces: int
    frozen_node: bytes

    @property
    def node(self) -> Node:
        """The file's node; decoded at every call."""
        return thaw(self.frozen_node)

    def location(self, frame: FrameLocation) -> BlobLocation:
        """Where the piece, or the base of its delta, is in its frame."""
        return BlobLocation(frame, self.start, self.stored, self.stored, None)


class DeltaGroup(NamedTuple):
    """Deltas that are to be gathered from one frame: (number, start, length)."""

    frame: FrameLocation
    deltas: list[tuple[int, int, int]]


class PieceGroup(NamedTuple):
    """Pieces from one source, ordered by their place in it."""

    frame: FrameLocation | None
    pieces: list[Piece]


class PlannedLink(NamedTuple):
    """A further name of a file; ``file`` is 0 if the plan does not write it."""

    path: bytes
    first_path: bytes
    file: int


class PlannedDirectory(NamedTuple):
    """A directory to be finished; without ``tree`` it was only passed through."""

    path: bytes
    tree: BlobId | None
    is_new: bool
    node: Node | None


class Plan:
    """What is to be written. For one thread; closed by `close`.

    Attributes:
        files: how many are to be written.
        new_bytes: that they will take on the disk, without holes.
        replaced_bytes: that the files take whose places they get.
        link_count: how many links are to be made.
    """

    def __init__(self) -> None:
        self.files = 0
        self.new_bytes = 0
        self.replaced_bytes = 0
        self.link_count = 0
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._last_file = 0
        self._file_pieces = 0
        self._file_bytes = 0
        self._sources: list[FrameLocation | None] = []
        self._by_frame: dict[tuple[bytes, int], int] = {}
        self._local_left = 0
        self._local_source = 0
        self._pieces: list[tuple[object, ...]] = []
        self._files: list[tuple[object, ...]] = []
        self._deltas: list[tuple[int, int, int, int]] = []
        self._last_delta = 0

    def close(self) -> None:
        """Forget the plan."""
        self._database.close()

    def begin_file(self) -> int:
        """Start a file; it counts only once `finish_file` was called for it."""
        self._last_file += 1
        self._file_pieces = 0
        self._file_bytes = 0
        return self._last_file

    def add_stored(
        self,
        offset: int,
        blob_id: BlobId,
        location: BlobLocation,
        base: BlobLocation | None = None,
    ) -> None:
        """A piece of the file that comes from the repository.

        ``base`` is where the base of a delta is; without it the piece is looked
        for again when it is wanted.
        """
        delta, place = None, location
        if location.base is not None:
            delta, place = self._add_delta(location), base or location
        source = self._source_of(place.frame)
        row = (place.length, location.plain_length, blob_id, delta)
        self._add((source, place.offset, self._last_file, offset, *row))
        self._file_bytes += location.plain_length

    def add_local(self, offset: int, blob_id: BlobId, length: int) -> None:
        """A piece of the file that its predecessor on the disk has already."""
        source = self._local()
        self._add((source, 0, self._last_file, offset, 0, length, blob_id, None))
        self._file_bytes += length

    def finish_file(self, path: bytes, node: Node, replaced_bytes: int) -> None:
        """All pieces were added; what lies between them are holes."""
        if not self._file_pieces:
            self.add_local(0, BlobId(b""), 0)
        row = (self._last_file, path, self._file_pieces, freeze(node))
        self._files.append(row)
        self.files += 1
        self.new_bytes += self._file_bytes
        self.replaced_bytes += replaced_bytes

    def first_name(self, node: Node, path: bytes, file: int) -> PlannedLink | None:
        """The link to be made if the node's inode has a name already.

        Otherwise ``path`` becomes its first name, written as ``file`` (or 0).
        """
        inode = _inode(node)
        found = self._database.execute(
            "SELECT path, file FROM first_names WHERE inode = ?", (inode,)
        ).fetchone()
        if found is not None:
            return PlannedLink(path, *found)
        row = (inode, path, file)
        self._database.execute("INSERT INTO first_names VALUES (?, ?, ?)", row)
        return None

    def forget_first_name(self, node: Node) -> None:
        """It could not be made: the next name becomes the first."""
        inode = _inode(node)
        self._database.execute("DELETE FROM first_names WHERE inode = ?", (inode,))

    def add_link(self, link: PlannedLink) -> None:
        """Make it at the end."""
        self._database.execute("INSERT INTO links VALUES (?, ?, ?)", link)
        self.link_count += 1

    def add_directory(self, directory: PlannedDirectory) -> None:
        """Finish it at the end; parents are added before what is in them."""
        node = None if directory.node is None else freeze(directory.node)
        row = (directory.path, directory.tree, directory.is_new, node)
        self._database.execute("INSERT INTO directories VALUES (?, ?, ?, ?)", row)

    def deltas(self) -> Iterator[DeltaGroup]:
        """The deltas to be gathered, frame by frame, in the order of first use."""
        self._flush()
        rows = self._database.execute(_SELECT_DELTAS)
        for source, wanted in groupby(rows, key=itemgetter(0)):
            frame = self._sources[source]
            assert frame is not None, "deltas come from frames"
            while group := [row[1:] for row in islice(wanted, _GROUP_PIECES)]:
                yield DeltaGroup(frame, group)

    def gather(self, bodies: list[tuple[int, bytes]]) -> None:
        """Deltas by number; a number that never comes stays without a body."""
        rows = [(body, number) for number, body in bodies]
        self._database.executemany("UPDATE deltas SET body = ? WHERE delta = ?", rows)

    def groups(self) -> Iterator[PieceGroup]:
        """All pieces, source by source, in the order of the sources' first use."""
        self._flush()
        rows = map(Piece._make, self._database.execute(_SELECT_PIECES))
        for source, pieces in groupby(rows, key=lambda piece: piece.source):
            while group := list(islice(pieces, _GROUP_PIECES)):
                yield PieceGroup(self._sources[source], group)

    def links(self) -> Iterator[PlannedLink]:
        """All links, in the order added."""
        rows = self._database.execute("SELECT * FROM links ORDER BY rowid")
        return map(PlannedLink._make, rows)

    def directories(self) -> Iterator[PlannedDirectory]:
        """All directories, what was added last first: content before parents."""
        rows = self._database.execute("SELECT * FROM directories ORDER BY rowid DESC")
        for path, tree, is_new, node in rows:
            thawed = None if node is None else thaw(node)
            yield PlannedDirectory(path, tree, bool(is_new), thawed)

    def _add(self, row: tuple[object, ...]) -> None:
        self._pieces.append(row)
        self._file_pieces += 1
        if len(self._pieces) >= _ROWS_AT_ONCE:
            self._flush()

    def _add_delta(self, location: BlobLocation) -> int:
        self._last_delta += 1
        place = (self._source_of(location.frame), location.offset, location.length)
        self._deltas.append((self._last_delta, *place))
        return self._last_delta

    def _source_of(self, frame: FrameLocation) -> int:
        key = (frame.volume.volume_id, frame.number)
        source = self._by_frame.get(key)
        if source is None:
            source = self._by_frame[key] = len(self._sources)
            self._sources.append(frame)
        return source

    def _local(self) -> int:
        # A new one now and then, so that these pieces are written about when the
        # frames of the same files are.
        if not self._local_left:
            self._local_left = _LOCAL_PIECES
            self._local_source = len(self._sources)
            self._sources.append(None)
        self._local_left -= 1
        return self._local_source

    def _flush(self) -> None:
        insert = self._database.executemany
        insert(_INSERT_PIECES, self._pieces)
        insert(_INSERT_DELTAS, self._deltas)
        insert("INSERT INTO files VALUES (?, ?, ?, ?)", self._files)
        self._pieces.clear()
        self._deltas.clear()
        self._files.clear()


def _inode(node: Node) -> bytes:
    return b"%d:%d" % (node.device, node.inode)
