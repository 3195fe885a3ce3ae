"""Object names and sizes (chapter 1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.hashing import content_hash
from chunkvault.errors import FormatError
from chunkvault.format import names
from chunkvault.format.padding import MAX_PADDING, padded_size

DIGEST = content_hash(b"bytes")
END_NS = 253_402_300_800 * 10**9
tags = st.binary(min_size=8, max_size=8)
ids = st.binary(min_size=32, max_size=32)
moments = st.integers(0, END_NS - 1)


@given(moments, tags, ids)
def test_snapshot_name_comes_back(time_ns, tag, snapshot_id):
    name = names.snapshot_name(time_ns, tag, snapshot_id)
    assert names.parse_snapshot_name(name) == (time_ns, tag, snapshot_id, name)
    assert names.hash_in_name(name) == snapshot_id


@given(st.lists(moments, min_size=2, max_size=5))
def test_snapshot_names_sort_by_time(times):
    made = [names.snapshot_name(time, bytes(8), DIGEST) for time in times]
    assert sorted(made) == [
        names.snapshot_name(time, bytes(8), DIGEST) for time in sorted(times)
    ]


@pytest.mark.parametrize("time_ns", [-1, END_NS])
def test_time_that_has_no_name_is_refused(time_ns):
    with pytest.raises(FormatError):
        names.snapshot_name(time_ns, bytes(8), DIGEST)


@given(st.text(max_size=150) | st.from_regex(names._SNAPSHOT))
def test_parsed_name_is_one_that_is_made(name):
    parsed = names.parse_snapshot_name(name)
    assert parsed is None or names.snapshot_name(*parsed[:3]) == name


def test_volumes_lie_in_folders_of_their_kind_and_first_digits():
    digits = DIGEST.hex()
    assert names.volume_name(1, DIGEST) == f"chunks/{digits[:2]}/{digits}"
    assert names.volume_name(2, DIGEST) == f"trees/{digits[:2]}/{digits}"
    assert names.object_name(names.KEYS, DIGEST) == f"keys/{digits}"


@pytest.mark.parametrize("name", ["config", "keys/", "keys/abc", "index/" + "A" * 64])
def test_name_without_a_hash_has_none(name):
    assert names.hash_in_name(name) is None
    assert not names.is_intact(name, b"")


def test_object_is_intact_only_with_its_own_bytes():
    name = names.object_name(names.INDEX, DIGEST)
    assert names.is_intact(name, memoryview(b"bytes"))
    assert not names.is_intact(name, b"byte")


@given(st.integers(0, 1 << 40))
def test_size_class_is_never_smaller_and_at_most_12_percent_larger(size):
    padded = padded_size(size)
    assert size <= padded <= max(size * 1.12, size + (128 << 10) * (size >= 8 << 20))
    assert padded - size < MAX_PADDING
    assert padded_size(padded) == padded


@given(st.integers(0, 1 << 30), st.integers(0, 1 << 20))
def test_size_classes_keep_the_order(size, more):
    assert padded_size(size) <= padded_size(size + more)


def test_there_are_few_size_classes():
    assert len({padded_size(size) for size in range(1 << 16, 1 << 17)}) <= 33
