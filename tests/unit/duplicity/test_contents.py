"""The content of imported files, compared with what a backup would store."""

import random
import subprocess

import pytest

from chunkvault.duplicity.contents import FileContent, piece_reader, write_delta
from chunkvault.duplicity.delta import (
    DELTA_END,
    DELTA_MAGIC,
    copy_command,
    literal_command,
)
from chunkvault.errors import FormatError
from chunkvault.format.blob import BlobKind
from chunkvault.format.node import Node
from chunkvault.snapshots.content import file_refs, read_file
from chunkvault.snapshots.file_ranges import FileRanges
from chunkvault.snapshots.tree_writer import ContentWriter
from tests.support.builders import create_small, noise
from tests.support.trees import make_node


def store(repository, pieces, holes=()) -> Node:
    with repository.writer(workers=0) as sink:
        writer = ContentWriter(sink, repository.settings)
        file = FileContent(writer, lambda: None, holes)
        for piece in pieces:
            file.write(piece)
        return make_node(**file.finish()._asdict())


def patch(repository, node, delta, *, takes_chunks=True, holes=()) -> Node:
    with repository.writer(workers=0) as sink:
        writer = ContentWriter(sink, repository.settings)
        file = FileContent(writer, lambda: None, holes)
        before = FileRanges(repository.reader, node)
        write_delta(file, delta, before, takes_chunks=takes_chunks)
        return make_node(**file.finish()._asdict())


def content(repository, node):
    return b"".join(read_file(repository.reader, node))


def delta_of(*commands):
    return [DELTA_MAGIC + b"".join(commands) + DELTA_END]


def rdiff(folder, old, new):
    """The delta as librsync makes it."""
    (folder / "old").write_bytes(old)
    (folder / "new").write_bytes(new)
    for words in (
        ["signature", "--block-size=64", "old", "sig"],
        ["delta", "sig", "new", "delta"],
    ):
        subprocess.run(["rdiff", "--force", *words], cwd=folder, check=True)
    return (folder / "delta").read_bytes()


def edited(data, chance):
    """The same with some runs taken out, put in, doubled and moved."""
    for _ in range(chance.randrange(8)):
        place, other = sorted(chance.randrange(len(data) + 1) for _ in "xx")
        run = data[place : min(other, place + 5000)]
        match chance.randrange(4):
            case 0:
                data = data[:place] + data[place + len(run) :]
            case 1:
                data = data[:place] + chance.randbytes(300) + data[place:]
            case 2:
                data = data[:place] + run + run + data[place:]
            case 3:
                data = data[:place] + data[place + len(run) :] + run
    return data


@pytest.mark.parametrize("seed", range(12))
def test_deltas_of_librsync_give_what_a_backup_would_store(tmp_path, seed):
    chance = random.Random(seed)
    repository = create_small()
    old = noise(chance.choice((0, 500, 5_000, 60_000, 200_000)), seed)
    new = edited(old, chance)
    node = store(repository, [old])
    delta = rdiff(tmp_path, old, new)
    pieces = [delta[start : start + 777] for start in range(0, len(delta), 777)]
    for takes_chunks in (True, False):
        found = patch(repository, node, pieces, takes_chunks=takes_chunks)
        assert content(repository, found) == new
        assert found == store(repository, [new])


def test_unchanged_chunks_are_not_read():
    repository = create_small()
    old = noise(200_000)
    node = store(repository, [old])
    middle = copy_command(100_000, 100_000)
    delta = delta_of(copy_command(0, 100_000), literal_command(3), b"new", middle)
    loaded = []
    load = repository.reader.load
    repository.reader.load = lambda kind, blob_id: (
        loaded.append(kind) or load(kind, blob_id)
    )
    found = patch(repository, node, delta)
    repository.reader.load = load
    assert content(repository, found) == old[:100_000] + b"new" + old[100_000:]
    chunks = len(list(file_refs(repository.reader, node)))
    assert chunks > 100
    assert loaded.count(BlobKind.CHUNK) < 20


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 50_000])
def test_content_does_not_depend_on_its_pieces(size):
    repository = create_small()
    data = noise(size)
    whole = store(repository, [data])
    assert store(repository, [data[i : i + 700] for i in range(0, size, 700)]) == whole
    assert whole.size == size


def test_holes_are_kept_and_nothing_that_is_no_hole_is_lost():
    repository = create_small()
    data = noise(5000) + bytes(20_000) + noise(3000) + bytes(4000) + b"end"
    holes = ((5000, 20_000), (20_500 + 4500 + 3000, 4000))
    for step in (100, 7000, 1 << 20):
        pieces = [data[i : i + step] for i in range(0, len(data), step)]
        found = store(repository, pieces, holes)
        refs = list(file_refs(repository.reader, found))
        assert [ref.length for ref in refs if ref.blob_id is None] == [20_000, 4000]
        assert content(repository, found) == data
    lie = store(repository, [data], ((1000, 10_000),))
    assert content(repository, lie) == data


def test_a_delta_may_copy_a_hole():
    repository = create_small()
    node = store(repository, [noise(5000) + bytes(9000)], ((5000, 9000),))
    found = patch(repository, node, delta_of(copy_command(0, 14_000)))
    assert content(repository, found) == noise(5000) + bytes(9000)


@pytest.mark.parametrize(
    "delta",
    [
        b"",
        b"rs\x02\x37\0",
        DELTA_MAGIC,
        DELTA_MAGIC + copy_command(0, 1001) + DELTA_END,
        DELTA_MAGIC + copy_command(2**63, 2**63) + DELTA_END,
        DELTA_MAGIC + copy_command(1000, 1) + DELTA_END,
        DELTA_MAGIC + literal_command(2**40) + b"abc",
        DELTA_MAGIC + b"\x55" + DELTA_END,
        DELTA_MAGIC + copy_command(0, 10),
        DELTA_MAGIC + DELTA_END + b"more",
    ],
)
def test_a_hostile_delta_is_refused(delta):
    repository = create_small()
    node = store(repository, [noise(1000)])
    with pytest.raises(FormatError):
        patch(repository, node, [delta])


def test_a_piece_reader_gives_less_at_the_end_only():
    read = piece_reader(iter([b"ab", b"c", b"defgh"]))
    assert [read(1), read(3), read(9), read(9)] == [b"a", b"bcd", b"efgh", b""]
