"""What sizes of chunks and frames cost: stored bytes, index bytes, reads.

Backs up a source tree once, and twenty versions each of a mail file that grows
and is edited and of a database with scattered writes, into repositories in memory
that differ in their sizes. Prints the table that docs/decisions/0002 rests on::

    PYTHONPATH=. python -m bench.sizes /path/to/a/linux/source/tree
"""

import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator

from bench.data.mail import edit_messages, make_messages, make_words
from chunkvault.backends.memory import MemoryBackend
from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.codec.passphrase import KdfCost
from chunkvault.localfs.patterns import Selection
from chunkvault.operations.backup import BackupOptions, backup
from chunkvault.report import SilentReporter
from chunkvault.repository import Passphrase, Repository, Settings, create_repository

KIB = 1024
VERSIONS = 20
CHUNK_SIZES = (16, 64, 256, 1024)
FRAME_SIZES = (256, 1024, 4096)


def main() -> None:
    """Print one line for each choice of sizes."""
    tree = os.fsencode(sys.argv[1])
    print("average chunk | frame | tree | index | trees | mail/version | db/version")
    choices = [(chunk, 1024) for chunk in CHUNK_SIZES]
    choices += [(64, frame) for frame in FRAME_SIZES if frame != 1024]
    for chunk, frame in choices:
        stored, index, trees = store_tree(tree, chunk, frame)
        growth = [versions(edit, chunk, frame) for edit in (edit_mail, edit_database)]
        print(
            f"{chunk:>9} KiB | {frame:>4} KiB | {stored / 1e6:7.1f} MB"
            f" | {index / 1e6:5.2f} MB | {trees / 1e6:5.2f} MB"
            f" | {growth[0] / 1e3:8.0f} KB | {growth[1] / 1e3:8.0f} KB",
            flush=True,
        )


def store_tree(path: bytes, chunk: int, frame: int) -> tuple[int, int, int]:
    """Stored bytes of a first backup: all, index runs, tree volumes."""
    store = MemoryBackend()
    take(new_repository(store, chunk, frame), path, 1)
    everything, index, trees = (
        sum(info.size for info in store.list(folder))
        for folder in ("", "index/", "trees/")
    )
    return everything, index, trees


def versions(
    edit: Callable[[random.Random], Iterator[bytes]], chunk: int, frame: int
) -> float:
    """Bytes that each version after the first adds, on average."""
    store = MemoryBackend()
    repository = new_repository(store, chunk, frame)
    stored = []
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(edit(random.Random(7))):
            with open(os.path.join(folder, "file"), "wb") as file:
                file.write(content)
            take(repository, os.fsencode(folder), number)
            stored.append(sum(info.size for info in store.list("")))
    return (stored[-1] - stored[0]) / (len(stored) - 1)


def edit_mail(source: random.Random) -> Iterator[bytes]:
    """A mail file: messages of text are appended, flags of old ones change."""
    words = make_words(source)
    messages = make_messages(source, words, 8000)
    for _ in range(VERSIONS):
        yield b"".join(messages)
        edit_messages(source, words, messages)


def edit_database(source: random.Random) -> Iterator[bytes]:
    """A database of 4 KiB pages: 100 of them change a little, 10 are added."""
    words = [source.randbytes(8).hex() for _ in range(2000)]
    pages = [page(source, words) for _ in range(8000)]
    for _ in range(VERSIONS):
        yield b"".join(pages)
        for _ in range(100):
            place, offset = source.randrange(len(pages)), source.randrange(4000)
            changed = source.randbytes(40)
            old = pages[place]
            pages[place] = old[:offset] + changed + old[offset + len(changed) :]
        pages += [page(source, words) for _ in range(10)]


def page(source: random.Random, words: list[str]) -> bytes:
    """4 KiB that compress by about half."""
    text = " ".join(source.choices(words, k=240)).encode()
    return text[:4096].ljust(4096, b"\0")


def new_repository(store: MemoryBackend, chunk: int, frame: int) -> Repository:
    """An empty repository with chunks and frames of these sizes in KiB."""
    sizes = ChunkerParameters(chunk * KIB // 4, chunk * KIB, chunk * KIB * 4)
    settings = Settings(
        chunker=sizes, frame_bytes=frame * KIB, volume_bytes=16384 * KIB
    )
    cost = KdfCost(passes=1, memory_bytes=8 << 20)
    return create_repository(store, Passphrase(b"bench"), settings=settings, cost=cost)


def take(repository: Repository, path: bytes, number: int) -> None:
    """A snapshot of one path."""
    options = BackupOptions(
        paths=(path,),
        time_ns=number,
        host="bench",
        user="bench",
        selection=Selection.of([]),
    )
    backup(repository, options, SilentReporter())


if __name__ == "__main__":
    main()
