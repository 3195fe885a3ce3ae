r"""Makes a repository of any size without the data: a big index, a big tree.

The files of the source are real, so that a backup has something to look at, but
sparse: they have a length and occupy no block. Their trees are written by
chunkvault's own writer, and so are the index runs, from made-up ids; the volumes
that the runs name are sparse files of the right name and size. What is below
``wanted`` is stored for good and can be restored; everything else can be listed,
compared and backed up again, but not read: `check` would say so.

    PYTHONPATH=. python bench/scale.py --blobs 20000000 --files 5000000 \
        --snapshots 10 DIR

makes ``DIR/repository`` (password "benchmark") and ``DIR/source``. Where DIR is on
a tmpfs it needs an inode for each file: ``mount -t tmpfs -o nr_inodes=0 tmpfs DIR``
and about 1 KB of memory for each. ``--without-source`` makes none, and the trees
from invented metadata.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import chunkvault
from bench.data.invented_index import (
    BLOB_BYTES,
    BLOBS_PER_VOLUME,
    FRAMES_PER_VOLUME,
    invented_blocks,
    invented_id,
)
from bench.data.sparse_tree import (
    WANTED,
    Directory,
    make_source,
    open_source,
    wanted_content,
)
from chunkvault.backends.local import LocalBackend
from chunkvault.codec.hashing import content_hash
from chunkvault.codec.passphrase import DEFAULT_COST, KdfCost
from chunkvault.codec.sealing import NONCE_BYTES, random_bytes
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import encode_ref
from chunkvault.format.directory import CODEC_ZSTD, FrameRecord
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.names import volume_name
from chunkvault.format.node import Node, NodeKind
from chunkvault.format.snapshot import Snapshot, Totals
from chunkvault.format.subkeys import Keyring
from chunkvault.format.volume import SALT_BYTES, VOLUME_KEY_BYTES, build_header
from chunkvault.ids import BlobId, VolumeId
from chunkvault.localfs import capture
from chunkvault.operations.backup.top_trees import TopTrees
from chunkvault.repository import (
    BlobWriter,
    Passphrase,
    Repository,
    create_repository,
)
from chunkvault.repository.run_writer import store_merged_run
from chunkvault.snapshots.tree_writer import ContentWriter, tree_builder

PASSWORD = "benchmark"
_FRAME_STORED_BYTES = 512 << 10
_ROWS_PER_RUN = 16_000_000
"""A real backup merges its runs in the end, up to this length."""

_FIRST_SNAPSHOT_NS = 1_735_689_600 * 10**9
_HOUR_NS = 3600 * 10**9


class Sizes(NamedTuple):
    """How much there is to be."""

    blobs: int
    files: int
    snapshots: int
    rows_per_run: int = _ROWS_PER_RUN


def make_repository(
    folder: Path,
    source: Path,
    sizes: Sizes,
    *,
    real: bool,
    cost: KdfCost = DEFAULT_COST,
) -> None:
    """Make the repository; ``real`` says whether the source is there to look at."""
    backend = LocalBackend(os.fsencode(folder))
    password = Passphrase(PASSWORD.encode())
    repository = create_repository(backend, password, cost=cost)
    keyring = repository._keyring  # noqa: SLF001 - nobody else seals made-up runs
    for start in range(0, sizes.blobs, sizes.rows_per_run):
        count = min(sizes.rows_per_run, sizes.blobs - start)
        _store_run(backend, keyring, start, count)
        _say(f"{start + count:,} blobs")
    tops, totals = _store_trees(repository, source, sizes, real=real)
    _store_snapshots(repository, source, tops.ids(), totals, sizes.snapshots)


def _store_run(backend: LocalBackend, keyring: Keyring, start: int, count: int) -> None:
    """An index run over blobs that follow each other, and the volumes it names."""
    blocks = invented_blocks(start, count)
    volumes = _make_volumes(backend, keyring, start, count)
    store_merged_run(backend, keyring, blocks, volumes, ())


def _make_volumes(
    backend: LocalBackend, keyring: Keyring, start: int, count: int
) -> Iterator[VolumeRecord]:
    for first in range(start, start + count, BLOBS_PER_VOLUME):
        volume = _invent_volume(keyring, first)
        _make_sparse(backend, volume)
        yield volume


def _invent_volume(keyring: Keyring, first_blob: int) -> VolumeRecord:
    sealer = build_header(
        keyring,
        BlobKind.CHUNK,
        salt=random_bytes(SALT_BYTES),
        nonce=random_bytes(NONCE_BYTES),
        volume_key=random_bytes(VOLUME_KEY_BYTES),
    )
    plain_bytes = BLOBS_PER_VOLUME * BLOB_BYTES // FRAMES_PER_VOLUME
    frame = FrameRecord(_FRAME_STORED_BYTES, plain_bytes, CODEC_ZSTD)
    return VolumeRecord(
        VolumeId(content_hash(b"volume", first_blob.to_bytes(8, "little"))),
        BlobKind.CHUNK,
        (FRAMES_PER_VOLUME + 1) * _FRAME_STORED_BYTES,
        sealer.header,
        (frame,) * FRAMES_PER_VOLUME,
    )


def _make_sparse(backend: LocalBackend, volume: VolumeRecord) -> None:
    """An empty stand-in for a volume: a backup asks only whether it is there."""
    name = volume_name(volume.kind, volume.volume_id)
    path = os.path.join(backend.path, name.encode())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    os.ftruncate(descriptor, volume.size)
    os.close(descriptor)


class TreeMaker:
    """Stores the trees of directories as a backup would, with invented content."""

    def __init__(self, repository: Repository, writer: BlobWriter) -> None:
        self.files = self.directories = self.bytes = 0
        self.tops = TopTrees()
        self._writer = writer
        self._owners = capture.OwnerNames()
        self._content = ContentWriter(writer, repository.settings)

    def store(self, directory: Directory, path: bytes) -> BlobId:
        """The tree of a directory, after those below it."""
        self.directories += 1
        files_before = self.files
        tree = tree_builder(self._writer)
        for name in directory.names():
            status = directory.status(name)
            node = capture.make_node(name, status, self._owners)
            if node.kind == NodeKind.DIRECTORY:
                with directory.open_child(name) as child:
                    subtree = self.store(child, path + b"/" + name)
                tree.add(node._replace(subtree=subtree))
            else:
                tree.add(self._with_content(node))
        stored = tree.finish()
        self.tops.add(path, stored, self.files - files_before)
        return stored

    def _with_content(self, node: Node) -> Node:
        self.bytes += node.size
        self.files += 1
        if node.name != WANTED[1]:
            ref = encode_ref(node.size, invented_id(self.files))
            return node._replace(content=ref)
        stream = self._content.start()
        stream.write(wanted_content())
        content, content_list = stream.finish()
        return node._replace(content=content, content_list=content_list)


def _store_trees(
    repository: Repository, source: Path, sizes: Sizes, *, real: bool
) -> tuple[TopTrees, Totals]:
    """The trees of the source and of the directories above it."""
    with repository.writer() as writer:
        maker = TreeMaker(repository, writer)
        with open_source(source, sizes.files, real=real) as directory:
            tree = maker.store(directory, os.fsencode(source))
            status = directory.stat
        _say(f"{maker.files:,} files in trees")
        owners = capture.OwnerNames()
        way = os.fsencode(source)
        while way != b"/":
            node = capture.make_node(os.path.basename(way), status, owners)
            builder = tree_builder(writer)
            builder.add(node._replace(subtree=tree))
            tree, way = builder.finish(), os.path.dirname(way)
            maker.tops.add(way, tree, maker.files)
            status = os.stat(way if real else b"/")
            maker.directories += 1
    return maker.tops, Totals(
        files=maker.files, directories=maker.directories, others=0, bytes=maker.bytes
    )


def _store_snapshots(
    repository: Repository,
    source: Path,
    tops: Sequence[BlobId],
    totals: Totals,
    count: int,
) -> None:
    parent = None
    for number in range(count):
        stored = repository.save_snapshot(
            Snapshot(
                time_ns=_FIRST_SNAPSHOT_NS + number * _HOUR_NS,
                host=os.uname().nodename,
                user="bench",
                paths=(os.fsencode(source),),
                tree=tops[0],
                parent=parent,
                tags=(),
                program=f"chunkvault {chunkvault.__version__}",
                excludes=(),
                totals=totals,
            ),
            tops,
        )
        parent = stored.snapshot_id
    _say(f"{count:,} snapshots")


def _say(what: str) -> None:
    print(f"{time.process_time():8.1f} s CPU: {what}", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--blobs", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--files", type=int, default=100_000, metavar="N")
    parser.add_argument("--snapshots", type=int, default=10, metavar="N")
    parser.add_argument("--rows-per-run", type=int, default=_ROWS_PER_RUN, metavar="N")
    parser.add_argument("--without-source", action="store_true")
    arguments = parser.parse_args(words)
    folder = arguments.folder.resolve()
    sizes = Sizes(
        arguments.blobs,
        max(arguments.files, 1),
        arguments.snapshots,
        arguments.rows_per_run,
    )
    real = not arguments.without_source
    if real:
        make_source(folder / "source", sizes.files)
        _say(f"{sizes.files:,} files made")
    make_repository(folder / "repository", folder / "source", sizes, real=real)
    return 0


if __name__ == "__main__":
    sys.exit(main())
