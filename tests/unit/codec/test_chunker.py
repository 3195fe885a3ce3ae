"""Cuts that depend on the content alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.chunker import Chunker, ChunkerParameters

SMALL = ChunkerParameters(minimum=256, average=1024, maximum=4096)
STREAM = random.Random(5).randbytes(60_000) + bytes(20_000) + b"text " * 4000


def cut_stream(data, divisions, parameters=SMALL):
    """Lengths of all chunks of a stream that arrives in pieces of these lengths."""
    chunker, pending, lengths = Chunker(parameters), b"", []
    for start, end in zip([0, *divisions], [*divisions, len(data)], strict=True):
        pending += data[start:end]
        cuts = chunker.cut(memoryview(pending), is_end=end == len(data))
        lengths += cuts
        pending = pending[sum(cuts) :]
    assert not pending
    return lengths


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_cuts_do_not_depend_on_how_the_stream_is_divided(divisions):
    assert cut_stream(STREAM, divisions) == cut_stream(STREAM, [])


@given(st.binary(max_size=300), st.integers(1, 200), st.integers(0, 9))
def test_chunks_fill_the_stream_within_the_limits(data, times, seed):
    stream = data * times + random.Random(seed).randbytes(seed * 1000)
    lengths = cut_stream(stream, [])
    assert sum(lengths) == len(stream)
    assert all(length <= SMALL.maximum for length in lengths)
    assert all(length >= SMALL.minimum for length in lengths[:-1])


def test_zeros_are_cut_into_equal_chunks():
    lengths = cut_stream(bytes(100_000), [])
    assert len(set(lengths[:-1])) == 1
    assert lengths == cut_stream(bytes(100_000), [1, 5000, 50_000])


def test_an_edit_changes_the_chunks_around_it_and_no_others():
    edited = STREAM[:30_000] + b"inserted" + STREAM[30_000:]

    def chunks(data):
        start, found = 0, set()
        for length in cut_stream(data, []):
            found.add(data[start : start + length])
            start += length
        return found

    assert len(chunks(edited) - chunks(STREAM)) <= 4


@pytest.mark.parametrize("is_end", [True, False])
def test_nothing_has_no_chunks(is_end):
    assert Chunker(SMALL).cut(memoryview(b""), is_end=is_end) == []


def test_last_piece_is_left_out_only_while_more_may_follow():
    short = memoryview(b"short")
    assert Chunker(SMALL).cut(short, is_end=False) == []
    assert Chunker(SMALL).cut(short, is_end=True) == [5]


def test_default_sizes_cut_as_they_always_have():
    parameters = ChunkerParameters(16 << 10, 64 << 10, 256 << 10)
    data = random.Random(6).randbytes(1 << 20)
    lengths = cut_stream(data, [300_000, 700_000], parameters)
    assert lengths == cut_stream(data, [], parameters)
    assert sum(lengths) == len(data)
    assert len(lengths) >= 6
