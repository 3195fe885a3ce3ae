"""Files put together from pieces that arrive in any order, from several threads."""

from collections import OrderedDict
from threading import Lock

from chunkvault.localfs.apply import Target, TargetFile
from chunkvault.operations.restore.plan import Piece

__all__ = ["Assembly"]

_MAX_OPEN = 200
"""Files kept open while they wait for more pieces; the usual limit is 1,024."""


class _Unfinished:
    """A file of which pieces are missing. Its lock is held while it is written."""

    __slots__ = ("content", "is_lost", "lock", "missing")

    def __init__(self, content: TargetFile, pieces: int) -> None:
        self.content = content
        self.missing = pieces
        self.is_lost = False
        self.lock = Lock()


class Assembly:
    """The files being written. A file takes its place when its last piece is in.

    A file of one piece is made, written and finished in one go. The others stay
    under their temporary names meanwhile; of these only so many are kept open.
    """

    def __init__(self, target: Target, *, may_replace: bool) -> None:
        self._target = target
        self._may_replace = may_replace
        self._unfinished: dict[int, _Unfinished] = {}
        self._open: OrderedDict[int, _Unfinished] = OrderedDict()
        self._lock = Lock()

    def add(self, piece: Piece, data: bytes) -> bool:
        """Write a piece; whether its file is finished by that. Any thread.

        Raises:
            OSError: it cannot be written. Whoever calls gives the piece up.
        """
        if piece.pieces == 1:
            self._write_whole(piece, data)
            return True
        unfinished = self._get_or_begin(piece)
        with unfinished.lock:
            if unfinished.is_lost:
                return False
            unfinished.content.write_at(piece.offset, data)
            if unfinished.missing > 1:
                unfinished.missing -= 1
                return False
            unfinished.content.commit(piece.node, replace=self._may_replace)
        self._forget(piece.file)
        return True

    def give_up(self, piece: Piece) -> bool:
        """A piece will not come, so its file is lost; False if it was already."""
        if piece.pieces == 1:
            return True
        with self._lock:
            unfinished = self._unfinished.get(piece.file)
            if unfinished is None:
                unfinished = _Unfinished(self._create(piece), piece.pieces)
                self._unfinished[piece.file] = unfinished
        with unfinished.lock:
            return self._lose(unfinished)

    def discard(self) -> None:
        """Remove everything that is unfinished. After all threads have ended."""
        for unfinished in self._unfinished.values():
            self._lose(unfinished)
        self._unfinished.clear()
        self._open.clear()
