"""Format chapter 3: keys and key slots.

The master key is 32 random bytes; every other key is derived from it and the
repository's id. A key slot holds the master key sealed under a passphrase or a
device key; any one slot opens the repository.

Layout of a slot::

    offset  bytes
    0       8      magic "CVKEYSLT"
    8       4      format version, little-endian
    12      32     repository id
    44      1      kind: 1 passphrase, 2 device key
    45      4      Argon2id passes, little-endian (0 for a device key)
    49      4      Argon2id memory in KiB, little-endian (0 for a device key)
    53      16     salt
    69      24     nonce
    93      32     key commitment
    125     …      sealed bundle, a msgpack map
"""

import struct
from dataclasses import dataclass, field

from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.codec.hashing import derive_key, keyed_hash, same_secret
from chunkvault.codec.packing import pack, typed, unpack_canonical
from chunkvault.codec.passphrase import DEFAULT_COST, KdfCost, stretch
from chunkvault.codec.sealing import open_sealed, seal
from chunkvault.errors import FormatError, UnsupportedFormat, WrongKey
from chunkvault.format.config import FORMAT_VERSION, check_version
from chunkvault.ids import RepositoryId

__all__ = [
    "MASTER_KEY_BYTES",
    "DeviceKey",
    "KeyBundle",
    "Passphrase",
    "Secret",
    "Settings",
    "SlotHeader",
    "decode_slot_header",
    "open_slot",
    "seal_slot",
]

MASTER_KEY_BYTES = 32

_MAGIC = b"CVKEYSLT"
_HEADER = struct.Struct("<8sI32sBII16s24s")
_COMMITMENT_END = _HEADER.size + 32
_MAX_SLOT_BYTES = 1 << 20
_PASSPHRASE = 1
_DEVICE = 2
_KNOWN_FEATURES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Passphrase:
    """What a person remembers, as UTF-8 in normal form C."""

    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """32 random bytes in a file: opens a slot without stretching."""

    key: bytes = field(repr=False)


Secret = Passphrase | DeviceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every client of a repository must do alike; fixed at its creation.

    Attributes:
        chunker: sizes of the chunks.
        frame_bytes: content after which a frame is closed.
        volume_bytes: stored bytes after which a volume is closed.
        features: what a reader must understand to go on.
    """

    chunker: ChunkerParameters
    frame_bytes: int
    volume_bytes: int
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBundle:
    """What a slot seals.

    Attributes:
        masters: one master key per epoch, oldest first.
        settings: of the repository.
        label: what people call the slot.
        created_ns: when the slot was made.
    """

    masters: tuple[bytes, ...] = field(repr=False)
    settings: Settings
    label: str
    created_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotHeader:
    """The part of a slot that can be read without a key."""

    repository_id: RepositoryId
    kind: int
    cost: KdfCost
    salt: bytes
    nonce: bytes

    @property
    def is_device(self) -> bool:
        """Whether a device key opens the slot, rather than a passphrase."""
        return self.kind == _DEVICE


def seal_slot(
    bundle: KeyBundle,
    secret: Secret,
    repository_id: RepositoryId,
    *,
    salt: bytes,
    nonce: bytes,
    cost: KdfCost = DEFAULT_COST,
) -> bytes:
    """The bytes of a slot that ``secret`` opens."""
    is_device = isinstance(secret, DeviceKey)
    header = SlotHeader(
        repository_id=repository_id,
        kind=_DEVICE if is_device else _PASSPHRASE,
        cost=KdfCost(0, 0) if is_device else cost,
        salt=salt,
        nonce=nonce,
    )
    head = _encode_header(header)
    key = _wrapping_key(secret, header)
    head += _commitment(key, head)
    return head + seal(pack(_bundle_to_map(bundle)), head, nonce, key)


def decode_slot_header(data: bytes) -> SlotHeader:
    """What the slot says in the clear.

    Raises:
        UnsupportedFormat: a newer version wrote it.
        FormatError: it is not a key slot.
    """
    if not _COMMITMENT_END < len(data) <= _MAX_SLOT_BYTES or data[:8] != _MAGIC:
        raise FormatError("not a key slot")
    fields = _HEADER.unpack_from(data)
    _, version, repository_id, kind, passes, memory_kib, salt, nonce = fields
    check_version(version)
    if kind not in (_PASSPHRASE, _DEVICE):
        raise UnsupportedFormat(f"key slot of unknown kind {kind}")
    return SlotHeader(
        repository_id=RepositoryId(repository_id),
        kind=kind,
        cost=KdfCost(passes, memory_kib * 1024),
        salt=salt,
        nonce=nonce,
    )


def open_slot(data: bytes, secret: Secret) -> KeyBundle:
    """What the slot seals.

    Raises:
        WrongKey: ``secret`` is not the one it was sealed with.
        UnsupportedFormat: the repository uses features this program lacks.
        DamageError: the slot is not as `seal_slot` made it.
    """
    header = decode_slot_header(data)
    if header.is_device != isinstance(secret, DeviceKey):
        raise WrongKey("the key slot is of another kind")
    key = _wrapping_key(secret, header)
    head, sealed = data[:_COMMITMENT_END], data[_COMMITMENT_END:]
    if not same_secret(_commitment(key, head[: _HEADER.size]), head[_HEADER.size :]):
        raise WrongKey("the password or key does not open the key slot")
    plain = open_sealed(sealed, head, header.nonce, key)
    return _bundle_from_map(unpack_canonical(plain))


def _encode_header(header: SlotHeader) -> bytes:
    return _HEADER.pack(
        _MAGIC,
        FORMAT_VERSION,
        header.repository_id,
        header.kind,
        header.cost.passes,
        header.cost.memory_bytes // 1024,
        header.salt,
        header.nonce,
    )


def _wrapping_key(secret: Secret, header: SlotHeader) -> bytes:
    if isinstance(secret, DeviceKey):
        return derive_key("chunkvault v1 device key slot", secret.key + header.salt)
    stretched = stretch(secret.text, header.salt, header.cost)
    return derive_key("chunkvault v1 passphrase slot", stretched)


def _commitment(key: bytes, head: bytes) -> bytes:
    # XChaCha20-Poly1305 does not commit to its key: without this, one slot could
    # be built to open under many passphrases at once (Len, Grubbs, Ristenpart,
    # "Partitioning Oracle Attacks", 2021).
    return keyed_hash(derive_key("chunkvault v1 slot commitment", key), head)


def _bundle_to_map(bundle: KeyBundle) -> dict[str, object]:
    settings = bundle.settings
    sizes = settings.chunker
    return {
        "masters": list(bundle.masters),
        "chunker": [sizes.minimum, sizes.average, sizes.maximum],
        "frame_bytes": settings.frame_bytes,
        "volume_bytes": settings.volume_bytes,
        "features": list(settings.features),
        "label": bundle.label,
        "created_ns": bundle.created_ns,
    }


def _bundle_from_map(fields: object) -> KeyBundle:
    try:
        bundle = _parse_bundle(fields)
    except (KeyError, TypeError, ValueError):
        raise FormatError("the content of a key slot makes no sense") from None
    unknown = set(bundle.settings.features) - _KNOWN_FEATURES
    if unknown:
        raise UnsupportedFormat(f"the repository needs {', '.join(sorted(unknown))}")
    return bundle


def _parse_bundle(fields: object) -> KeyBundle:
    if not isinstance(fields, dict):
        raise TypeError
    masters = tuple(typed(master, bytes) for master in fields["masters"])
    if not masters or any(len(master) != MASTER_KEY_BYTES for master in masters):
        raise ValueError
    minimum, average, maximum = (typed(size, int) for size in fields["chunker"])
    return KeyBundle(
        masters=masters,
        settings=Settings(
            chunker=ChunkerParameters(minimum, average, maximum),
            frame_bytes=typed(fields["frame_bytes"], int),
            volume_bytes=typed(fields["volume_bytes"], int),
            features=tuple(typed(text, str) for text in fields["features"]),
        ),
        label=typed(fields["label"], str),
        created_ns=typed(fields["created_ns"], int),
    )
