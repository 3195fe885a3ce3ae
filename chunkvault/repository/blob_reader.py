"""Blobs out: fetch frames, open them, take blobs from them, check every id."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import lru_cache
from threading import Lock

from chunkvault.backends.base import Backend, forget_kept
from chunkvault.codec.compression import expand, expand_delta
from chunkvault.codec.packing import value_ends
from chunkvault.errors import DamageError, ObjectNotFound
from chunkvault.format.blob import PREFIX_BYTES, BlobKind
from chunkvault.format.directory import CODEC_STORED
from chunkvault.format.subkeys import Keyring
from chunkvault.format.volume import VolumeSealer, open_header
from chunkvault.ids import BlobId, short_hex
from chunkvault.repository.blob_index import BlobIndex
from chunkvault.repository.frame_ranges import adjacent, around
from chunkvault.repository.locations import BlobLocation, FrameLocation
from chunkvault.workers import map_ordered

__all__ = ["BlobReader"]

_CACHE_BYTES = 32 << 20
_UNSPLIT_FRAMES = 8
_MAX_NEIGHBOURS = 50_000

_Frame = tuple[FrameLocation, bytes | DamageError]


class BlobReader:
    """Reads blobs; recent frames are kept, up to 32 MiB. Any thread.

    Args:
        backend: where volumes are.
        keyring: of the repository.
        index: where blobs are.
        connections: ranges that are fetched at once; 0 where the storage is near,
            and one after the other is fastest.
        is_partial: the backend has some volumes only: that one is not there is no
            reason to think it lost.
    """

    def __init__(
        self,
        backend: Backend,
        keyring: Keyring,
        index: BlobIndex,
        connections: int = 0,
        *,
        is_partial: bool = False,
    ) -> None:
        self.connections = connections
        self._is_partial = is_partial
        self._backend = backend
        self._keyring = keyring
        self._index = index
        self._frames: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._cached_bytes = 0
        self._lock = Lock()
        self._unsplit: deque[FrameLocation] = deque(maxlen=_UNSPLIT_FRAMES)
        self._neighbours: dict[bytes, BlobLocation] = {}
        self._split_frames: set[tuple[bytes, int]] = set()
        self._sealer = lru_cache(maxsize=256)(self._open_header)

    def load(self, kind: int, blob_id: BlobId) -> bytes:
        """A blob's content, from whichever place still has it whole.

        Raises:
            DamageError: no place has it; names the object of the last one tried.
        """
        failure: DamageError | None = None
        for location in self._places(kind, blob_id[:PREFIX_BYTES]):
            try:
                if kind == BlobKind.TREE:
                    self._read_around(location.frame)
                content = self._frame(location.frame)
                return self.extract(kind, blob_id, location, content)
            except DamageError as error:
                if error.object_name == location.frame.object_name:
                    self._index.distrust(location.frame.volume.volume_id)
                failure = error
        raise failure or self._unknown(blob_id)

    def load_base(self, kind: int, prefix: bytes) -> bytes | None:
        """The whole blob that deltas of this kind name so; None if it is nowhere.

        Its id is not known and not checked; that of what is expanded with it is.
        A place that holds a delta is passed over: deltas are one deep, and to
        follow a lie could go round for ever.

        Raises:
            DamageError: no place has it intact.
        """
        failure: DamageError | None = None
        for location in self._places(kind, prefix):
            if location.base is not None:
                continue
            try:
                content = self._frame(location.frame)
            except DamageError as error:
                if not self._is_partial:
                    self._index.distrust(location.frame.volume.volume_id)
                failure = error
                continue
            if kind == BlobKind.TREE:
                self._unsplit.append(location.frame)  # others in it are wanted, too
            return content[location.offset : location.offset + location.length]
        if failure is not None:
            raise failure
        return None

    def load_known(self, prefix: bytes) -> bytes | None:
        """The blob with this prefix, whole or a delta; its id is not checked.

        None if it is nowhere.

        Raises:
            DamageError: the place where it is cannot be read.
        """
        location = self._index.find_listed(prefix)
        if location is None:
            return None
        return self._expanded(location, self._frame(location.frame))

    def locate(self, blob_id: BlobId) -> BlobLocation:
        """Where a blob is.

        Raises:
            DamageError: nothing in the repository says where.
        """
        location = self._index.find(blob_id[:PREFIX_BYTES])
        if location is None:
            raise self._unknown(blob_id)
        return location

    def locate_base(self, prefix: bytes) -> BlobLocation | None:
        """Where the blob that deltas name by this prefix is whole, if anywhere."""
        for location in self._index.candidates(prefix):
            if location.base is None:
                return location
        return None

    def extract(
        self, kind: int, blob_id: BlobId, location: BlobLocation, content: bytes
    ) -> bytes:
        """The blob out of its frame's content.

        Raises:
            DamageError: it is not the blob with this id, or it is a delta whose
                base cannot be read.
        """
        blob = self._expanded(location, content)
        if self._keyring.identify(kind, blob) != blob_id:
            raise self._something_else(location, blob_id)
        return blob

    def rebuild(
        self, kind: int, blob_id: BlobId, body: bytes, base: bytes, length: int
    ) -> bytes:
        """The blob of this length out of a delta and its base.

        Raises:
            DamageError: that does not give the blob with this id.
        """
        blob = expand_delta(body, base, length)
        if self._keyring.identify(kind, blob) != blob_id:
            raise DamageError(f"a delta does not give blob {short_hex(blob_id)}")
        return blob

    def check(
        self, kind: int, prefix: bytes, location: BlobLocation, content: bytes
    ) -> None:
        """Whether the frame's content has a blob whose id begins so at the place.

        Raises:
            DamageError: it has not, or it is a delta whose base cannot be read.
        """
        blob_id = self._keyring.identify(kind, self._expanded(location, content))
        if blob_id[:PREFIX_BYTES] != prefix:
            raise self._something_else(location, prefix)

    def read_frames(
        self, frames: Sequence[FrameLocation]
    ) -> Iterator[tuple[FrameLocation, bytes | DamageError]]:
        """The content of each frame, in the order given.

        Frames that follow each other in a volume come in one ranged read. One
        that is damaged or missing comes as its error, and the others go on.
        Ahead of the caller at most ``connections`` ranges are read, 9 MiB each, of
        frames that hold 16 MiB at most. Where it is one range, its frames are
        opened as they are asked for.
        """
        groups = list(adjacent(frames))
        ahead = min(self.connections, len(groups))
        if ahead <= 1:
            for group in groups:
                yield from self._open_group(group)
            return
        with closing(map_ordered(self._read_group, groups, ahead, ahead)) as done:
            for opened in done:
                yield from opened

    def read_frame(self, frame: FrameLocation) -> bytes:
        """The content of one frame.

        Raises:
            DamageError: it is damaged or missing.
        """
        [(_, content)] = self.read_frames([frame])
        if isinstance(content, DamageError):
            raise content
        return content

    def open_frame(self, frame: FrameLocation, sealed: bytes | memoryview) -> bytes:
        """The content of a frame from its stored bytes.

        Raises:
            DamageError: they are not what was stored.
        """
        place = (frame.number, frame.codec, frame.plain_length)
        sealer = self._sealer(frame.volume.header, frame.object_name)
        payload = sealer.open_frame(sealed, place)
        if frame.codec != CODEC_STORED:
            return expand(payload, frame.plain_length)
        if len(payload) != frame.plain_length:
            raise DamageError("frame of an unexpected length")
        return bytes(payload)

    def _places(self, kind: int, prefix: bytes) -> Iterator[BlobLocation]:
        """A place in a frame that was just read, then those that the index knows."""
        if kind == BlobKind.TREE:
            with suppress(IndexError):  # another thread may be at it
                while True:
                    self._split(self._unsplit.pop())
            beside = self._neighbours.get(prefix)
            if beside is not None and self._kept(beside.frame) is not None:
                yield beside
        yield from self._index.candidates(prefix, kind)

    def _split(self, frame: FrameLocation) -> None:
        """Note what else stands in a frame of trees: what a tree leads to, mostly.

        Trees are msgpack, so a frame tells where each ends; one of deltas does not.
        """
        content = self._kept(frame)
        if content is None or _key(frame) in self._split_frames:
            return
        self._split_frames.add(_key(frame))
        start = 0
        for end in value_ends(content):
            prefix = self._keyring.identify(BlobKind.TREE, content[start:end])
            place = (start, end - start, end - start, None)
            self._neighbours[prefix[:PREFIX_BYTES]] = BlobLocation(frame, *place)
            start = end
        if len(self._neighbours) > _MAX_NEIGHBOURS:
            self._neighbours.clear()
            self._split_frames.clear()

    def _read_around(self, frame: FrameLocation) -> None:
        """Read a frame of trees with those beside it, as far as they are small.

        What a backup of few files stored of trees comes in one request.
        """
        if self._kept(frame) is None:
            frames = around(frame)
            for _ in self.read_frames(frames):
                pass  # they are kept; one that is damaged is told when it is wanted
            self._unsplit += frames
        else:
            self._unsplit.append(frame)

    def _frame(self, frame: FrameLocation) -> bytes:
        content = self._kept(frame)
        return self.read_frame(frame) if content is None else content

    def _kept(self, frame: FrameLocation) -> bytes | None:
        key = _key(frame)
        with self._lock:
            content = self._frames.get(key)
            if content is not None:
                self._frames.move_to_end(key)
            return content

    def _keep(self, frame: FrameLocation, content: bytes) -> None:
        key = _key(frame)
        with self._lock:
            if key not in self._frames:
                self._frames[key] = content
                self._cached_bytes += len(content)
            while self._cached_bytes > _CACHE_BYTES and len(self._frames) > 1:
                self._cached_bytes -= len(self._frames.popitem(last=False)[1])

    def _expanded(self, location: BlobLocation, content: bytes) -> bytes:
        blob = content[location.offset : location.offset + location.length]
        return blob if location.base is None else self._expand_delta(blob, location)

    def _expand_delta(self, body: bytes, delta: BlobLocation) -> bytes:
        assert delta.base is not None, "only a delta is expanded"
        name = delta.frame.object_name
        base = self.load_base(delta.frame.volume.kind, delta.base)
        if base is None:
            raise DamageError(
                f"volume {name} holds a delta whose base is missing", object_name=name
            )
        return self._checked_delta(body, base, delta)

    @staticmethod
    def _checked_delta(body: bytes, base: bytes, delta: BlobLocation) -> bytes:
        try:
            return expand_delta(body, base, delta.plain_length)
        except DamageError as error:
            name = delta.frame.object_name
            raise DamageError(
                f"volume {name} holds a broken delta", object_name=name
            ) from error

    def _read_group(self, group: Sequence[FrameLocation]) -> list[_Frame]:
        return list(self._open_group(group))

    def _open_group(self, group: Sequence[FrameLocation]) -> Iterator[_Frame]:
        kept = [self._kept(frame) for frame in group]
        stored = b"" if None not in kept else self._read_range(group)
        start = group[0].offset
        for frame, content in zip(group, kept, strict=True):
            yield frame, content or self._opened(frame, start, stored)

    def _read_range(self, group: Sequence[FrameLocation]) -> bytes | DamageError:
        first, last = group[0], group[-1]
        length = last.offset + last.stored_length - first.offset
        name = first.object_name
        try:
            return self._backend.get(name, first.offset, length)
        except ObjectNotFound:
            return DamageError(f"volume {name} is missing", object_name=name)

    def _opened(
        self, frame: FrameLocation, start: int, stored: bytes | DamageError
    ) -> bytes | DamageError:
        if isinstance(stored, DamageError):
            return stored
        content = self._opened_or_error(frame, start, stored)
        if isinstance(content, bytes):
            self._keep(frame, content)
        return content

    def _opened_or_error(
        self, frame: FrameLocation, start: int, stored: bytes
    ) -> bytes | DamageError:
        offset = frame.offset - start
        sealed = memoryview(stored)[offset : offset + frame.stored_length]
        try:
            return self.open_frame(frame, sealed)
        except DamageError:
            forget_kept(self._backend, frame.object_name, start, len(stored))
            return self._read_again(frame)

    def _read_again(self, frame: FrameLocation) -> bytes | DamageError:
        # A bad cable or bad memory shows as damage that is gone at the next read.
        name = frame.object_name
        try:
            forget_kept(self._backend, name, frame.offset, frame.stored_length)
            sealed = self._backend.get(name, frame.offset, frame.stored_length)
            return self.open_frame(frame, sealed)
        except (DamageError, ObjectNotFound) as error:
            damage = DamageError(
                f"volume {name} is damaged in frame {frame.number}", object_name=name
            )
            damage.__cause__ = error
            return damage

    def _open_header(self, header: bytes, name: str) -> VolumeSealer:
        try:
            return open_header(self._keyring, header)
        except DamageError as error:
            raise DamageError(
                f"the index has a damaged header for volume {name}", object_name=name
            ) from error

    @staticmethod
    def _something_else(location: BlobLocation, blob_id: bytes) -> DamageError:
        name = location.frame.object_name
        return DamageError(
            f"volume {name} holds something else than blob {short_hex(blob_id)}",
            object_name=name,
        )

    @staticmethod
    def _unknown(blob_id: BlobId) -> DamageError:
        return DamageError(
            f"blob {short_hex(blob_id)} is in no index run and no volume",
            object_name=f"blob {blob_id.hex()}",
        )


def _key(frame: FrameLocation) -> tuple[bytes, int]:
    return frame.volume.volume_id, frame.number
