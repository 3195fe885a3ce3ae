"""Parts of files: what is kept of lists and chunks, counted in loads."""

import gc
import weakref

import pytest

from chunkvault.errors import FormatError
from chunkvault.format.blob import BlobKind
from chunkvault.format.content import encode_ref
from chunkvault.snapshots.file_ranges import FileRanges
from chunkvault.snapshots.tree_writer import ContentWriter
from tests.support.builders import create_small, noise
from tests.support.trees import make_node


class CountingReader:
    """The reader of a repository, and how often it was asked for each kind."""

    def __init__(self, reader):
        self.loads = {BlobKind.CHUNK: 0, BlobKind.TREE: 0}
        self._reader = reader

    def load(self, kind, blob_id):
        self.loads[kind] += 1
        return self._reader.load(kind, blob_id)


@pytest.fixture(scope="module")
def repository():
    return create_small()


DATA = noise(300_000)


@pytest.fixture(scope="module")
def node(repository):
    with repository.writer(workers=0) as sink:
        file = ContentWriter(sink, repository.settings).start()
        file.write(DATA)
        content, content_list = file.finish()
        return make_node(size=len(DATA), content=content, content_list=content_list)


def test_every_byte_is_found_and_each_chunk_read_once(repository, node):
    reader = CountingReader(repository.reader)
    ranges = FileRanges(reader, node)
    data, chunks, offset = bytearray(), set(), 0
    while offset < node.size:
        run = ranges.find(offset)
        length = min(100, run.end - offset)
        data += ranges.read(run, offset, length)
        chunks.add(run.start)
        offset += length
    assert bytes(data) == DATA
    assert len(chunks) > 1
    assert reader.loads[BlobKind.CHUNK] == len(chunks)
    assert reader.loads[BlobKind.TREE] <= len(chunks) + 1


def test_a_list_used_last_is_at_hand(repository, node):
    reader = CountingReader(repository.reader)
    ranges = FileRanges(reader, node)
    first = ranges.find(0)
    loads = reader.loads[BlobKind.TREE]
    assert loads > 0
    for _ in range(3):
        assert ranges.find(0) == first
    assert reader.loads[BlobKind.TREE] == loads


def test_nothing_of_it_outlives_it(repository, node):
    ranges = FileRanges(repository.reader, node)
    ranges.read(ranges.find(5), 5, 1)
    gone = weakref.ref(ranges)
    gc.disable()
    try:
        del ranges
        assert gone() is None
    finally:
        gc.enable()


def test_a_chunk_of_another_length_is_damage(repository):
    with repository.writer(workers=0) as sink:
        blob_id = sink.save(BlobKind.CHUNK, b"abc")
    ranges = FileRanges(
        repository.reader, make_node(size=4, content=encode_ref(4, blob_id))
    )
    with pytest.raises(FormatError, match="another length"):
        ranges.read(ranges.find(0), 0, 1)
