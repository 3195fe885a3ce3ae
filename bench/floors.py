"""What the work takes at least: plain tools, and the libraries alone."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from bench.peers import Peer
from chunkvault.codec.chunker import Chunker
from chunkvault.codec.compression import Compressor, expand
from chunkvault.codec.hashing import content_hash, keyed_hash
from chunkvault.codec.sealing import counter_nonce, open_sealed, seal
from chunkvault.repository import DEFAULT_SETTINGS

__all__ = ["FIND", "LIBRARIES", "TAR", "UNTAR", "library_seconds"]

TAR = Peer(
    name="tar | zstd -3 -T2",
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
"""Name of `library_seconds` in the table."""

_READ_BYTES = 2 << 20
_KEY = bytes(32)


def library_seconds(source: Path) -> float:
    """Seconds that two cores need in the libraries alone for a first backup.

    Reading, cutting, hashing, compressing, sealing, opening and expanding again
    (the check that is on by default), and the hash of what is stored; measured on
    one core and halved. None of chunkvault's own bookkeeping.
    """
    chunker, compressor = Chunker(DEFAULT_SETTINGS.chunker), Compressor()
    started = time.process_time()
    frame, length = [], 0
    for path in _files(source):
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(_READ_BYTES):
                view, start = memoryview(piece), 0
                for cut in chunker.cut(view, is_end=True):
                    keyed_hash(_KEY, view[start : start + cut])
                    start += cut
                frame.append(piece)
                length += len(piece)
                if length >= DEFAULT_SETTINGS.frame_bytes:
                    _store(b"".join(frame), compressor.compress)
                    frame, length = [], 0
    if frame:
        _store(b"".join(frame), compressor.compress)
    return (time.process_time() - started) / 2


def _store(content: bytes, compress: Callable[[bytes], bytes]) -> None:
    """What happens to a megabyte or two, frame by frame."""
    size = DEFAULT_SETTINGS.frame_bytes
    for start in range(0, len(content), size):
        plain = content[start : start + size]
        payload = compress(plain)
        is_compressed = len(payload) < len(plain)
        sealed = seal(payload if is_compressed else plain, b"", counter_nonce(0), _KEY)
        content_hash(sealed)
        opened = open_sealed(sealed, b"", counter_nonce(0), _KEY)
        if is_compressed:
            expand(opened, len(plain))


def _files(source: Path) -> list[bytes]:
    found = []
    for parent, _, names in os.walk(os.fsencode(source)):
        paths = (os.path.join(parent, name) for name in names)
        found += [path for path in paths if os.path.isfile(path)]
    return [path for path in found if not os.path.islink(path)]
