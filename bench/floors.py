"""What the work takes at least: plain tools, and the libraries alone."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.peers import Peer
from chunkvault.codec.chunker import Chunker
from chunkvault.codec.compression import Compressor, expand
from chunkvault.codec.hashing import content_hash, keyed_hash
from chunkvault.codec.sealing import counter_nonce, open_sealed, seal
from chunkvault.repository import DEFAULT_SETTINGS

__all__ = ["FIND", "LIBRARIES", "TAR", "UNTAR", "library_seconds"]

TAR = Peer(
    name="tar+zstd -3 -T2",
    backup=(
        "sh",
        "-c",
        "tar -C '{source}' -c . | zstd -q -3 -T2 -f -o '{repository}/tar.zst'",
    ),
    is_floor=True,
)
"""Reads and compresses: all that any backup has to do."""

UNTAR = Peer(
    name="tar x",
    create=("sh", "-c", "tar -C '{source}' -cf '{repository}/tar' ."),
    restore=("tar", "-C", "{target}", "-xf", "{repository}/tar"),
    is_floor=True,
)
"""Creates files out of a plain archive."""

FIND = Peer(
    name="find -printf",
    rescan=("find", "{source}", "-printf", r"%p %s %T@ %C@ %i %m %U %G\n"),
    is_floor=True,
)
"""Looks at the metadata of every file."""

LIBRARIES = "libraries on two cores"
"""In the table: what `library_seconds` adds up to, halved."""

_READ_BYTES = 2 << 20
_KEY = bytes(32)
_Result = TypeVar("_Result")


def library_seconds(source: Path) -> dict[str, float]:
    """Seconds of one core that the libraries need for a first backup, by step.

    Reading, cutting, hashing, compressing, sealing, hashing what is stored, opening
    and expanding it again (the check that is on by default). None of chunkvault's
    own bookkeeping.
    """
    work = _LibraryWork()
    for path in _files(source):
        with open(path, "rb", buffering=0) as file:
            while piece := work.timed("read", file.read, _READ_BYTES):
                work.add(piece)
    work.store()
    return work.seconds


class _LibraryWork:
    """Calls the libraries as a backup does, and adds up the time of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._cut = Chunker(DEFAULT_SETTINGS.chunker).cut
        self._compress = Compressor().compress
        self._pieces: list[bytes] = []
        self._length = 0

    def timed(
        self, step: str, call: Callable[..., _Result], *words: object, **more: object
    ) -> _Result:
        """Make a call, and note how much processor time it took."""
        started = time.process_time()
        result = call(*words, **more)
        spent = time.process_time() - started
        self.seconds[step] = self.seconds.get(step, 0.0) + spent
        return result

    def add(self, piece: bytes) -> None:
        """The next bytes of a file."""
        view, start = memoryview(piece), 0
        for length in self.timed("cut", self._cut, view, is_end=True):
            self.timed("hash", keyed_hash, _KEY, view[start : start + length])
            start += length
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length >= DEFAULT_SETTINGS.frame_bytes:
            self.store()

    def store(self) -> None:
        """What happens to the bytes of a frame, or of a few."""
        content = b"".join(self._pieces)
        self._pieces, self._length = [], 0
        size = DEFAULT_SETTINGS.frame_bytes
        for start in range(0, len(content), size):
            self._store_frame(content[start : start + size])

    def _store_frame(self, plain: bytes) -> None:
        payload = self.timed("compress", self._compress, plain)
        is_compressed = len(payload) < len(plain)
        nonce = counter_nonce(0)
        stored = payload if is_compressed else plain
        sealed = self.timed("seal", seal, stored, b"", nonce, _KEY)
        self.timed("name", content_hash, sealed)
        opened = self.timed("open", open_sealed, sealed, b"", nonce, _KEY)
        if is_compressed:
            self.timed("expand", expand, opened, len(plain))


def _files(source: Path) -> list[bytes]:
    found = []
    for parent, _, names in os.walk(os.fsencode(source)):
        paths = (os.path.join(parent, name) for name in names)
        found += [path for path in paths if os.path.isfile(path)]
    return [path for path in found if not os.path.islink(path)]
