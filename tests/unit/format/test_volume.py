"""Volumes and their directories (chapter 5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.directory import (
    MAX_FRAME_BYTES,
    BlobRecord,
    FrameRecord,
    decode_directory,
    encode_directory,
)
from chunkvault.format.padding import padded_size
from chunkvault.format.volume import (
    FOOTER_BYTES,
    HEADER_BYTES,
    build_header,
    open_header,
)
from tests.support.format_strategies import KEYRING, TWO_EPOCHS, ids

RANDOM = {"salt": bytes(32), "nonce": bytes(24), "volume_key": bytes(range(32))}
SEALER = build_header(KEYRING, 1, **RANDOM)


@st.composite
def directories(draw):
    """Frames and the blobs that fill them."""
    frames, blobs = [], []
    for number in range(draw(st.integers(0, 4))):
        offset = 0
        for _ in range(draw(st.integers(0, 4))):
            length = draw(st.integers(0, 1 << 20))
            plain, base = length, None
            if draw(st.booleans()):
                plain = draw(st.integers(0, 16 << 20))
                base = draw(st.binary(min_size=16, max_size=16))
            prefix = draw(ids)[:16]
            record = BlobRecord(prefix, number, offset, length, plain, base)
            blobs.append(record)
            offset += length
        stored = draw(st.integers(0, MAX_FRAME_BYTES))
        frames.append(FrameRecord(stored, offset, draw(st.integers(0, 1))))
    return frames, blobs


@given(directories())
def test_directory_comes_back(directory):
    assert decode_directory(encode_directory(*directory)) == directory


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_directory(data):
    with pytest.raises(DamageError):
        decode_directory(data)


@given(st.data())
def test_mutated_directory_makes_sense_or_is_damage(data):
    frames = [FrameRecord(50, 40, 0), FrameRecord(60, 30, 1)]
    blobs = [BlobRecord(bytes(16), n, 0, 40 - 10 * n, 9, bytes(16)) for n in (0, 1)]
    mutated = bytearray(encode_directory(frames, blobs))
    place = data.draw(st.integers(0, len(mutated) - 1))
    mutated[place] ^= data.draw(st.integers(1, 255))
    try:
        found_frames, found = decode_directory(bytes(mutated))
    except DamageError:
        return
    assert sum(blob.length for blob in found) == sum(
        f.plain_length for f in found_frames
    )


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("ring", [KEYRING, TWO_EPOCHS])
def test_header_opens_what_it_sealed(kind, ring):
    sealer = build_header(ring, kind, **RANDOM)
    opened = open_header(ring, sealer.header)
    assert opened == sealer
    target = bytearray(100)
    sealer.seal_frame_into(target, 20, b"payload", (3, 1, 50))
    assert opened.open_frame(target[20 : 20 + 23], (3, 1, 50)) == b"payload"


def test_every_flipped_bit_of_a_header_is_refused():
    for bit in range(8 * HEADER_BYTES):
        flipped = bytearray(SEALER.header)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChunkvaultError):
            open_header(KEYRING, bytes(flipped))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_header(data):
    for start in (b"", b"CVVOLUME\1\0\1\0\0\0\0\0"):
        with pytest.raises(ChunkvaultError):
            open_header(KEYRING, (start + data)[:HEADER_BYTES])


@pytest.mark.parametrize("place", [(1, 0, 7), (0, 1, 7), (0, 0, 8)])
def test_frame_opens_only_in_its_place(place):
    target = bytearray(23)
    SEALER.seal_frame_into(target, 0, b"payload", (0, 0, 7))
    with pytest.raises(DamageError):
        SEALER.open_frame(target, place)


def test_frame_does_not_open_in_another_volume():
    other = build_header(KEYRING, 1, **RANDOM | {"salt": bytes(31) + b"1"})
    target = bytearray(23)
    SEALER.seal_frame_into(target, 0, b"payload", (0, 0, 7))
    with pytest.raises(DamageError):
        other.open_frame(target, (0, 0, 7))


@given(st.integers(HEADER_BYTES, 1 << 20), st.binary(max_size=2000))
def test_end_comes_back_and_fills_the_size_class(frames_end, directory):
    end = SEALER.seal_end(frames_end, directory)
    size = frames_end + len(end)
    footer = SEALER.open_footer(end[-FOOTER_BYTES:], size)
    assert padded_size(size) == size
    assert footer.frames_end == frames_end
    start = footer.directory_offset - frames_end
    assert SEALER.open_directory(end[start:-FOOTER_BYTES]) == directory
    SEALER.check_padding(end[:start])
    for other in (size - 1, size + 1):
        with pytest.raises(DamageError):
            SEALER.open_footer(end[-FOOTER_BYTES:], other)


def test_parts_of_the_end_are_not_mistaken_for_each_other():
    end = SEALER.seal_end(HEADER_BYTES, bytes(24))
    footer = SEALER.open_footer(end[-FOOTER_BYTES:], HEADER_BYTES + len(end))
    start = footer.directory_offset - HEADER_BYTES
    for call in (
        lambda: SEALER.open_directory(end[-FOOTER_BYTES:]),
        lambda: SEALER.check_padding(end[-FOOTER_BYTES:]),
        lambda: SEALER.open_footer(end[start:-FOOTER_BYTES], 0),
    ):
        with pytest.raises(DamageError):
            call()


def test_keys_are_not_shown():
    assert repr(SEALER._frame_key) not in repr(SEALER)
    assert repr(SEALER._directory_key) not in repr(SEALER)
