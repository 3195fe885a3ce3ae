"""BLAKE3: identifiers, derived keys, checksums (package ``blake3``).

BLAKE3 has three modes that cannot be mistaken for each other: keyed hash, plain
hash and key derivation (O'Connor et al., "BLAKE3", 2020, section 2.3).
"""

from collections.abc import Iterable

from blake3 import blake3

__all__ = [
    "KEY_BYTES",
    "content_hash",
    "derive_key",
    "hash_pieces",
    "keyed_hash",
    "same_secret",
]

KEY_BYTES = 32


def keyed_hash(key: bytes, data: bytes | bytearray | memoryview) -> bytes:
    """32-byte hash of ``data`` that only a holder of ``key`` can compute."""
    return blake3(data, key=key).digest()


def content_hash(*parts: bytes | bytearray | memoryview) -> bytes:
    """32-byte hash of the parts joined, computable by anybody."""
    return _updated(blake3(), parts)


def hash_pieces(pieces: Iterable[bytes]) -> bytes:
    """`content_hash` of bytes that come piece by piece."""
    return _updated(blake3(), pieces)


def derive_key(purpose: str, material: bytes) -> bytes:
    """A 32-byte key for one purpose from secret ``material``."""
    return blake3(material, derive_key_context=purpose).digest()


def same_secret(left: bytes, right: bytes) -> bool:
    """Compare without telling by the time taken where the difference is."""
    return blake3(left).digest() == blake3(right).digest()


def _updated(state: blake3, parts: Iterable[bytes | bytearray | memoryview]) -> bytes:
    for part in parts:
        state.update(part)
    return state.digest()
