"""Volumes that no index run lists: read their own directories."""

from chunkvault.backends.base import Backend, ObjectInfo
from chunkvault.errors import DamageError, UnsupportedFormat
from chunkvault.format import names
from chunkvault.format.directory import BlobRecord, decode_directory
from chunkvault.format.index_blocks import VolumeRecord
from chunkvault.format.subkeys import Keyring
from chunkvault.format.volume import (
    FOOTER_BYTES,
    HEADER_BYTES,
    Footer,
    VolumeSealer,
    open_header,
)
from chunkvault.ids import VolumeId

__all__ = ["list_volumes", "read_directory"]

_TAIL_BYTES = 64 << 10


def list_volumes(backend: Backend, digits: str = "") -> dict[str, int]:
    """The names and sizes of all volumes that are there: two listings.

    With ``digits``, only of those whose hash begins with them.
    """
    return {
        info.name: info.size
        for folder in names.VOLUME_FOLDERS.values()
        for info in backend.list(folder + digits)
        if names.hash_in_name(info.name) is not None
    }


def read_directory(
    backend: Backend, keyring: Keyring, info: ObjectInfo
) -> tuple[VolumeRecord, list[BlobRecord]]:
    """What a volume says of itself: two or three ranged reads.

    Raises:
        DamageError: naming the volume; it is cut short, damaged, or foreign.
        ObjectNotFound: it is gone.
    """
    try:
        return _read(backend, keyring, info)
    except DamageError as error:
        raise DamageError(
            f"volume {info.name} is damaged: {error}", object_name=info.name
        ) from error
    except UnsupportedFormat as error:
        # A flipped bit can look like a newer version; the hash knows.
        if names.is_intact(info.name, backend.get(info.name)):
            raise
        raise DamageError(
            f"volume {info.name} is damaged", object_name=info.name
        ) from error


def _read(
    backend: Backend, keyring: Keyring, info: ObjectInfo
) -> tuple[VolumeRecord, list[BlobRecord]]:
    header = backend.get(info.name, 0, HEADER_BYTES)
    sealer = open_header(keyring, header)
    if not info.name.startswith(names.VOLUME_FOLDERS[sealer.kind]):
        raise DamageError("it stands in the wrong folder")
    footer, tail = _read_footer(backend, info, sealer)
    frames, blobs = decode_directory(sealer.open_directory(tail))
    stored = HEADER_BYTES + sum(frame.stored_length for frame in frames)
    if stored != footer.frames_end:
        raise DamageError("its directory contradicts its footer")
    digest = names.hash_in_name(info.name)
    assert digest is not None, "only volumes named by a hash are listed"
    record = VolumeRecord(
        VolumeId(digest), sealer.kind, info.size, header, tuple(frames)
    )
    return record, blobs


def _read_footer(
    backend: Backend, info: ObjectInfo, sealer: VolumeSealer
) -> tuple[Footer, bytes]:
    start = max(0, info.size - _TAIL_BYTES)
    tail = backend.get(info.name, start)
    footer = sealer.open_footer(tail[-FOOTER_BYTES:], info.size)
    offset, length = footer.directory_offset, footer.directory_length
    if offset >= start:
        return footer, tail[offset - start : offset - start + length]
    return footer, backend.get(info.name, offset, length)
