"""Read volumes and index runs whole and say what is not as it was stored."""

from collections.abc import Iterator

from chunkvault.backends.base import Backend, ObjectInfo, forget_kept
from chunkvault.codec.hashing import hash_pieces
from chunkvault.errors import DamageError, ObjectNotFound, UnsupportedFormat
from chunkvault.format import names
from chunkvault.format.directory import BlobRecord
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.subkeys import Keyring
from chunkvault.repository.blob_reader import BlobReader
from chunkvault.repository.directories import read_directory
from chunkvault.repository.locations import (
    FrameLocation,
    frame_locations,
    place_blob,
)

__all__ = ["read_intact", "verify_object", "verify_volume"]

_PIECE_BYTES = 8 << 20


def read_intact(backend: Backend, name: str) -> bytes:
    """An object named by its hash, read again if it does not fit its name.

    What it is then is for the caller to judge.

    Raises:
        ObjectNotFound: there is no such object.
    """
    data = backend.get(name)
    return data if names.is_intact(name, data) else backend.get(name)


def verify_object(backend: Backend, info: ObjectInfo) -> DamageError | None:
    """Whether the object named by its hash has the bytes it was stored with.

    Returns:
        What is wrong, twice in a row, or None. Reads piece by piece; memory stays flat.
    """
    wanted = names.hash_in_name(info.name)
    try:
        # A bad cable or bad memory shows as damage that is gone at the next read.
        for anew in (False, True):
            if hash_pieces(_pieces(backend, info, anew=anew)) == wanted:
                return None
    except ObjectNotFound:
        return DamageError(f"object {info.name} is missing", object_name=info.name)
    return DamageError(
        f"object {info.name} is damaged: its bytes are not those that were stored",
        object_name=info.name,
    )


def verify_volume(
    backend: Backend, keyring: Keyring, reader: BlobReader, record: VolumeRecord
) -> list[DamageError]:
    """Read a volume whole: its hash, its directory, every frame, every blob's id.

    Returns:
        Everything that is wrong. A delta can also fail for the volume of its
        base, which is then the object that the error names.
    """
    name = names.volume_name(record.kind, record.volume_id)
    try:
        data = backend.get(name)
    except ObjectNotFound:
        return [DamageError(f"volume {name} is missing", object_name=name)]
    found = []
    if not names.is_intact(name, data):
        found.append(_damage(name, "its bytes are not those that were stored"))
    blobs: list[BlobRecord] = []
    try:
        info = ObjectInfo(name, len(data))
        inside, blobs = read_directory(backend, keyring, info)
        if inside.frames != record.frames or inside.header != record.header:
            found.append(_damage(name, "the index contradicts its directory"))
    except (DamageError, ObjectNotFound, UnsupportedFormat) as error:
        found.append(DamageError(str(error), object_name=name))
    return found + list(_check_frames(reader, record, memoryview(data), blobs))


def _pieces(backend: Backend, info: ObjectInfo, *, anew: bool) -> Iterator[bytes]:
    offset = 0
    while True:
        if anew:
            forget_kept(backend, info.name, offset, _PIECE_BYTES)
        piece = backend.get(info.name, offset, _PIECE_BYTES)
        yield piece
        if len(piece) < _PIECE_BYTES:
            return
        offset += len(piece)


def _check_frames(
    reader: BlobReader,
    record: VolumeRecord,
    data: memoryview,
    blobs: list[BlobRecord],
) -> Iterator[DamageError]:
    frames = frame_locations(record)
    inside: list[list[BlobRecord]] = [[] for _ in frames]
    for blob in blobs:
        if blob.frame < len(frames):
            inside[blob.frame].append(blob)
    for frame in frames:
        sealed = data[frame.offset : frame.offset + frame.stored_length]
        try:
            content = reader.open_frame(frame, sealed)
        except DamageError:
            yield _damage(frame.object_name, f"frame {frame.number} does not open")
            continue
        yield from _check_blobs(reader, frames, inside[frame.number], content)


def _check_blobs(
    reader: BlobReader,
    frames: list[FrameLocation],
    blobs: list[BlobRecord],
    content: bytes,
) -> Iterator[DamageError]:
    for blob in blobs:
        location = place_blob(frames, blob)
        kind = location.frame.volume.kind
        try:
            reader.check(kind, blob.prefix, location, content)
        except DamageError as error:
            yield error


def _damage(name: str, what: str) -> DamageError:
    return DamageError(f"volume {name} is damaged: {what}", object_name=name)
