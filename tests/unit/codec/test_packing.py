"""Strict msgpack."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.packing import (
    MAX_PACKED_BYTES,
    pack,
    typed,
    unpack,
    unpack_canonical,
)
from chunkvault.errors import FormatError

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=300)
    | st.text(max_size=50)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=30,
)


@given(values)
def test_value_comes_back_in_canonical_form(value):
    packed = pack(value)
    assert unpack(packed) == unpack_canonical(packed) == value


@given(st.binary(max_size=200))
def test_arbitrary_bytes_unpack_or_are_refused(data):
    try:
        assert pack(unpack_canonical(data)) == data
    except FormatError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xcc\x01",
        b"\xcd\x00\x01",
        b"\xc4\x01",
        b"\xd9\x01a",
        b"\xdc\x00\x00",
        b"\xde\x00\x00",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\x01\x02",
        b"\xa1\xff",
        b"\x01\x01",
        b"\xd4\x05\x00",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x00\x05",
        b"\x91\xc7\x00\xff",
    ],
)
def test_what_pack_does_not_write_is_refused(data):
    with pytest.raises(FormatError):
        unpack_canonical(data)


def test_nesting_without_end_is_refused():
    for opening in (b"\x91", b"\x81\xa1a", b"\xdc\x00\x01"):
        with pytest.raises(FormatError):
            unpack_canonical(opening * 100_000)


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdd\x00\x10\x00\x01" * 1000,
        b"\xdc\xff\xff" * 100,
    ],
)
def test_bomb_is_refused_without_allocating(data):
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_too_large_a_record_is_refused_before_it_is_read():
    with pytest.raises(FormatError, match="too large"):
        unpack(bytes(MAX_PACKED_BYTES + 1))


@pytest.mark.parametrize(
    ("value", "kind"), [(True, int), (1.0, int), ("1", int), (b"a", str), (None, bytes)]
)
def test_typed_refuses_what_only_resembles_the_type(value, kind):
    with pytest.raises(TypeError):
        typed(value, kind)
    assert typed(1, int) == 1
