"""What a file's content consists of (chapter 7)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.packing import pack
from chunkvault.errors import DamageError, FormatError
from chunkvault.format.content import (
    MAX_INLINE_REFS,
    ChunkRef,
    ContentListWriter,
    decode_content_list,
    decode_refs,
    encode_content_list,
    encode_refs,
    iterate_refs,
)
from tests.support.format_strategies import BlobBox, refs


def random_refs(count, seed=1, holes=0.1):
    draw = random.Random(seed)
    return [
        ChunkRef(
            draw.randrange(1, 1 << 20),
            None if draw.random() < holes else draw.randbytes(32),
        )
        for _ in range(count)
    ]


def write(box, listed):
    writer = ContentListWriter(lambda data, _length, _is_leaf: box.save(data))
    for ref in listed:
        writer.add(*ref)
    return writer.finish()


@given(st.lists(refs, max_size=20))
def test_refs_come_back(listed):
    assert decode_refs(encode_refs(listed)) == listed
    packed = encode_content_list(encode_refs(listed), is_leaf=True)
    assert decode_content_list(packed) == (True, listed)


@given(st.binary(max_size=130) | st.binary(max_size=100).map(lambda b: pack([3, b])))
def test_arbitrary_bytes_are_content_or_refused(data):
    for decode in (decode_refs, decode_content_list):
        try:
            decode(data)
        except FormatError:
            continue


@pytest.mark.parametrize("holes", [0, 0.1, 1])
@pytest.mark.parametrize(
    "count",
    [
        0,
        1,
        MAX_INLINE_REFS - 1,
        MAX_INLINE_REFS,
        MAX_INLINE_REFS + 1,
        100,
        5000,
        20_000,
    ],
)
def test_content_of_any_length_comes_back(count, holes):
    box, listed = BlobBox(), random_refs(count, holes=holes)
    content, content_list = write(box, listed)
    assert (content_list is None) == (count <= MAX_INLINE_REFS)
    assert list(iterate_refs(content, content_list, box.load)) == listed
    assert len(box.loaded) == len(set(box.loaded))
    assert all(len(blob) <= 4096 * 40 + 10 for blob in box.blobs.values())


@given(st.lists(refs, min_size=15, max_size=40), st.integers(1, 3))
def test_content_with_repeated_parts_comes_back(listed, times):
    box = BlobBox()
    content, content_list = write(box, listed * times)
    assert list(iterate_refs(content, content_list, box.load)) == listed * times


@pytest.mark.parametrize("place", [0, 10_000, 19_999])
@pytest.mark.parametrize("edit", ["replace", "insert", "remove"])
def test_an_edit_changes_few_lists(place, edit):
    box, listed = BlobBox(), random_refs(20_000)
    write(box, listed)
    before = set(box.blobs)
    new = [] if edit == "remove" else random_refs(1, seed=2, holes=0)
    listed[place : place + (edit != "insert")] = new
    content, content_list = write(box, listed)
    assert len(set(box.blobs) - before) <= 8
    assert len(before) > 200
    assert list(iterate_refs(content, content_list, box.load)) == listed


def test_lists_that_contain_each_other_are_refused():
    listed = encode_content_list(encode_refs([ChunkRef(9, b"x" * 32)]), is_leaf=False)
    with pytest.raises(DamageError, match="deep"):
        list(iterate_refs(b"", b"x" * 32, lambda _: listed))


def test_list_of_another_length_than_its_parent_says_is_refused():
    leaf = encode_content_list(encode_refs([ChunkRef(9, b"c" * 32)]), is_leaf=True)
    inner = encode_content_list(encode_refs([ChunkRef(8, b"l" * 32)]), is_leaf=False)
    with pytest.raises(FormatError, match="length"):
        list(iterate_refs(b"", b"i" * 32, {b"i" * 32: inner, b"l" * 32: leaf}.get))
