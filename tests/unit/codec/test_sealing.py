"""XChaCha20-Poly1305 against its draft, and against what an attacker may change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec import sealing
from chunkvault.codec.sealing import TAG_BYTES, counter_nonce, open_sealed, seal
from chunkvault.errors import DamageError

# draft-irtf-cfrg-xchacha-03, appendix A.3.1
DRAFT_PLAIN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip "
    b"for the future, sunscreen would be it."
)
DRAFT_AAD = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
DRAFT_KEY = bytes(range(0x80, 0xA0))
DRAFT_NONCE = bytes(range(0x40, 0x58))
DRAFT_SEALED = bytes.fromhex(
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
    "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
    "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
    "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780a"
    "cf49"
)

KEY = bytes(range(32))
NONCE = counter_nonce(7)
DIRECT = (sealing._seal_into, sealing._open_sealed)


@pytest.fixture(params=["direct", "public"])
def functions(request):
    """Seal and open both ways: below PyNaCl's public functions, and through them."""
    if request.param == "public":
        sealing.use_public_functions()
    yield request.param
    sealing._seal_into, sealing._open_sealed = DIRECT


def test_agrees_with_the_draft(functions):
    assert seal(DRAFT_PLAIN, DRAFT_AAD, DRAFT_NONCE, DRAFT_KEY) == DRAFT_SEALED
    opened = open_sealed(DRAFT_SEALED, DRAFT_AAD, DRAFT_NONCE, DRAFT_KEY)
    assert opened == DRAFT_PLAIN


@given(st.binary(max_size=300), st.binary(max_size=50), st.integers(0, 2**64))
def test_public_functions_give_the_same_bytes(plain, aad, number):
    nonce = counter_nonce(number)
    direct = seal(plain, aad, nonce, KEY)
    sealing.use_public_functions()
    try:
        assert seal(plain, aad, nonce, KEY) == direct
        assert open_sealed(direct, aad, nonce, KEY) == plain
    finally:
        sealing._seal_into, sealing._open_sealed = DIRECT
    assert open_sealed(memoryview(direct), aad, nonce, KEY) == plain


def test_refuses_every_single_flipped_bit(functions):
    sealed = seal(b"some content", b"aad", NONCE, KEY)
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamageError):
            open_sealed(flipped, b"aad", NONCE, KEY)


@pytest.mark.parametrize("length", [0, 1, TAG_BYTES - 1, TAG_BYTES])
def test_refuses_what_is_cut_short(functions, length):
    sealed = seal(b"some content", b"", NONCE, KEY)
    with pytest.raises(DamageError):
        open_sealed(sealed[:length], b"", NONCE, KEY)


def test_refuses_other_data_nonce_or_key(functions):
    sealed = seal(b"some content", b"aad", NONCE, KEY)
    for other in (
        (b"other", NONCE, KEY),
        (b"aad", counter_nonce(8), KEY),
        (b"aad", NONCE, bytes(32)),
    ):
        with pytest.raises(DamageError):
            open_sealed(sealed, *other)


@pytest.mark.parametrize("offset", [-1, 1, 100])
def test_refuses_to_write_outside_of_the_target(functions, offset):
    target = bytearray(b"x" * (TAG_BYTES + 4))
    with pytest.raises(ValueError, match="does not fit"):
        sealing.seal_into(target, offset, b"four", b"", NONCE, KEY)
    assert target == b"x" * (TAG_BYTES + 4)


def test_seals_into_the_middle_and_touches_nothing_else(functions):
    target = bytearray(b"x" * 40)
    length = sealing.seal_into(target, 10, memoryview(b"four"), b"", NONCE, KEY)
    assert length == TAG_BYTES + 4
    assert target[:10] == target[10 + length :] == b"x" * 10
    assert open_sealed(target[10 : 10 + length], b"", NONCE, KEY) == b"four"
