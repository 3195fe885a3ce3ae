"""Index runs (chapter 6)."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.directory import FrameRecord
from chunkvault.format.index_blocks import (
    ROWS_PER_BLOCK,
    VOLUMES_PER_BLOCK,
    IndexRow,
    VolumeRecord,
    decode_blob_block,
    decode_volume_block,
    encode_blob_block,
    encode_volume_block,
)
from chunkvault.format.index_fence import (
    BLOCKS_PER_FILTER,
    Fence,
    RunPart,
    decode_fence,
    encode_fence,
    filter_of,
    may_hold,
)
from chunkvault.format.index_run import (
    RUN_FOOTER_BYTES,
    RUN_HEADER_BYTES,
    build_run,
    build_run_sealer,
    open_run_header,
)
from chunkvault.format.padding import padded_size
from chunkvault.format.volume import build_header
from tests.support.format_strategies import KEYRING, ids, u32, u64

SEALER = build_run_sealer(KEYRING, bytes(32))
HEADERS = [
    build_header(
        KEYRING, kind, salt=bytes(32), nonce=bytes(24), volume_key=bytes(32)
    ).header
    for kind in (1, 2)
]
prefixes = st.binary(min_size=16, max_size=16)


@st.composite
def index_rows(draw):
    length = draw(u32)
    row = IndexRow(
        draw(prefixes), draw(u32), draw(u32), draw(u32), length, length, None
    )
    if draw(st.booleans()):
        plain = draw(st.integers(0, 16 << 20))
        row = row._replace(plain_length=plain, base=draw(prefixes))
    return row


frames = st.builds(FrameRecord, u32, u32, st.integers(0, 255))
volumes = st.builds(
    lambda volume_id, kind, size, frames: VolumeRecord(
        volume_id, kind, size, HEADERS[kind - 1], tuple(frames)
    ),
    ids,
    st.integers(1, 2),
    u64,
    st.lists(frames, max_size=5),
)


def whole(record):
    return (record, record.header, record.frames)


@given(st.lists(index_rows(), min_size=1, max_size=20))
def test_blob_block_comes_back(rows):
    block = decode_blob_block(encode_blob_block(rows))
    assert [block.row(number) for number in range(len(rows))] == rows


@given(st.lists(volumes, min_size=1, max_size=5))
def test_volume_block_comes_back(records):
    block = decode_volume_block(encode_volume_block(records))
    found = [block[place] for place in range(len(block))]
    assert list(map(whole, found)) == list(map(whole, records))
    sizes = [(record.volume_id, record.kind, record.size) for record in records]
    assert list(block.sizes()) == sizes


def read_run(data):
    """Everything in a run: fence, rows, volumes."""
    sealer = open_run_header(KEYRING, data[:RUN_HEADER_BYTES])
    offset, length = sealer.open_footer(data[-RUN_FOOTER_BYTES:], len(data))
    fence = sealer.open_fence(data[offset : offset + length], offset)
    start, rows, records = RUN_HEADER_BYTES, [], []
    for number, end in enumerate(fence.blob_ends):
        block = sealer.open_blob_block(number, data[start:end])
        rows += [block.row(place) for place in range(len(block.lengths))]
        start = end
    for number, end in enumerate(fence.volume_ends):
        block = sealer.open_volume_block(number, data[start:end])
        records += [block[place] for place in range(len(block))]
        start = end
    bits = []
    for number, end in enumerate(fence.filter_ends):
        bits.append(sealer.open_filter(number, data[start:end]))
        start = end
    for place, row in enumerate(rows):
        block = place // ROWS_PER_BLOCK
        assert may_hold(bits[block // BLOCKS_PER_FILTER], block, row.prefix)
    return fence, rows, records


sorted_rows = st.lists(index_rows(), max_size=10).map(
    lambda rows: sorted(rows, key=lambda row: row.prefix)
)


@given(sorted_rows, st.lists(volumes, max_size=3), st.lists(ids, max_size=2))
def test_run_comes_back(rows, records, replaces):
    data = b"".join(build_run(SEALER, rows, records, replaces))
    fence, found_rows, found_records = read_run(data)
    assert found_rows == rows
    assert list(map(whole, found_records)) == list(map(whole, records))
    assert (fence.row_count, fence.volume_count) == (len(rows), len(records))
    assert fence.replaces == tuple(replaces)
    assert padded_size(len(data)) == len(data)


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_run_of_many_blocks_comes_back(extra):
    rows = [
        IndexRow(number.to_bytes(16), number % 3, 0, number, 5, 5, None)
        for number in range(2 * ROWS_PER_BLOCK + extra)
    ]
    records = [
        VolumeRecord(number.to_bytes(32), 1, 9, HEADERS[0], ())
        for number in range(VOLUMES_PER_BLOCK + extra)
    ]
    data = b"".join(build_run(SEALER, rows, records))
    fence, found_rows, found_records = read_run(data)
    assert (found_rows, found_records) == (rows, records)
    assert len(fence.blob_ends) == 2 + (extra > 0)
    assert len(fence.volume_ends) == 1 + (extra > 0)
    firsts = [rows[n * ROWS_PER_BLOCK].prefix for n in range(len(fence.blob_ends))]
    assert fence.first_prefixes == b"".join(firsts)


def test_every_flipped_byte_of_a_run_is_refused_but_for_padding():
    rows = [IndexRow(bytes(16), 0, 0, 0, 5, 5, None)]
    record = VolumeRecord(bytes(32), 1, 9, HEADERS[0], (FrameRecord(21, 5, 0),))
    good = b"".join(build_run(SEALER, rows, [record]))
    fence, *_ = read_run(good)
    offset, _ = SEALER.open_footer(good[-RUN_FOOTER_BYTES:], len(good))
    padding = range(fence.filter_ends[-1], offset)
    for place in range(len(good)):
        flipped = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        if place in padding:
            assert read_run(flipped)[1] == rows
            continue
        with pytest.raises(ChunkvaultError):
            read_run(flipped)


def test_section_does_not_open_under_another_number_or_run():
    sealed = SEALER.seal_section(3, b"plain")
    with pytest.raises(DamageError):
        SEALER.open_section(4, sealed)
    with pytest.raises(DamageError):
        build_run_sealer(KEYRING, bytes(31) + b"1").open_section(3, sealed)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_part_of_a_run(data):
    for call in (
        lambda: decode_blob_block(data),
        lambda: decode_volume_block(data),
        lambda: decode_fence(data, 1000),
        lambda: read_run(data),
        lambda: read_run(SEALER.header + data),
    ):
        with pytest.raises(ChunkvaultError):
            call()


def test_fence_comes_back():
    fence = Fence(bytes(32), [100, 200], [300], [400], 1500, 60, (bytes(32),))
    assert decode_fence(encode_fence(fence), 400) == fence
    with pytest.raises(DamageError):
        decode_fence(encode_fence(fence), 399)
    long = replace(fence, parts=(RunPart(bytes(32), 250), RunPart(bytes(32), 100)))
    assert decode_fence(encode_fence(long), 50) == long
    with pytest.raises(DamageError):
        decode_fence(encode_fence(long), 49)


def test_filter_knows_its_rows_and_refuses_most_others():
    source = random.Random(3)
    rows = sorted(source.randbytes(16) for _ in range(ROWS_PER_BLOCK))
    bits = filter_of(b"".join(rows))
    assert len(bits) == 2 * ROWS_PER_BLOCK
    assert all(may_hold(bits, 0, prefix) for prefix in rows)
    strange = sum(may_hold(bits, 0, source.randbytes(16)) for _ in range(10_000))
    assert strange < 10_000 / 32
