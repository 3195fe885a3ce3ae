"""The config object (chapter 2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.errors import ChunkvaultError, FormatError
from chunkvault.format.config import decode_config, encode_config


@given(st.binary(min_size=32, max_size=32))
def test_config_comes_back(repository_id):
    assert decode_config(encode_config(repository_id)) == repository_id


def test_every_flipped_bit_is_refused():
    good = encode_config(bytes(range(32)))
    for bit in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            decode_config(bytes(flipped))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused(data):
    with pytest.raises(ChunkvaultError):
        decode_config(data)
