"""When a blob is stored as a delta, against what, and when whole again."""

import random
from itertools import pairwise

import pytest

from chunkvault.codec.compression import Compressor
from chunkvault.format.blob import PREFIX_BYTES, BlobKind
from tests.support.builders import create_small, open_small

SOURCE = random.Random(1)
WORDS = [SOURCE.randbytes(4).hex().encode() for _ in range(500)]


def text(seed, words=500):
    return b" ".join(random.Random(seed).choices(WORDS, k=words))


def changed(content, seed, places=1):
    source, content = random.Random(seed), bytearray(content)
    for _ in range(places):
        place = source.randrange(len(content) - 20)
        content[place : place + 20] = source.randbytes(20)
    return bytes(content)


@pytest.fixture
def repository():
    return create_small()


def store(repository, content, base=None):
    with open_small(repository.backend).writer(workers=0) as writer:
        return writer.save(BlobKind.CHUNK, content, base)


def base_of(repository, blob_id):
    opened = open_small(repository.backend)
    return opened.reader.locate(blob_id).base


def test_what_is_like_its_base_is_stored_as_a_delta(repository):
    old = store(repository, text(1))
    new = store(repository, changed(text(1), 2), old)
    assert base_of(repository, new) == old[:PREFIX_BYTES]
    content = open_small(repository.backend).reader.load(BlobKind.CHUNK, new)
    assert content == changed(text(1), 2)


@pytest.mark.parametrize(
    "content", [b"%d, " % 3**5_000, random.Random(3).randbytes(4_000)]
)
def test_what_is_unlike_its_base_is_compressed_thoroughly_only_once(
    repository, content, monkeypatch
):
    old = store(repository, text(1))
    levels = []
    compress = Compressor.compress_delta

    def counting(self, data, base, level):
        levels.append(level)
        return compress(self, data, base, level)

    monkeypatch.setattr(Compressor, "compress_delta", counting)
    new = store(repository, content, old)
    assert base_of(repository, new) is None
    assert set(levels) == {1}


def test_content_that_drifts_away_is_stored_whole_now_and_then(repository):
    content, last, bases = text(1), None, []
    for version in range(150):
        last = store(repository, content, last)
        bases.append(base_of(repository, last))
        content = changed(content, version)
    whole = [number for number, base in enumerate(bases) if base is None]
    assert 2 < len(whole) < 30
    # Each base stands for what follows it, and no delta for a delta.
    assert min(right - left for left, right in pairwise(whole)) > 3
    assert len(set(bases)) == len(whole) + (whole[-1] != len(bases) - 1)


def test_a_constant_distance_from_the_base_is_no_drift(repository):
    first = store(repository, text(1))
    last = first
    for version in range(20):
        # Every version differs from the base and from the last one alike.
        last = store(repository, changed(text(1), version, places=10), last)
        assert base_of(repository, last) == first[:PREFIX_BYTES]


def test_an_empty_blob_has_no_delta(repository):
    old = store(repository, text(1))
    assert base_of(repository, store(repository, b"", old)) is None
