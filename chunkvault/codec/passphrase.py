"""Passphrase to key: Argon2id (RFC 9106; package ``pynacl``)."""

from dataclasses import dataclass

from nacl import bindings
from nacl.exceptions import RuntimeError as SodiumError

from chunkvault.errors import DamageError

__all__ = ["DEFAULT_COST", "SALT_BYTES", "KdfCost", "stretch"]

SALT_BYTES = 16

_MAX_MEMORY_BYTES = 1 << 30
_MAX_PASSES = 8


@dataclass(frozen=True, slots=True)
class KdfCost:
    """How much work one guess of the passphrase is.

    Attributes:
        passes: Argon2's t.
        memory_bytes: Argon2's m.
    """

    passes: int
    memory_bytes: int


DEFAULT_COST = KdfCost(passes=3, memory_bytes=128 << 20)
"""Twice the memory that RFC 9106 recommends where memory is scarce, and still fit
for a machine with 512 MB (docs/decisions/0004)."""


def stretch(passphrase: bytes, salt: bytes, cost: KdfCost) -> bytes:
    """A 32-byte key from a passphrase.

    Raises:
        DamageError: ``cost``, which comes from storage, is beyond what a writer
            sets (at most 1 GiB and 8 passes): it would only tie up this machine.
        MemoryError: there is not as much memory.
    """
    if not (
        1 <= cost.passes <= _MAX_PASSES
        and bindings.crypto_pwhash_argon2id_MEMLIMIT_MIN
        <= cost.memory_bytes
        <= _MAX_MEMORY_BYTES
    ):
        raise DamageError("key slot asks for an unreasonable amount of work")
    try:
        return bindings.crypto_pwhash_alg(
            32,
            passphrase,
            salt,
            cost.passes,
            cost.memory_bytes,
            bindings.crypto_pwhash_ALG_ARGON2ID13,
        )
    except SodiumError as error:
        # With arguments that are right nothing else can fail.
        raise MemoryError("not enough memory to stretch the password") from error
