"""XChaCha20-Poly1305, from and into buffers of the caller (package ``pynacl``).

libsodium is called below PyNaCl's public functions because those copy the
message twice into fresh memory; at a megabyte the page faults of that cost more
than the cipher (docs/decisions/0003). Where the private names are missing, the
public functions do the same, slower. Cipher: RFC 8439 with the 24-byte nonce of
draft-irtf-cfrg-xchacha-03.
"""

from typing import Any

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.utils import random as random_bytes

from chunkvault.errors import DamageError

try:
    from nacl._sodium import ffi as _ffi
    from nacl._sodium import lib as _lib
except ImportError:  # pragma: no cover - a PyNaCl that moved its internals
    _ffi = _lib = None

__all__ = [
    "KEY_BYTES",
    "NONCE_BYTES",
    "TAG_BYTES",
    "counter_nonce",
    "open_sealed",
    "random_bytes",
    "seal",
    "seal_into",
    "use_public_functions",
]

KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 16

Buffer = bytes | bytearray | memoryview


def counter_nonce(number: int) -> bytes:
    """The nonce of the message with this number under a key of its own."""
    return number.to_bytes(NONCE_BYTES, "little")


def seal(plain: Buffer, aad: bytes, nonce: bytes, key: bytes) -> bytes:
    """Encrypt and authenticate; the result is `TAG_BYTES` longer."""
    sealed = bytearray(len(plain) + TAG_BYTES)
    seal_into(sealed, 0, plain, aad, nonce, key)
    return bytes(sealed)


def seal_into(
    target: bytearray,
    offset: int,
    plain: Buffer,
    aad: bytes,
    nonce: bytes,
    key: bytes,
) -> int:
    """Seal ``plain`` into ``target`` at ``offset``; returns the sealed length."""
    length: int = _seal_into(target, offset, plain, aad, nonce, key)
    return length


def open_sealed(sealed: Buffer, aad: bytes, nonce: bytes, key: bytes) -> bytearray:
    """Decrypt what `seal` made.

    Raises:
        DamageError: the bytes, the associated data, the nonce or the key are
            not those it was sealed with.
    """
    if len(sealed) < TAG_BYTES:
        raise DamageError("sealed data is too short")
    plain: bytearray = _open_sealed(sealed, aad, nonce, key)
    return plain


def _seal_direct(
    target: bytearray,
    offset: int,
    plain: Buffer,
    aad: bytes,
    nonce: bytes,
    key: bytes,
) -> int:
    length = len(plain) + TAG_BYTES
    if offset < 0 or offset + length > len(target):
        raise ValueError("the sealed data does not fit into the target")
    out = _ffi.from_buffer(target)
    written = _ffi.new("unsigned long long *")
    _lib.crypto_aead_xchacha20poly1305_ietf_encrypt(
        out + offset,
        written,
        _ffi.from_buffer(plain),
        len(plain),
        aad,
        len(aad),
        _ffi.NULL,
        nonce,
        key,
    )
    return int(written[0])


def _open_direct(sealed: Buffer, aad: bytes, nonce: bytes, key: bytes) -> bytearray:
    plain = bytearray(len(sealed) - TAG_BYTES)
    status = _lib.crypto_aead_xchacha20poly1305_ietf_decrypt(
        _ffi.from_buffer(plain),
        _ffi.NULL,
        _ffi.NULL,
        _ffi.from_buffer(sealed),
        len(sealed),
        aad,
        len(aad),
        nonce,
        key,
    )
    if status != 0:
        raise DamageError("sealed data does not authenticate")
    return plain


def _seal_public(
    target: bytearray,
    offset: int,
    plain: Buffer,
    aad: bytes,
    nonce: bytes,
    key: bytes,
) -> int:
    sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        bytes(plain), aad, nonce, key
    )
    if offset < 0 or offset + len(sealed) > len(target):
        raise ValueError("the sealed data does not fit into the target")
    target[offset : offset + len(sealed)] = sealed
    return len(sealed)


def _open_public(sealed: Buffer, aad: bytes, nonce: bytes, key: bytes) -> bytearray:
    try:
        return bytearray(
            bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                bytes(sealed), aad, nonce, key
            )
        )
    except CryptoError:
        raise DamageError("sealed data does not authenticate") from None


_seal_into: Any = _seal_direct
_open_sealed: Any = _open_direct


def use_public_functions() -> None:
    """Go through PyNaCl's public functions from now on (slower, same bytes)."""
    globals().update(_seal_into=_seal_public, _open_sealed=_open_public)


if _lib is None:  # pragma: no cover - see above
    use_public_functions()
