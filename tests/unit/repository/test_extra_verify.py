"""Faulty memory: what is about to be uploaded is opened again and compared."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.codec.compression import Compressor
from chunkvault.errors import ChunkvaultError, DamageError
from chunkvault.format.blob import BlobKind
from chunkvault.repository import create_repository
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
