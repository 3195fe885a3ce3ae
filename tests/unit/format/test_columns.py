"""Columns of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.errors import FormatError
from chunkvault.format.columns import decode_u8, decode_u32, encode_u8, encode_u32


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_u32_comes_back(numbers):
    assert list(decode_u32(encode_u32(numbers), len(numbers))) == numbers


@given(st.lists(st.integers(0, 255)))
def test_u8_comes_back(numbers):
    assert list(decode_u8(encode_u8(numbers), len(numbers))) == numbers


def test_u32_is_little_endian():
    assert encode_u32([1, 0x01020304]) == bytes.fromhex("0100000004030201")


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\0" * 9, "\0" * 8, None, [0, 0]])
def test_another_length_or_type_is_refused(data):
    for decode in (decode_u8, decode_u32):
        with pytest.raises(FormatError):
            decode(data, 2)
