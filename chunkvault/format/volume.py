"""Format chapter 5: volumes. Frames of blobs, a sealed directory, a sealed footer.

::

    header     128 bytes, the only part that is readable without a key
    frames     sealed, one after the other
    padding    sealed zeros, so that the size tells little
    directory  sealed: which blobs lie where
    footer     sealed, the last 40 bytes: where the directory is

Header::

    0    8   magic "CVVOLUME"
    8    1   cipher suite: 1 XChaCha20-Poly1305
    9    1   wrap kind: 0 by a key of the repository (1 is kept for public keys)
    10   1   kind of the blobs: 1 chunks, 2 trees
    11   1   parity: 0 none
    12   4   epoch of the keys, little-endian
    16   32  salt, random
    48   24  nonce of the wrapped key
    72   48  the volume's key, sealed
    120  8   zero

Nothing about the sizes of frames or blobs is in the clear: chunk sizes would
tell which known files a repository holds (Truong et al., "Breaking and Fixing
Content-Defined Chunking", 2025).
"""

import struct
from dataclasses import dataclass, field

from chunkvault.codec.hashing import content_hash, derive_key
from chunkvault.codec.sealing import (
    NONCE_BYTES,
    TAG_BYTES,
    counter_nonce,
    open_sealed,
    seal,
    seal_into,
)
from chunkvault.errors import FormatError, UnsupportedFormat
from chunkvault.format.blob import BlobKind
from chunkvault.format.padding import MAX_PADDING, padded_size
from chunkvault.format.subkeys import Keyring
from chunkvault.ids import RepositoryId

__all__ = [
    "FOOTER_BYTES",
    "HEADER_BYTES",
    "VOLUME_KEY_BYTES",
    "Footer",
    "VolumeSealer",
    "build_header",
    "open_header",
    "parse_kind",
]

HEADER_BYTES = 128
VOLUME_KEY_BYTES = 32
SALT_BYTES = 32
FOOTER_BYTES = 24 + TAG_BYTES

_MAGIC = b"CVVOLUME"
_CLEAR = struct.Struct("<8sBBBBI32s")
_FOOTER = struct.Struct("<QQQ")
_KEY_END = _CLEAR.size + NONCE_BYTES + VOLUME_KEY_BYTES + TAG_BYTES
_SUITE = 1
_WRAP_SYMMETRIC = 0
_DIRECTORY_NONCE = 0
_FOOTER_NONCE = 1
_PADDING_NONCE = 2


@dataclass(frozen=True, slots=True)
class Footer:
    """Where the directory is.

    Attributes:
        frames_end: where the last frame ends and padding begins.
        directory_offset: from the start of the volume.
        directory_length: sealed.
    """

    frames_end: int
    directory_offset: int
    directory_length: int


@dataclass(frozen=True, slots=True)
class VolumeSealer:
    """Seals and opens the parts of one volume.

    Made by `build_header` or `open_header`; any thread.
    """

    kind: int
    header: bytes
    _binding: bytes = field(repr=False)
    _frame_key: bytes = field(repr=False)
    _directory_key: bytes = field(repr=False)

    def frame_aad(self, number: int, codec: int, plain_length: int) -> bytes:
        """What a frame is bound to: repository, volume, place, codec and length."""
        place = struct.pack("<IBI", number, codec, plain_length)
        return content_hash(self._binding, place)

    def seal_frame_into(
        self,
        target: bytearray,
        offset: int,
        payload: bytes | memoryview,
        place: tuple[int, int, int],
    ) -> None:
        """Seal ``payload``; ``place`` is (number, codec, plain length)."""
        nonce = counter_nonce(place[0])
        aad = self.frame_aad(*place)
        seal_into(target, offset, payload, aad, nonce, self._frame_key)

    def open_frame(
        self, sealed: bytes | memoryview, place: tuple[int, int, int]
    ) -> bytearray:
        """Undo `seal_frame_into`.

        Raises:
            DamageError: not the frame that was sealed for this place.
        """
        nonce = counter_nonce(place[0])
        return open_sealed(sealed, self.frame_aad(*place), nonce, self._frame_key)

    def seal_end(self, frames_end: int, directory: bytes) -> bytes:
        """Padding, directory and footer, to follow the frames."""
        sealed = self._seal(directory, _DIRECTORY_NONCE)
        unpadded = frames_end + TAG_BYTES + len(sealed) + FOOTER_BYTES
        padding = self._seal(bytes(padded_size(unpadded) - unpadded), _PADDING_NONCE)
        footer = _FOOTER.pack(frames_end, frames_end + len(padding), len(sealed))
        return padding + sealed + self._seal(footer, _FOOTER_NONCE)

    def open_footer(self, data: bytes, volume_size: int) -> Footer:
        """Read the last `FOOTER_BYTES` of a volume of this size.

        Raises:
            DamageError: it is not the footer of this volume.
        """
        fields = _FOOTER.unpack(self._open(data, _FOOTER_NONCE))
        footer = Footer(*fields)
        end = footer.directory_offset + footer.directory_length + FOOTER_BYTES
        padding = footer.directory_offset - footer.frames_end
        if (
            footer.frames_end < HEADER_BYTES
            or end != volume_size
            or not TAG_BYTES <= padding <= MAX_PADDING
        ):
            raise FormatError("the footer of a volume points nowhere")
        return footer

    def open_directory(self, sealed: bytes | memoryview) -> bytes:
        """The directory's plain bytes, see `chunkvault.format.directory`.

        Raises:
            DamageError: it is not the directory of this volume.
        """
        return bytes(self._open(sealed, _DIRECTORY_NONCE))

    def check_padding(self, sealed: bytes | memoryview) -> None:
        """Check what stands between frames and directory.

        Raises:
            DamageError: it is not what `seal_end` put there.
        """
        if any(self._open(sealed, _PADDING_NONCE)):
            raise FormatError("the padding of a volume is not empty")

    def _seal(self, plain: bytes, number: int) -> bytes:
        nonce = counter_nonce(number)
        return seal(plain, self._binding, nonce, self._directory_key)

    def _open(self, sealed: bytes | memoryview, number: int) -> bytearray:
        nonce = counter_nonce(number)
        return open_sealed(sealed, self._binding, nonce, self._directory_key)


def build_header(
    keyring: Keyring, kind: int, *, salt: bytes, nonce: bytes, volume_key: bytes
) -> VolumeSealer:
    """Start a volume; the three random values are arguments for test vectors."""
    clear = _CLEAR.pack(_MAGIC, _SUITE, _WRAP_SYMMETRIC, kind, 0, keyring.epoch, salt)
    keys = keyring.of_epoch(keyring.epoch)
    aad = content_hash(keyring.repository_id, clear)
    wrapped = seal(volume_key, aad, nonce, keys.wrap[kind])
    header = clear + nonce + wrapped
    header += bytes(HEADER_BYTES - len(header))
    return _sealer(keyring, header, volume_key)


def open_header(keyring: Keyring, header: bytes) -> VolumeSealer:
    """What opens the frames and the directory of the volume with this header.

    Raises:
        UnsupportedFormat: a newer version wrote it.
        DamageError: it is not the header of a volume of this repository.
    """
    kind = parse_kind(header)
    clear = header[: _CLEAR.size]
    epoch = _CLEAR.unpack(clear)[5]
    wrap_key = keyring.of_epoch(epoch).wrap[kind]
    nonce = header[_CLEAR.size : _CLEAR.size + NONCE_BYTES]
    wrapped = header[_CLEAR.size + NONCE_BYTES : _KEY_END]
    aad = content_hash(keyring.repository_id, clear)
    volume_key = open_sealed(wrapped, aad, nonce, wrap_key)
    return _sealer(keyring, header, bytes(volume_key))


def parse_kind(header: bytes) -> int:
    """The kind of blobs in the volume, after checking the clear fields.

    Raises:
        UnsupportedFormat: a cipher, wrap or parity that this program lacks.
        FormatError: it is not the header of a volume.
    """
    if len(header) != HEADER_BYTES or header[:8] != _MAGIC:
        raise FormatError("not a volume")
    _, suite, wrap, kind, parity, _, _ = _CLEAR.unpack(header[: _CLEAR.size])
    if (suite, wrap, parity) != (_SUITE, _WRAP_SYMMETRIC, 0):
        raise UnsupportedFormat("a volume is sealed in a way this program lacks")
    if kind not in (BlobKind.CHUNK, BlobKind.TREE) or any(header[_KEY_END:]):
        raise FormatError("the header of a volume makes no sense")
    return int(kind)


def _sealer(keyring: Keyring, header: bytes, volume_key: bytes) -> VolumeSealer:
    fields = _CLEAR.unpack(header[: _CLEAR.size])
    kind, epoch, salt = fields[3], fields[5], fields[6]
    directory = keyring.of_epoch(epoch).directory
    return VolumeSealer(
        kind,
        header,
        _binding(keyring.repository_id, header),
        derive_key("chunkvault v1 frames of a volume", volume_key + salt),
        derive_key("chunkvault v1 directory of a volume", directory + salt),
    )


def _binding(repository_id: RepositoryId, header: bytes) -> bytes:
    return content_hash(repository_id, header)
