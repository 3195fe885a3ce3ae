"""Faulty memory: what is about to be uploaded is opened again and compared."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.codec.compression import Compressor
from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.blob import BlobKind
from chunkvault.repository import BlobReader, create_repository
from chunkvault.repository.volume_builder import VolumeBuilder
from tests.support.builders import CHEAP, KEY, SMALL, open_small

CONTENT = b"some content that compresses well\n" * 300


def flip_after_sealing(patch):
    seal = VolumeBuilder.seal

    def faulty_seal(self, place, payload):
        seal(self, place, payload)
        self.buffer[place.offset + 5] ^= 4

    patch.setattr(VolumeBuilder, "seal", faulty_seal)


def flip_before_compressing(patch):
    compress = Compressor.compress

    def faulty_compress(self, data):
        return compress(self, b"X" + bytes(data[1:]))

    patch.setattr(Compressor, "compress", faulty_compress)


def store(backend, *, extra_verify):
    repository = create_repository(
        backend, KEY, settings=SMALL, cost=CHEAP, extra_verify=extra_verify
    )
    with repository.writer(workers=0) as writer:
        return writer.save(BlobKind.CHUNK, CONTENT)


@pytest.mark.parametrize("fault", [flip_after_sealing, flip_before_compressing])
def test_a_flipped_bit_stops_the_session_before_anything_is_put(monkeypatch, fault):
    backend = MemoryBackend()
    with monkeypatch.context() as patch:
        fault(patch)
        with pytest.raises(ChunkvaultError, match="data changed") as caught:
            store(backend, extra_verify=True)
    assert "faulty" in caught.value.hint
    assert not list(backend.list("chunks/"))


def test_without_the_comparison_the_reader_finds_it(monkeypatch):
    backend = MemoryBackend()
    with monkeypatch.context() as patch:
        flip_after_sealing(patch)
        blob_id = store(backend, extra_verify=False)
    with pytest.raises(DamageError):
        open_small(backend).reader.load(BlobKind.CHUNK, blob_id)


def test_a_delta_that_does_not_expand_again_stops_the_session(monkeypatch):
    backend = MemoryBackend()
    base = store(backend, extra_verify=True)
    compress = Compressor.compress_delta

    def faulty_compress(self, data, base, level):
        return compress(self, b"X" + bytes(data[1:]), base, level)

    monkeypatch.setattr(Compressor, "compress_delta", faulty_compress)
    writer = open_small(backend).writer(workers=0)
    with pytest.raises(ChunkvaultError, match="data changed"), writer:
        writer.save(BlobKind.CHUNK, CONTENT + b"and more", base)


def test_a_base_that_is_not_what_its_id_says_gives_no_delta(monkeypatch):
    backend = MemoryBackend()
    base = store(backend, extra_verify=True)
    load = BlobReader.load_base

    def faulty_load(self, kind, prefix):
        return b"X" + load(self, kind, prefix)[1:]

    with monkeypatch.context() as patch:
        patch.setattr(BlobReader, "load_base", faulty_load)
        with open_small(backend).writer(workers=0) as writer:
            blob_id = writer.save(BlobKind.CHUNK, CONTENT + b"and more", base)
    reader = open_small(backend).reader
    assert reader.locate(blob_id).base is None
    assert reader.load(BlobKind.CHUNK, blob_id) == CONTENT + b"and more"
