"""What stands in one volume with blobs that were looked up: found without the index.

Files that were backed up together are restored together, but the index is in the
order of random ids: where it is larger than memory, each of their chunks costs a
block of it, 300 µs and from a far store a request. A volume's own directory places
all its blobs for the price of some blocks.
"""

from collections import Counter
from threading import Lock

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.errors import DamageError, ObjectNotFound, UnsupportedFormat
from chunkvault.format import names
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import VolumeId
from chunkvault.repository.directories import read_directory
from chunkvault.repository.locations import (
    BlobLocation,
    frame_locations,
    place_blob,
)

__all__ = ["BesideBlobs"]

_BLOCKS_INSTEAD = 16
"""So many blocks are read for blobs of one volume before its directory is."""

_MAX_BLOBS = 50_000
"""So many places are kept, in about 20 MB."""


class BesideBlobs:
    """Places of blobs in volumes that are read much at the moment. Any thread."""

    def __init__(self, backend: Backend, keyring: Keyring) -> None:
        self._backend = backend
        self._keyring = keyring
        self._places: dict[bytes, BlobLocation] = {}
        self._asked: Counter[VolumeId] = Counter()
        self._lock = Lock()

    def find(self, prefix: bytes) -> BlobLocation | None:
        """Where the blob is, if that is known here."""
        return self._places.get(prefix)

    def note_block(self, location: BlobLocation) -> None:
        """A block of the index was read to find this blob."""
        volume = location.frame.volume
        with self._lock:
            self._asked[volume.volume_id] += 1
            is_worth_it = self._asked[volume.volume_id] == _BLOCKS_INSTEAD
        if is_worth_it:
            self._read(volume)

    def _read(self, volume: VolumeRecord) -> None:
        info = ObjectInfo(names.volume_name(volume.kind, volume.volume_id), volume.size)
        try:
            found, blobs = read_directory(self._backend, self._keyring, info)
        except (DamageError, ObjectNotFound, UnsupportedFormat):
            return  # who reads the blobs themselves will be told
        if len(blobs) > _MAX_BLOBS:
            return
        frames = frame_locations(found)
        places = {blob.prefix: place_blob(frames, blob) for blob in blobs}
        with self._lock:
            if len(self._places) + len(places) > _MAX_BLOBS:
                # Those of now are asked for again by the volumes that come back.
                self._places = {}
                self._asked.clear()
            self._places = self._places | places
