"""Blobs in: identify, leave out what is stored, frame, seal, pack into volumes.

The caller's thread hashes and collects; worker threads compress, seal and check;
upload threads put finished volumes. The order of writes is volumes, then index
run, then (by the caller) snapshot, so that a crash leaves a prefix in which
everything named is there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock, local
from types import TracebackType
from typing import Self

from chunkvault.backends.base import Backend
from chunkvault.codec.compression import Compressor, expand
from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.blob import MAX_BLOB_BYTES, PREFIX_BYTES, BlobKind
from chunkvault.format.directory import CODEC_STORED, CODEC_ZSTD
from chunkvault.format.keys import Settings
from chunkvault.format.names import volume_name
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import BlobId
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.blob_reader import BlobReader
from chunkvault.repository.delta_encoder import Base, DeltaEncoder
from chunkvault.repository.run_merger import merge_runs
from chunkvault.repository.run_writer import RunWriter
from chunkvault.repository.volume_builder import (
    FrameBlob,
    Reservation,
    VolumeBuilder,
    faulty_machine,
    start_volume,
)
from chunkvault.workers import WorkerGroup

__all__ = ["BlobWriter", "WriterTotals"]

_UPLOADS = 2
"""Volumes that are put at once where the storage is near."""

_QUEUED_FRAMES = 8
_SPARE_BUFFERS = 2
"""Buffers of volumes that are kept, besides those being put."""

_KINDS = (BlobKind.CHUNK, BlobKind.TREE)
_DELTA_SHARES = {BlobKind.CHUNK: 128, BlobKind.TREE: 4}
"""A frame of deltas is closed at this part of the others: it gains little from more.
Those of chunks at a small one: each lives until its chunk changes again, and the
frame is read for the last of them (docs/decisions/0008)."""

_MAX_BLOBS = 16_384
"""Tiny blobs must not make a frame's bookkeeping large."""


@dataclass(slots=True)
class WriterTotals:
    """What a writer did.

    Attributes:
        added_bytes: content of blobs that were not stored before.
        stored_bytes: bytes put on the backend, index runs included.
    """

    added_bytes: int = 0
    stored_bytes: int = 0


@dataclass(slots=True)
class _OpenFrame:
    """Blobs that will share a frame.

    Attributes:
        limit: how long it becomes, or little more.
        blobs: in order.
        pieces: what stands for each in the frame.
        bases: of each, where deltas are still to be made.
        length: of all pieces.
    """

    limit: int
    blobs: list[FrameBlob] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    bases: list[Base] = field(default_factory=list)
    length: int = 0

    def add(self, blob: FrameBlob, piece: bytes) -> bool:
        """One more blob, and what stands for it; gives whether the frame is full."""
        self.blobs.append(blob)
        self.pieces.append(piece)
        self.length += len(piece)
        return self.length >= self.limit or len(self.blobs) >= _MAX_BLOBS


class BlobWriter:
    """A session of writing, used as a context manager.

    `save` is called from one thread. Leaving the block without an error stores
    what is still open, and then the index; after that every saved blob is
    durable and found by other clients. Leaving it with an error stores nothing
    more; whatever was put is found and reused by the next session.
    """

    def __init__(  # noqa: PLR0913 - the parts of a repository, given once
        self,
        backend: Backend,
        keyring: Keyring,
        settings: Settings,
        index: BlobIndex,
        reader: BlobReader,
        *,
        workers: int,
        extra_verify: bool,
        connections: int = 0,
    ) -> None:
        self.totals = WriterTotals()
        self._backend = backend
        self._keyring = keyring
        self._identify = keyring.identify
        self._settings = settings
        self._index = index
        self._extra_verify = extra_verify
        self._run = RunWriter(backend, keyring, index, self._forget)
        self._encoder = DeltaEncoder(
            index, reader, keyring.identify, extra_verify=extra_verify
        )
        limit = settings.frame_bytes
        self._frames = {kind: _OpenFrame(limit) for kind in _KINDS}
        self._changed = {kind: _OpenFrame(limit) for kind in _KINDS}
        self._deltas = {
            kind: _OpenFrame(limit // _DELTA_SHARES[kind]) for kind in _KINDS
        }
        self._volumes: dict[int, VolumeBuilder] = {}
        self._session: set[bytes] = set()
        self._buffers: list[bytearray] = []
        self._contexts = local()
        self._lock = Lock()
        self._sealers = WorkerGroup(workers, _QUEUED_FRAMES)
        uploads = connections or _UPLOADS
        self._most_buffers = uploads + _SPARE_BUFFERS
        self._uploaders = WorkerGroup(uploads if workers else 0, uploads)

    def __enter__(self) -> Self:
        self._index.refresh()
        self._run.adopt(self._index.look_at_volumes())
        self._uploaders.__enter__()
        self._sealers.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException as failure:
            self._leave(type(failure), failure, failure.__traceback__)
            raise
        self._leave(kind, error, trace)
        if kind is None:
            self.totals.stored_bytes += self._run.finish()
            self.totals.stored_bytes += merge_runs(
                self._backend, self._keyring, self._index
            )

    def save(
        self, kind: int, data: bytes | memoryview, base: BlobId | None = None
    ) -> BlobId:
        """Store a blob unless it is stored; its id is known at once.

        Args:
            kind: see `BlobKind`.
            data: the content.
            base: a blob that is probably similar: what stood in its place before.

        Raises:
            BackendError: an upload that was begun earlier failed for good.
        """
        blob_id = self._identify(kind, data)
        prefix = blob_id[:PREFIX_BYTES]
        if prefix not in self._session and not self._index.is_stored(prefix):
            self._session.add(prefix)
            found = None if base is None else self._encoder.find_base(base)
            self._add(kind, blob_id, bytes(data), found)
        return blob_id

    def _forget(self, prefixes: Iterable[bytes]) -> None:
        """From now on the index knows these: memory must not grow with a session."""
        self._session.difference_update(prefixes)

    def _add(self, kind: int, blob_id: BlobId, data: bytes, base: Base | None) -> None:
        length = len(data)
        if length > MAX_BLOB_BYTES:
            raise ChunkvaultError(f"a piece of {length} bytes is too large to store")
        self.totals.added_bytes += length
        blob = FrameBlob(blob_id, length, length, None)
        if base is None:
            if self._frames[kind].add(blob, data):
                self._sealers.submit(self._store_frame, kind, _take(self._frames, kind))
            return
        self._changed[kind].bases.append(base)
        if self._changed[kind].add(blob, data):
            self._sealers.submit(self._store_changed, kind, _take(self._changed, kind))

    def _finish(self) -> None:
        for kind in _KINDS:
            self._sealers.submit(self._store_changed, kind, _take(self._changed, kind))
        self._sealers.wait()
        for kind in _KINDS:
            self._sealers.submit(self._store_frame, kind, _take(self._frames, kind))
            self._sealers.submit(self._store_frame, kind, _take(self._deltas, kind))
        self._sealers.wait()
        for builder in list(self._volumes.values()):
            builder.is_closed = True
            self._ship(builder)
        self._volumes.clear()
        self._uploaders.wait()

    def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._sealers.__exit__(kind, error, trace)
        finally:
            self._uploaders.__exit__(kind, error, trace)
            # Who writes many sessions one after the other must not pay for them all.
            self._buffers.clear()

    def _store_frame(self, kind: int, frame: _OpenFrame) -> None:
        if frame.blobs:
            content = b"".join(frame.pieces)
            self._seal(kind, frame.blobs, content, self._compress(content))

    def _store_changed(self, kind: int, frame: _OpenFrame) -> None:
        """Store blobs that have bases: as deltas where that pays, else whole."""
        whole, full = _OpenFrame(frame.limit), None
        rows = zip(frame.blobs, frame.pieces, frame.bases, strict=True)
        for blob, data, base in rows:
            delta = self._encoder.encode(self._compressor(), kind, data, base)
            if delta is None:
                whole.add(blob, data)
                continue
            row = blob._replace(length=len(delta), base=base.root)
            with self._lock:
                is_full = self._deltas[kind].add(row, delta)
                full = _take(self._deltas, kind) if is_full else None
            if full is not None:
                self._store_frame(kind, full)
        self._store_frame(kind, whole)

    def _seal(
        self,
        kind: int,
        blobs: list[FrameBlob],
        content: bytes,
        compressed: tuple[int, bytes],
    ) -> None:
        codec, payload = compressed
        builder, place, full = self._reserve(kind, codec, len(payload), blobs)
        if full is not None:
            self._ship(full)
        builder.seal(place, payload)
        if self._extra_verify:
            self._verify(builder, place, content)
        if self._release(builder):
            self._ship(builder)

    def _compressor(self) -> Compressor:
        compressor: Compressor | None = getattr(self._contexts, "compressor", None)
        if compressor is None:
            compressor = self._contexts.compressor = Compressor()
        return compressor

    def _compress(self, content: bytes) -> tuple[int, bytes]:
        payload = self._compressor().compress(content)
        if len(payload) < len(content):
            return CODEC_ZSTD, payload
        return CODEC_STORED, content

    def _reserve(
        self, kind: int, codec: int, length: int, blobs: list[FrameBlob]
    ) -> tuple[VolumeBuilder, Reservation, VolumeBuilder | None]:
        """A place for the frame; and the volume that it no longer fitted into.

        The latter only if nobody else is still sealing into it.
        """
        with self._lock:
            builder, full = self._volumes.get(kind), None
            if builder is not None and not builder.has_room(length):
                builder.is_closed = True
                full = builder if builder.in_flight == 0 else None
                builder = None
            if builder is None:
                builder = self._volumes[kind] = self._start_volume(kind)
            return builder, builder.reserve(length, codec, blobs), full

    def _release(self, builder: VolumeBuilder) -> bool:
        with self._lock:
            builder.in_flight -= 1
            return builder.is_closed and builder.in_flight == 0

    def _start_volume(self, kind: int) -> VolumeBuilder:
        capacity = self._settings.volume_bytes
        buffer = self._buffers.pop() if self._buffers else bytearray(capacity)
        return start_volume(self._keyring, kind, capacity, buffer)

    def _verify(
        self, builder: VolumeBuilder, place: Reservation, content: bytes
    ) -> None:
        """Open again what will be uploaded, so that a flipped bit is found now."""
        try:
            opened: bytes | bytearray = builder.open(place)
            if place.codec == CODEC_ZSTD:
                opened = expand(opened, place.plain_length)
        except DamageError as error:
            raise faulty_machine() from error
        if opened != content:
            raise faulty_machine()

    def _ship(self, builder: VolumeBuilder) -> None:
        self._uploaders.submit(self._upload, builder)

    def _upload(self, builder: VolumeBuilder) -> None:
        record, data = builder.finish()
        self._backend.put(volume_name(record.kind, record.volume_id), data)
        data.release()
        with self._lock:
            if len(self._buffers) < self._most_buffers:
                self._buffers.append(builder.buffer)
        run_bytes = self._run.add(record, builder.rows)
        with self._lock:
            self.totals.stored_bytes += record.size + run_bytes


def _take(frames: dict[int, _OpenFrame], kind: int) -> _OpenFrame:
    """The open frame of a kind, and a new one in its place."""
    frame = frames[kind]
    frames[kind] = _OpenFrame(frame.limit)
    return frame
