"""BLAKE3 against its official test vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.hashing import (
    content_hash,
    derive_key,
    hash_pieces,
    keyed_hash,
    same_secret,
)

OFFICIAL_KEY = b"whats the Elvish word for friend"
OFFICIAL_CONTEXT = "BLAKE3 2019-12-27 16:29:52 test vectors context"
# Length of the input (bytes 0, 1, … 250, 0, 1, …); hash, keyed hash, derived key.
OFFICIAL = {
    0: (
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
        "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d",
    ),
    1: (
        "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
        "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c",
    ),
    1024: (
        "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4",
        "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706",
    ),
}


@pytest.mark.parametrize("length", OFFICIAL)
def test_agrees_with_the_official_vectors(length):
    data = bytes(number % 251 for number in range(length))
    found = (
        content_hash(data).hex(),
        keyed_hash(OFFICIAL_KEY, data).hex(),
        derive_key(OFFICIAL_CONTEXT, data).hex(),
    )
    assert found == OFFICIAL[length]


@given(st.lists(st.binary(max_size=100)))
def test_hash_does_not_depend_on_how_the_data_is_divided(pieces):
    whole = content_hash(b"".join(pieces))
    assert content_hash(*pieces) == hash_pieces(pieces) == whole


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_secrets_are_the_same_only_if_equal(left, right):
    assert same_secret(left, right) == (left == right)
    assert same_secret(left, bytes(bytearray(left)))
