"""An index run on the backend, read a section at a time."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TypeVar

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.errors import (
    DamageError,
    FormatError,
    ObjectNotFound,
    UnsupportedFormat,
)
from chunkvault.format import names
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.index_blocks import (
    RUN_HEADER_BYTES,
    VOLUMES_PER_BLOCK,
    BlobBlock,
    IndexRow,
    VolumeBlock,
    VolumeRecord,
)
from chunkvault.format.index_fence import BLOCKS_PER_FILTER, Fence, may_hold
from chunkvault.format.index_run import (
    RUN_FOOTER_BYTES,
    RunSealer,
    open_run_header,
)
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import VolumeId
from chunkvault.repository.locations import FrameLocation, frame_locations
from chunkvault.repository.section_cache import SectionCache

__all__ = ["StoredRun"]

_WHOLE_BYTES = 768 << 10
"""A run up to this size is read in one request: some 30,000 blobs."""

_TAIL_PART = 8
_MIN_TAIL_BYTES = 256 << 10
_MAX_TAIL_BYTES = 512 << 10
"""An eighth of a run has all but the blob blocks: of up to 150,000 blobs. Of longer
ones the end has the fence and a part of the filters."""

_BLOCKS_INSTEAD = 16
"""So many blocks may be read where a filter would have done, before it is read."""

_BLOCK_WEIGHT = 48 << 10
_VOLUMES_WEIGHT = 80 << 10
"""What a decoded block of blobs or volumes takes in memory, about."""

_VOLUMES_AT_HAND = 64

_Section = TypeVar("_Section", bytes, BlobBlock, VolumeBlock)


class StoredRun:
    """One index run. Opens itself when first asked; any thread.

    Every method raises `DamageError` with the run's name when its bytes are not
    what was stored, and `ObjectNotFound` when it is gone.

    Attributes:
        name: of its object.
        size: of its object.
        blocks_read: for questions about single blobs.
        frames: of the volume of this number, in order; of the volumes asked for last
            they are at hand. To list them takes as long as hundreds of look-ups.
    """

    def __init__(
        self,
        backend: Backend,
        keyring: Keyring,
        info: ObjectInfo,
        cache: SectionCache | None = None,
    ) -> None:
        self.name = info.name
        self.size = info.size
        self._backend = backend
        self._keyring = keyring
        self._cache = cache or SectionCache()
        self.blocks_read = 0
        self._asked: Counter[int] = Counter()
        self._whole: bytes | None = None
        self._tail: bytes = b""
        self._opened: tuple[RunSealer, Fence, list[bytes], list[int]] | None = None
        self.frames = lru_cache(_VOLUMES_AT_HAND)(self._frames)

    @property
    def fence(self) -> Fence:
        """Where the sections are, and how many."""
        return self._open()[1]

    @property
    def is_at_hand(self) -> bool:
        """Whether it was read as a whole, and costs no more requests."""
        return self._whole is not None

    @property
    def is_short(self) -> bool:
        """Whether it is read as a whole once it is asked."""
        return self.size <= _WHOLE_BYTES and not self._is_long

    @property
    def _is_long(self) -> bool:
        """Whether its sections are in parts: the fence is nearly all of it then."""
        return self.name.startswith(names.LONG_INDEX)

    @property
    def part_names(self) -> list[str]:
        """The objects besides itself that it consists of."""
        parts = self.fence.parts
        return [names.object_name(names.PARTS, part.digest) for part in parts]

    def find(self, prefix: bytes) -> list[IndexRow]:
        """Every place of the blob with this id prefix that this run knows.

        More than one where it was stored again because a volume was lost.
        """
        firsts = self._open()[2]
        number = bisect_right(firsts, prefix) - 1
        found: list[IndexRow] = []
        if number < 0 or self._is_ruled_out(number, prefix):
            return found
        while number >= 0:
            block = self._block(number)
            found += map(block.row, _places(block.prefixes, prefix))
            if firsts[number] != prefix:
                break
            number -= 1  # rows of one blob may lie on both sides of a border
        return found

    def holds(self, prefix: bytes) -> bool:
        """Whether the run has a row for this id prefix.

        For many questions that are mostly answered by no: those are answered by
        the filters, once these are cheaper than the blocks.
        """
        firsts = self._open()[2]
        number = bisect_right(firsts, prefix) - 1
        if number < 0:
            return False
        if firsts[number] == prefix:
            return True
        if not self._may_hold(number, prefix):
            return False
        return bool(_places(self._block(number).prefixes, prefix))

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
            block = self._load_volume_block(number)
            yield from (block[place] for place in range(len(block)))

    def volume_sizes(self) -> Iterator[tuple[VolumeId, int, int]]:
        """Id, kind and size of all volumes, in the order of their numbers."""
        for number in range(len(self.fence.volume_ends)):
            yield from self._load_volume_block(number).sizes()

    def kinds(self) -> bytes:
        """The kind of each volume, by its number."""
        return bytes([kind for _, kind, _ in self.volume_sizes()])

    def blocks_between(self, first: bytes, last: bytes) -> Iterator[BlobBlock]:
        """The blocks that have all rows from one prefix to another, both included."""
        firsts = self._open()[2]
        # Rows of one blob may lie on both sides of a border.
        start = max(bisect_left(firsts, first) - 1, 0)
        return map(self._load_block, range(start, bisect_right(firsts, last)))

    def blocks(self) -> Iterator[BlobBlock]:
        """All rows, sorted by prefix; holds one block at a time."""
        return map(self._load_block, range(len(self.fence.blob_ends)))

    def rows(self) -> Iterator[IndexRow]:
        """All rows, sorted by prefix; holds one block at a time."""
        for block in self.blocks():
            yield from map(block.row, range(len(block.lengths)))

    def _frames(self, number: int) -> list[FrameLocation]:
        return frame_locations(self.volume(number))

    def _is_ruled_out(self, block: int, prefix: bytes) -> bool:
        """By a filter that is at hand: who looks for one blob reads none for it.

        Not where the block itself is at hand, which costs less and knows more.
        """
        if (self.name, "blobs", block) in self._cache:
            return False
        key = (self.name, "filter", block // BLOCKS_PER_FILTER)
        bits: bytes | None = self._cache.get(key)
        return bits is not None and not may_hold(bits, block, prefix)

    def _may_hold(self, block: int, prefix: bytes) -> bool:
        group = block // BLOCKS_PER_FILTER
        bits: bytes | None = self._cache.get((self.name, "filter", group))
        if bits is None:
            self._asked[group] += 1
            if self._whole is None and self._asked[group] <= _BLOCKS_INSTEAD:
                return True
            bits = self._load_filter(group)
            self._cache.put((self.name, "filter", group), bits, len(bits))
        return may_hold(bits, block, prefix)

    def _block(self, number: int) -> BlobBlock:
        key = (self.name, "blobs", number)
        block: BlobBlock | None = self._cache.get(key)
        if block is None:
            block = self._load_block(number)
            self.blocks_read += 1
            self._cache.put(key, block, _BLOCK_WEIGHT)
        return block

    def _volume_block(self, number: int) -> VolumeBlock:
        key = (self.name, "volumes", number)
        block: VolumeBlock | None = self._cache.get(key)
        if block is None:
            if number >= len(self.fence.volume_ends):
                raise self._damage("names a volume that it does not list")
            block = self._load_volume_block(number)
            self._cache.put(key, block, _VOLUMES_WEIGHT)
        return block

    def _load_block(self, number: int) -> BlobBlock:
        sealer, fence, *_ = self._open()
        start = fence.blob_ends[number - 1] if number else RUN_HEADER_BYTES
        return self._load(sealer.open_blob_block, number, start, fence.blob_ends)

    def _load_volume_block(self, number: int) -> VolumeBlock:
        sealer, fence, *_ = self._open()
        ends = fence.volume_ends
        start = ends[number - 1] if number else _last(fence.blob_ends)
        return self._load(sealer.open_volume_block, number, start, ends)

    def _load_filter(self, number: int) -> bytes:
        sealer, fence, *_ = self._open()
        ends = fence.filter_ends
        before = fence.volume_ends or fence.blob_ends
        start = ends[number - 1] if number else _last(before)
        return self._load(sealer.open_filter, number, start, ends)

    def _load(
        self,
        opened: Callable[[int, bytes], _Section],
        number: int,
        start: int,
        ends: Sequence[int],
    ) -> _Section:
        data = self._read_body(start, ends[number] - start)
        try:
            return opened(number, data)
        except DamageError as error:
            raise self._damage("is damaged") from error

    def _open(self) -> tuple[RunSealer, Fence, list[bytes], list[int]]:
        if self._opened is None:
            try:
                self._opened = self._read_fence()
            except FormatError as error:
                raise self._damage(str(error)) from error
            except DamageError as error:
                raise self._damage("is damaged") from error
            except UnsupportedFormat as error:
                # A flipped bit can look like a newer version; the hash knows.
                if names.is_intact(self.name, self._backend.get(self.name)):
                    raise
                raise self._damage("is damaged") from error
        return self._opened

    def _read_fence(self) -> tuple[RunSealer, Fence, list[bytes], list[int]]:
        if self.size < RUN_HEADER_BYTES + RUN_FOOTER_BYTES:
            raise FormatError("is too short")
        if self.is_short:
            self._whole = self._backend.get(self.name)
        else:
            length = self._tail_length()
            self._tail = self._backend.get(self.name, self.size - length, length)
        footer = self._read(self.size - RUN_FOOTER_BYTES, RUN_FOOTER_BYTES)
        sealer = open_run_header(self._keyring, footer[:RUN_HEADER_BYTES])
        offset, length = sealer.open_footer(footer, self.size)
        fence = sealer.open_fence(self._read(offset, length), offset)
        firsts = fence.first_prefixes
        self._keep_tail(sealer, fence)
        self._tail = b""
        places = range(0, len(firsts), PREFIX_BYTES)
        starts = accumulate(
            (part.size for part in fence.parts), initial=RUN_HEADER_BYTES
        )
        return (
            sealer,
            fence,
            [firsts[start : start + PREFIX_BYTES] for start in places],
            list(starts),
        )

    def _tail_length(self) -> int:
        """How much of the end is read to open the run.

        With parts the fence is nearly all there is: of 16 million blobs 320 KiB.
        """
        if self._is_long:
            return min(self.size, _WHOLE_BYTES)
        share = self.size // _TAIL_PART
        return min(max(share, _MIN_TAIL_BYTES), _MAX_TAIL_BYTES, self.size)

    def _keep_tail(self, sealer: RunSealer, fence: Fence) -> None:
        """Filters and volumes that the end of the run, which was read, has."""
        if not self._tail or fence.parts:
            return
        volumes = [_last(fence.blob_ends), *fence.volume_ends]
        for number, data in self._in_tail(volumes):
            block = sealer.open_volume_block(number, data)
            self._cache.put((self.name, "volumes", number), block, _VOLUMES_WEIGHT)
        filters = [volumes[-1], *fence.filter_ends]
        for number, data in self._in_tail(filters):
            bits = sealer.open_filter(number, data)
            self._cache.put((self.name, "filter", number), bits, len(bits))

    def _in_tail(self, borders: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """The sections between these borders that were read, by number."""
        for number, (start, end) in enumerate(pairwise(borders)):
            if start >= self.size - len(self._tail):
                yield number, self._read(start, end - start)

    def _read_body(self, offset: int, length: int) -> bytes:
        """A section, from the part that has it or from the run itself."""
        _, fence, _, starts = self._open()
        number = bisect_right(starts, offset) - 1
        if number >= len(fence.parts):
            return self._read(offset - fence.part_bytes, length)
        name = names.object_name(names.PARTS, fence.parts[number].digest)
        try:
            data = self._backend.get(name, offset - starts[number], length)
        except ObjectNotFound:
            if self._is_there():
                raise self._damage("lacks a part") from None
            raise
        return self._whole_section(data, length)

    def _is_there(self) -> bool:
        """Whether the run itself is; where it was merged, its parts go after it."""
        return any(info.name == self.name for info in self._backend.list(self.name))

    def _read(self, offset: int, length: int) -> bytes:
        if self._whole is not None:
            data = self._whole[offset : offset + length]
        elif self._tail and offset >= self.size - len(self._tail):
            start = offset - (self.size - len(self._tail))
            data = self._tail[start : start + length]
        else:
            data = self._backend.get(self.name, offset, length)
        return self._whole_section(data, length)

    def _whole_section(self, data: bytes, length: int) -> bytes:
        if len(data) != length:
            raise self._damage("is cut short")
        return data

    def _damage(self, what: str) -> DamageError:
        return DamageError(f"index run {self.name} {what}", object_name=self.name)


def _last(ends: Sequence[int]) -> int:
    return ends[-1] if ends else RUN_HEADER_BYTES


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
