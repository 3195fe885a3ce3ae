"""What a holder of the keys could have written wrongly, a reader still refuses."""

import pytest

from chunkvault.codec.compression import Compressor
from chunkvault.errors import DamageError
from chunkvault.format.blob import PREFIX_BYTES, BlobKind
from chunkvault.format.directory import CODEC_STORED
from chunkvault.format.names import volume_name
from chunkvault.repository.run_writer import store_run
from chunkvault.repository.volume_builder import FrameBlob, start_volume
from tests.support.builders import create_small, open_small


def store_blobs(repository, blobs):
    """A volume with one stored frame: (id, bytes in the frame, plain length, base)."""
    keyring = repository._keyring
    builder = start_volume(keyring, BlobKind.CHUNK, 1 << 20, bytearray(1 << 20))
    listed = [
        FrameBlob(blob_id, len(data), plain_length, base)
        for blob_id, data, plain_length, base in blobs
    ]
    payload = b"".join(data for _, data, _, _ in blobs)
    place = builder.reserve(len(payload), CODEC_STORED, listed)
    builder.seal(place, payload)
    record, data = builder.finish()
    backend = repository.backend
    backend.put(volume_name(record.kind, record.volume_id), data)
    store_run(backend, keyring, sorted(builder.rows(0)), [record])
    return open_small(backend).reader


def chunk_id(repository, data):
    return repository.blob_id(BlobKind.CHUNK, data)


def test_a_blob_that_is_not_what_its_id_says_is_refused():
    repository = create_small()
    claimed = chunk_id(repository, b"what was asked for")
    lie = b"something else"
    reader = store_blobs(repository, [(claimed, lie, len(lie), None)])
    with pytest.raises(DamageError, match="something else than blob"):
        reader.load(BlobKind.CHUNK, claimed)


def test_a_tree_is_not_a_chunk_of_the_same_content():
    repository = create_small()
    content = b"the content of both"
    as_tree = repository.blob_id(BlobKind.TREE, content)
    reader = store_blobs(repository, [(as_tree, content, len(content), None)])
    with pytest.raises(DamageError):
        reader.load(BlobKind.CHUNK, as_tree)


def test_a_delta_is_expanded_against_its_base():
    repository = create_small()
    old, new = b"a long line that stays\n" * 50, b"a long line that stays\n" * 50 + b"!"
    base, blob = chunk_id(repository, old), chunk_id(repository, new)
    body = Compressor().compress_delta(new, old)
    assert len(body) < 60
    reader = store_blobs(
        repository,
        [
            (base, old, len(old), None),
            (blob, body, len(new), base[:PREFIX_BYTES]),
        ],
    )
    assert reader.load(BlobKind.CHUNK, blob) == new


def test_deltas_that_refer_to_each_other_are_refused():
    repository = create_small()
    first, second = chunk_id(repository, b"first"), chunk_id(repository, b"second")
    body = Compressor().compress_delta(b"first", b"second")
    reader = store_blobs(
        repository,
        [
            (first, body, 5, second[:PREFIX_BYTES]),
            (second, body, 6, first[:PREFIX_BYTES]),
        ],
    )
    with pytest.raises(DamageError, match="base"):
        reader.load(BlobKind.CHUNK, first)


def test_a_delta_whose_base_is_gone_is_damage():
    repository = create_small()
    blob = chunk_id(repository, b"new content")
    body = Compressor().compress_delta(b"new content", b"old content")
    reader = store_blobs(repository, [(blob, body, 11, b"?" * PREFIX_BYTES)])
    with pytest.raises(DamageError, match="base is missing"):
        reader.load(BlobKind.CHUNK, blob)
