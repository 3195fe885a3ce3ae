"""Zstandard within known sizes; deltas against a base."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.compression import (
    MAX_EXPANDED_BYTES,
    Compressor,
    expand,
    expand_delta,
)
from chunkvault.errors import ChunkvaultError, DamageError


@given(st.binary(max_size=2000), st.integers(0, 50))
def test_what_was_compressed_expands(data, times):
    data *= times
    assert expand(Compressor().compress(data), len(data)) == data


@given(st.binary(min_size=1, max_size=2000), st.binary(max_size=2000))
def test_what_was_made_a_delta_expands(base, data):
    delta = Compressor().compress_delta(data, base)
    assert expand_delta(delta, base, len(data)) == data


def test_delta_of_an_edited_blob_costs_little_more_than_the_edit():
    base = random.Random(1).randbytes(200_000)
    edited = base[:1000] + b"inserted" + base[1000:150_000] + base[150_100:]
    assert len(Compressor().compress_delta(edited, base)) < 200


def test_largest_delta_expands_against_the_largest_base():
    base = random.Random(2).randbytes(16 << 20)
    edited = base[1:] + b"x"
    delta = Compressor().compress_delta(edited, base)
    assert expand_delta(delta, base, len(edited)) == edited


def test_delta_against_another_base_is_never_mistaken_for_the_blob():
    base = random.Random(3).randbytes(5000)
    delta = Compressor().compress_delta(base, base)
    for other in (b"", base[1:], bytes(5000)):
        try:
            assert expand_delta(delta, other, 5000) != base
        except DamageError:
            continue


@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_another_length_than_said_is_damage(change):
    data = b"content" * 1000
    with pytest.raises(DamageError):
        expand(Compressor().compress(data), len(data) + change)


def test_bomb_is_refused_without_allocating():
    bomb = Compressor().compress(bytes(MAX_EXPANDED_BYTES + 1))
    tracemalloc.start()
    try:
        for said in (100, MAX_EXPANDED_BYTES + 1):
            with pytest.raises(DamageError):
                expand(bomb, said)
            with pytest.raises(DamageError):
                expand_delta(bomb, b"base", said)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300), st.integers(0, 1000))
def test_arbitrary_bytes_expand_or_are_damage(data, length):
    for call in (lambda: expand(data, length), lambda: expand_delta(data, b"", length)):
        try:
            assert len(call()) == length
        except ChunkvaultError:
            continue


@given(st.data())
def test_mutated_frame_expands_to_its_length_or_is_damage(data):
    content = b"All happy families are alike. " * 20
    frame = bytearray(Compressor().compress(content))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    try:
        assert len(expand(frame, len(content))) == len(content)
    except DamageError:
        return
