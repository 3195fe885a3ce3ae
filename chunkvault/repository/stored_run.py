"""An index run on the backend, read a block at a time."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.errors import DamageError, FormatError, UnsupportedFormat
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.index_blocks import (
    RUN_HEADER_BYTES,
    VOLUMES_PER_BLOCK,
    BlobBlock,
    Fence,
    IndexRow,
    VolumeRecord,
)
from chunkvault.format.index_run import (
    RUN_FOOTER_BYTES,
    RunSealer,
    open_run_header,
)
from chunkvault.format.names import is_intact
from chunkvault.format.subkeys import Keyring

__all__ = ["StoredRun"]

_WHOLE_BYTES = 256 << 10
"""A run up to this size is read in one request."""

_TAIL_BYTES = 64 << 10
_CACHED_BLOCKS = 256
_CACHED_VOLUME_BLOCKS = 16


class StoredRun:
    """One index run. Opens itself when first asked; any thread.

    Every method raises `DamageError` with the run's name when its bytes are not
    what was stored, and `ObjectNotFound` when it is gone.
    """

    def __init__(self, backend: Backend, keyring: Keyring, info: ObjectInfo) -> None:
        self.name = info.name
        self._backend = backend
        self._keyring = keyring
        self._size = info.size
        self._whole: bytes | None = None
        self._tail: bytes = b""
        self._opened: tuple[RunSealer, Fence, list[bytes]] | None = None
        self._blocks: OrderedDict[int, BlobBlock] = OrderedDict()
        self._volume_blocks: OrderedDict[int, list[VolumeRecord]] = OrderedDict()
        self._lock = Lock()

    @property
    def fence(self) -> Fence:
        """Where the blocks are, and how many."""
        return self._open()[1]

    def find(self, prefix: bytes) -> list[tuple[IndexRow, VolumeRecord]]:
        """Every place of the blob with this id prefix that this run knows.

        More than one where it was stored again because a volume was lost.
        """
        rows = (block.row(place) for block, place in self._find_rows(prefix))
        return [(row, self.volume(row.volume)) for row in rows]

    def volumes_with(self, prefix: bytes) -> list[VolumeRecord]:
        """The volumes that hold the blob, as far as this run knows."""
        found = self._find_rows(prefix)
        return [self.volume(block.volumes[place]) for block, place in found]

    def volume(self, number: int) -> VolumeRecord:
        """The volume of this number."""
        block = self._volume_block(number // VOLUMES_PER_BLOCK)
        place = number % VOLUMES_PER_BLOCK
        if place >= len(block):
            raise self._damage("names a volume that it does not list")
        return block[place]

    def volumes(self) -> Iterator[VolumeRecord]:
        """All volumes, in the order of their numbers; holds one block at a time."""
        for number in range(len(self.fence.volume_ends)):
            yield from self._load_volume_block(number)

    def rows(self) -> Iterator[IndexRow]:
        """All rows, sorted by prefix; holds one block at a time."""
        for number in range(len(self.fence.blob_ends)):
            block = self._load_block(number)
            for place in range(len(block.lengths)):
                yield block.row(place)

    def _find_rows(self, prefix: bytes) -> list[tuple[BlobBlock, int]]:
        firsts = self._open()[2]
        number = bisect_right(firsts, prefix) - 1
        found: list[tuple[BlobBlock, int]] = []
        while number >= 0:
            block = self._block(number)
            found += ((block, place) for place in _places(block.prefixes, prefix))
            if firsts[number] != prefix:
                break
            number -= 1  # rows of one blob may lie on both sides of a border
        return found

    def _block(self, number: int) -> BlobBlock:
        with self._lock:
            block = self._blocks.get(number)
            if block is not None:
                self._blocks.move_to_end(number)
                return block
        block = self._load_block(number)
        with self._lock:
            self._blocks[number] = block
            if len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _load_block(self, number: int) -> BlobBlock:
        sealer, fence, _ = self._open()
        start = fence.blob_ends[number - 1] if number else RUN_HEADER_BYTES
        data = self._read(start, fence.blob_ends[number] - start)
        try:
            return sealer.open_blob_block(number, data)
        except DamageError as error:
            raise self._damage("is damaged") from error

    def _volume_block(self, number: int) -> list[VolumeRecord]:
        with self._lock:
            block = self._volume_blocks.get(number)
        if block is not None:
            return block
        block = self._load_volume_block(number)
        with self._lock:
            self._volume_blocks[number] = block
            if len(self._volume_blocks) > _CACHED_VOLUME_BLOCKS:
                self._volume_blocks.popitem(last=False)
        return block

    def _load_volume_block(self, number: int) -> list[VolumeRecord]:
        sealer, fence, _ = self._open()
        if number >= len(fence.volume_ends):
            raise self._damage("names a volume that it does not list")
        before = (RUN_HEADER_BYTES, *fence.blob_ends[-1:], *fence.volume_ends[:number])
        start = before[-1]
        data = self._read(start, fence.volume_ends[number] - start)
        try:
            return sealer.open_volume_block(number, data)
        except DamageError as error:
            raise self._damage("is damaged") from error

    def _open(self) -> tuple[RunSealer, Fence, list[bytes]]:
        if self._opened is None:
            try:
                self._opened = self._read_fence()
            except FormatError as error:
                raise self._damage(str(error)) from error
            except DamageError as error:
                raise self._damage("is damaged") from error
            except UnsupportedFormat as error:
                # A flipped bit can look like a newer version; the hash knows.
                if is_intact(self.name, self._backend.get(self.name)):
                    raise
                raise self._damage("is damaged") from error
        return self._opened

    def _read_fence(self) -> tuple[RunSealer, Fence, list[bytes]]:
        if self._size < RUN_HEADER_BYTES + RUN_FOOTER_BYTES:
            raise FormatError("is too short")
        if self._size <= _WHOLE_BYTES:
            self._whole = self._backend.get(self.name)
        else:
            start = self._size - _TAIL_BYTES
            self._tail = self._backend.get(self.name, start, _TAIL_BYTES)
        sealer = open_run_header(self._keyring, self._read(0, RUN_HEADER_BYTES))
        footer = self._read(self._size - RUN_FOOTER_BYTES, RUN_FOOTER_BYTES)
        offset, length = sealer.open_footer(footer, self._size)
        fence = sealer.open_fence(self._read(offset, length), offset)
        firsts = fence.first_prefixes
        self._tail = b""
        return (
            sealer,
            fence,
            [
                firsts[start : start + PREFIX_BYTES]
                for start in range(0, len(firsts), PREFIX_BYTES)
            ],
        )

    def _read(self, offset: int, length: int) -> bytes:
        if self._whole is not None:
            data = self._whole[offset : offset + length]
        elif self._tail and offset >= self._size - len(self._tail):
            start = offset - (self._size - len(self._tail))
            data = self._tail[start : start + length]
        else:
            data = self._backend.get(self.name, offset, length)
        if len(data) != length:
            raise self._damage("is cut short")
        return data

    def _damage(self, what: str) -> DamageError:
        return DamageError(f"index run {self.name} {what}", object_name=self.name)


def _places(prefixes: bytes, prefix: bytes) -> list[int]:
    """The numbers of the rows with this prefix."""
    # Searching the joined prefixes is a memory search in C: faster than a
    # bisection in Python, with nothing to decode.
    start = prefixes.find(prefix)
    while start >= 0 and start % PREFIX_BYTES:
        start = prefixes.find(prefix, start + 1)
    places = []
    while start >= 0 and prefixes.startswith(prefix, start):
        places.append(start // PREFIX_BYTES)
        start += PREFIX_BYTES
    return places
