"""Snapshots (chapter 8)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.errors import ChunkvaultError, FormatError
from chunkvault.format.padding import padded_size
from chunkvault.format.snapshot import (
    MAX_TIME_NS,
    Snapshot,
    Totals,
    decode_snapshot,
    encode_snapshot,
)
from tests.support.format_strategies import KEYRING, TWO_EPOCHS, snapshots

NONCE = bytes(24)
SNAPSHOT = Snapshot(
    time_ns=1,
    host="host\udcff",
    user="user",
    paths=(b"/",),
    tree=bytes(32),
    parent=None,
    tags=(),
    program="",
    excludes=(),
    totals=Totals(files=0, directories=0, others=0, bytes=0),
)


@given(snapshots)
def test_snapshot_comes_back_in_a_size_class(snapshot):
    data = encode_snapshot(snapshot, TWO_EPOCHS, NONCE)
    assert decode_snapshot(data, TWO_EPOCHS) == snapshot
    assert padded_size(len(data)) == len(data)


@pytest.mark.parametrize("time_ns", [-1, MAX_TIME_NS + 1])
def test_time_that_no_record_holds_is_refused(time_ns):
    with pytest.raises(FormatError, match="between 1970 and 2554"):
        encode_snapshot(replace(SNAPSHOT, time_ns=time_ns), KEYRING, NONCE)


@pytest.mark.parametrize("time_ns", [0, MAX_TIME_NS])
def test_first_and_last_time_come_back(time_ns):
    snapshot = replace(SNAPSHOT, time_ns=time_ns)
    assert (
        decode_snapshot(encode_snapshot(snapshot, KEYRING, NONCE), KEYRING) == snapshot
    )


def test_text_that_is_not_utf8_comes_back():
    data = encode_snapshot(SNAPSHOT, KEYRING, NONCE)
    assert decode_snapshot(data, KEYRING) == SNAPSHOT


def test_every_flipped_bit_is_refused():
    good = encode_snapshot(SNAPSHOT, KEYRING, NONCE)
    for bit in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChunkvaultError):
            decode_snapshot(bytes(flipped), KEYRING)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_snapshot(data):
    for start in (b"", b"CVSNAPSH\1\0\0\0\0\0\0\0"):
        with pytest.raises(ChunkvaultError):
            decode_snapshot(start + data, KEYRING)
