"""The second step: frame by frame, give all files their parts of it.

What the libraries in C do runs in worker threads: to fetch frames and to open them. The
files are made in the calling thread, since every call of the system hands the
interpreter's lock over, and two threads that make small files spend more on that than
they gain. A second process makes others at the same time, if there are many
(`chunkvault.localfs.file_maker`). Only a file system that keeps its callers waiting, as
one across a network does, has several threads make files.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter, thread_time

from chunkvault.errors import ChunkvaultError, DamageError, TargetFull
from chunkvault.format.blob import BlobKind
from chunkvault.localfs.file_maker import FileMaker
from chunkvault.operations.restore.assembly import Assembly
from chunkvault.operations.restore.batches import batched
from chunkvault.operations.restore.job import Job
from chunkvault.operations.restore.plan import Piece, PieceGroup
from chunkvault.processes import processor_count
from chunkvault.repository import FrameLocation
from chunkvault.snapshots.matching import read_chunk
from chunkvault.workers import WorkerGroup, map_ordered

__all__ = ["write_files"]

_Frame = tuple[FrameLocation, bytes | DamageError]
_Maker = FileMaker[Piece]

_WAITS_FROM = 8
"""Time that passes for each second of the processor's where files are waited for."""

_MANY_FILES = 1000
"""From so many on, a second process starts to help."""

_BATCH_FRAMES = 16


def write_files(job: Job) -> None:
    """Write everything that is in the plan.

    Raises:
        TargetFull: there is no space for it.
    """
    _check_space(job)
    _gather_deltas(job)
    with _second_process(job) as maker:
        _write_in_turns(_Writer(job), maker)


def _write_in_turns(writer: "_Writer", maker: _Maker | None) -> None:
    job, connections = writer.job, writer.job.repository.connections
    workers = job.options.workers
    # A thread that waits for a far storage leaves its processor to the others.
    threads = workers and max(workers, connections)
    batches = batched(job.plan.groups(), connections)
    opened = map_ordered(writer.opened, batches, threads, threads + 1)
    with closing(opened), WorkerGroup(workers, workers) as group:
        for batch, frames in opened:
            if writer.is_kept_waiting:
                group.submit(writer.write, batch, frames)
            else:
                writer.write(batch, frames, maker)
        writer.settle(maker)


@contextmanager
def _second_process(job: Job) -> Iterator[_Maker | None]:
    """A process that makes files with us, where it is worth its start."""
    processors = min(job.options.workers, processor_count())
    if job.plan.files < _MANY_FILES or processors < 2 or not job.may_replace:
        yield None
        return
    try:
        maker: _Maker = job.target.start_maker()
    except OSError:  # no memory, no permission: it goes without
        yield None
        return
    with maker:
        yield maker
    job.target.denied.update(maker.denied)


def _check_space(job: Job) -> None:
    """Raise `TargetFull` now rather than after hours."""
    space = os.statvfs(job.options.target)
    free_bytes = space.f_bfree * space.f_frsize
    if job.plan.new_bytes - job.plan.replaced_bytes > free_bytes:
        shown = job.options.target.decode(errors="backslashreplace")
        raise TargetFull(
            f"{job.plan.new_bytes:,} bytes do not fit into {shown}, "
            f"where {free_bytes:,} are free",
            hint="free some space, or choose another target",
        )


def _gather_deltas(job: Job) -> None:
    """Read every frame of deltas once; their bases come later, each in its turn.

    What cannot be read is looked for again with its piece.
    """
    read_bytes = 0
    groups = job.plan.deltas()
    while batch := list(islice(groups, _BATCH_FRAMES)):
        wanted: dict[FrameLocation, list[tuple[int, int, int]]] = {}
        for group in batch:
            wanted.setdefault(group.frame, []).extend(group.deltas)
        frames = sorted(wanted, key=_place_in_repository)
        for frame, content in job.repository.reader.read_frames(frames):
            read_bytes += frame.stored_length
            if isinstance(content, bytes):
                job.plan.gather(
                    [
                        (number, content[at : at + size])
                        for number, at, size in wanted[frame]
                    ]
                )
    with job.lock:
        job.tally.read_bytes += read_bytes


@dataclass(slots=True)
class _Turn:
    """One batch being written: who takes part, and what came of it."""

    maker: _Maker | None = None
    files: int = 0
    bytes: int = 0
    read_bytes: int = 0


@dataclass(slots=True)
class _Writer:
    """Writes batches; any thread may, several at once."""

    job: Job
    assembly: Assembly = field(init=False)
    is_kept_waiting: bool = False
    """Whether the last batch took far longer than it took of the processor."""

    def __post_init__(self) -> None:
        job = self.job
        self.assembly = Assembly(job.target, may_replace=job.may_replace)

    def opened(self, batch: list[PieceGroup]) -> tuple[list[PieceGroup], list[_Frame]]:
        """The batch with the content of all its frames."""
        return batch, list(self._frames(batch))

    def write(
        self,
        batch: list[PieceGroup],
        frames: Iterable[_Frame],
        maker: _Maker | None = None,
    ) -> None:
        """Write all pieces of a batch, or leave them to the maker if it has time.

        Raises:
            TargetFull: there is no space.
        """
        began, used = perf_counter(), thread_time()
        turn = _Turn(maker if maker and not maker.is_busy else None)
        self._write_local(batch, turn)
        self._write_stored(batch, frames, turn)
        if maker is not None:
            maker.send()
            self._take_back(maker, turn, wait=False)
        self._add_counts(turn)
        last_path = batch[-1].pieces[-1].path
        self.job.progress.current = self.job.shown_path(last_path)
        busy = thread_time() - used
        self.is_kept_waiting = perf_counter() - began > _WAITS_FROM * busy

    def settle(self, maker: _Maker | None) -> None:
        """Wait for all that the maker was given.

        Raises:
            TargetFull: there is no space.
        """
        if maker is not None:
            turn = _Turn()
            self._take_back(maker, turn, wait=True)
            self._add_counts(turn)

    def _frames(self, batch: list[PieceGroup]) -> Iterator[_Frame]:
        wanted = {group.frame for group in batch if group.frame}
        # In the order of the volumes, so that neighbours come in one read.
        frames = sorted(wanted, key=_place_in_repository)
        return self.job.repository.reader.read_frames(frames)

    def _take_back(self, maker: _Maker, turn: _Turn, *, wait: bool) -> None:
        """Count what the maker made, and make what it could not."""
        for piece, data in maker.finished(wait=wait):
            if data is None:
                turn.files += 1
                turn.bytes += piece.length
                continue
            if not maker.is_alive:
                self.job.target.remove_unfinished(piece.path, maker.temporary)
            self._add(piece, data, turn)

    def _add_counts(self, turn: _Turn) -> None:
        job = self.job
        with job.lock:
            job.tally.files_restored += turn.files
            job.tally.restored_bytes += turn.bytes
            job.tally.read_bytes += turn.read_bytes
            job.progress.done_files += turn.files
            job.progress.done_bytes += turn.bytes

    def _write_local(self, batch: list[PieceGroup], turn: _Turn) -> None:
        for group in batch:
            if group.frame is None:
                for piece in group.pieces:
                    self._add_local(piece, turn)

    def _add_local(self, piece: Piece, turn: _Turn) -> None:
        try:
            data = self._read_existing(piece)
        except OSError as error:
            self._give_up(piece, error)
        else:
            self._add(piece, data, turn)

    def _read_existing(self, piece: Piece) -> bytes:
        """A piece out of the file that is about to be replaced."""
        if not piece.length:
            return b""
        fd = self.job.target.open_existing(piece.path)
        try:
            chunk = (piece.length, piece.blob_id)
            data = read_chunk(fd, piece.offset, chunk, self.job.repository.blob_id)
        finally:
            os.close(fd)
        if data is None:
            raise OSError(0, "somebody changed the file that was to be replaced")
        return data

    def _write_stored(
        self, batch: list[PieceGroup], frames: Iterable[_Frame], turn: _Turn
    ) -> None:
        wanted = {group.frame: group.pieces for group in batch if group.frame}
        for frame, content in frames:
            turn.read_bytes += frame.stored_length
            self._write_frame(frame, content, wanted[frame], turn)

    def _write_frame(
        self,
        frame: FrameLocation,
        content: bytes | DamageError,
        pieces: list[Piece],
        turn: _Turn,
    ) -> None:
        last_id, data = b"", b""
        for piece in pieces:
            if piece.blob_id != last_id:
                try:
                    data = self._extract(piece, frame, content)
                except DamageError as error:
                    self._give_up(piece, error)
                    continue
                last_id = piece.blob_id
            if turn.maker is None or not _take(turn.maker, piece, data):
                self._add(piece, data, turn)

    def _extract(
        self, piece: Piece, frame: FrameLocation, content: bytes | DamageError
    ) -> bytes:
        reader = self.job.repository.reader
        try:
            if isinstance(content, DamageError):
                raise content
            data = self._taken(piece, frame, content)
        except DamageError:
            # The chunk may have been stored a second time, elsewhere.
            data = reader.load(BlobKind.CHUNK, piece.blob_id)
        if len(data) != piece.length:
            raise DamageError("a chunk does not have the length of its place")
        return data

    def _taken(self, piece: Piece, frame: FrameLocation, content: bytes) -> bytes:
        """The piece out of its frame, or out of that of its base."""
        reader, kind = self.job.repository.reader, BlobKind.CHUNK
        if piece.delta is None:
            return reader.extract(kind, piece.blob_id, piece.location(frame), content)
        if piece.body is None:
            raise DamageError("a delta could not be read")
        base = content[piece.start : piece.start + piece.stored]
        return reader.rebuild(kind, piece.blob_id, piece.body, base, piece.length)

    def _add(self, piece: Piece, data: bytes, turn: _Turn) -> None:
        try:
            turn.files += self.assembly.add(piece, data)
            turn.bytes += len(data)
        except (OSError, ChunkvaultError) as error:
            self._give_up(piece, error)

    def _give_up(self, piece: Piece, error: Exception) -> None:
        if self.assembly.give_up(piece):
            self.job.fail(piece.path, error, piece.file)


def _take(maker: _Maker, piece: Piece, data: bytes) -> bool:
    """Whether the maker takes the file of a piece, which has to be the only one."""
    if piece.pieces != 1 or piece.offset:
        return False
    return maker.offer(piece, piece.path, piece.frozen_node, data)


def _place_in_repository(frame: FrameLocation) -> tuple[bytes, int]:
    return frame.volume.volume_id, frame.number
