"""Files put together from pieces that arrive in any order, from several threads."""

from collections import OrderedDict
from contextlib import suppress
from threading import Lock

from chunkvault.localfs.apply import Target, TargetFile
from chunkvault.operations.restore.plan import Piece

__all__ = ["Assembly"]

_MAX_OPEN = 200
"""Files that stay open while they wait for pieces; the usual limit is 1,024."""


class _Unfinished:
    """A file of which pieces are missing; its lock is held while it is written."""

    __slots__ = ("content", "failure", "is_over", "lock", "missing")

    def __init__(self, pieces: int) -> None:
        self.content: TargetFile | None = None
        self.failure: OSError | None = None
        self.missing = pieces
        self.is_over = False
        self.lock = Lock()


class Assembly:
    """The files being written. A file takes its place when its last piece is in.

    A file of one piece is made, written and finished in one go. The others stay
    under temporary names meanwhile, and only those written last stay open. What
    is unfinished in the end goes when the target is closed.

    Args:
        target: where the files are made.
        may_replace: whether a file may take the place of another one.
        max_open: how many unfinished files stay open.
    """

    def __init__(
        self, target: Target, *, may_replace: bool, max_open: int = _MAX_OPEN
    ) -> None:
        self._target = target
        self._may_replace = may_replace
        self._max_open = max_open
        self._unfinished: dict[int, _Unfinished] = {}
        self._open: OrderedDict[int, _Unfinished] = OrderedDict()
        self._lock = Lock()

    def add(self, piece: Piece, data: bytes) -> bool:
        """Write a piece; whether its file is finished by that. Any thread.

        Raises:
            TargetFull: there is no space.
            OSError: it cannot be written; the caller gives the piece up.
        """
        if piece.pieces == 1:
            self._write_whole(piece, data)
            return True
        unfinished = self._get(piece)
        with unfinished.lock:
            if unfinished.is_over:
                return False
            is_finished = self._write(unfinished, piece, data)
        if is_finished:
            self._forget(piece.file)
        else:
            self._keep_open(piece.file, unfinished)
        return is_finished

    def give_up(self, piece: Piece) -> bool:
        """A piece will not come: its file is lost. False if it was lost before."""
        if piece.pieces == 1:
            return True
        # It stays known, so that pieces that come later do not begin it again.
        unfinished = self._get(piece)
        with unfinished.lock:
            if unfinished.is_over:
                return False
            unfinished.is_over = True
            if unfinished.content is not None:
                unfinished.content.abort()
                unfinished.content = None
        return True

    def _write_whole(self, piece: Piece, data: bytes) -> None:
        if self._may_replace and not piece.offset:
            # Where a directory is in the way, it goes below.
            with suppress(IsADirectoryError):
                self._target.write_file(piece.path, piece.node, data)
                return
        self._write_in_steps(piece, data)

    def _write_in_steps(self, piece: Piece, data: bytes) -> None:
        node = piece.node
        with self._target.create_file(piece.path, node.size) as content:
            if data:
                content.write_at(piece.offset, data)
            content.commit(node, replace=self._may_replace)

    def _write(self, unfinished: _Unfinished, piece: Piece, data: bytes) -> bool:
        if unfinished.failure is not None:
            raise unfinished.failure
        content = unfinished.content
        if content is None:
            content = self._target.create_file(piece.path, piece.node.size)
            unfinished.content = content
        content.write_at(piece.offset, data)
        unfinished.missing -= 1
        if unfinished.missing:
            return False
        content.commit(piece.node, replace=self._may_replace)
        unfinished.is_over = True
        return True

    def _get(self, piece: Piece) -> _Unfinished:
        with self._lock:
            unfinished = self._unfinished.get(piece.file)
            if unfinished is None:
                unfinished = self._unfinished[piece.file] = _Unfinished(piece.pieces)
            return unfinished

    def _forget(self, file: int) -> None:
        with self._lock:
            del self._unfinished[file]
            self._open.pop(file, None)

    def _keep_open(self, file: int, unfinished: _Unfinished) -> None:
        with self._lock:
            self._open[file] = unfinished
            self._open.move_to_end(file)
            if len(self._open) <= self._max_open:
                return
            _, oldest = self._open.popitem(last=False)
        _suspend(oldest)


def _suspend(unfinished: _Unfinished) -> None:
    with unfinished.lock:
        if unfinished.content is None or unfinished.is_over:
            return
        try:
            unfinished.content.suspend()
        except OSError as error:
            # Not about the piece at hand: whoever brings this file's next one is told.
            unfinished.failure = error
