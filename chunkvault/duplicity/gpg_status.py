"""What gpg says: its status lines, put into words.

They do not depend on the language, as its messages do. Source: ``doc/DETAILS`` of
GnuPG.
"""

import errno
from collections.abc import Collection
from enum import Enum, auto
from typing import BinaryIO

from chunkvault.errors import ChunkvaultError, DamageError, UsageError, WrongKey

__all__ = [
    "NotSigned",
    "Trouble",
    "cannot_start",
    "decryption_failed",
    "diagnose",
    "encryption_failed",
    "read_status",
    "require_signature",
]

_MAX_STATUS_BYTES = 64 << 10
_BAD_PASSPHRASE = 11
"""GPG_ERR_BAD_PASSPHRASE of libgpg-error."""


class Trouble(Enum):
    """Why gpg could not decrypt."""

    NEEDS_PASSPHRASE = auto()
    WRONG_PASSPHRASE = auto()
    NO_SECRET_KEY = auto()
    NO_INTEGRITY = auto()
    BAD_SIGNATURE = auto()
    DAMAGED = auto()


class NotSigned(DamageError):
    """A file has not the signature that was asked for."""

    hint = "somebody may have put it there; without --sign-key nobody asks who"


def read_status(status: BinaryIO) -> list[list[str]]:
    """The words of each status line, without the mark that begins it."""
    status.seek(0)
    text = status.read(_MAX_STATUS_BYTES).decode("utf-8", "replace")
    return [line.split()[1:] for line in text.splitlines() if line.count(" ")]


def diagnose(status: list[list[str]], *, has_secret: bool) -> Trouble | None:
    """What went wrong; None if only the signature's key is unknown here."""
    words = {line[0] for line in status}
    errors = {
        line[1]: line[2] for line in status if len(line) > 2 and line[0] == "ERROR"
    }
    if "BADSIG" in words:
        return Trouble.BAD_SIGNATURE
    if "DECRYPTION_OKAY" in words and "BADMDC" not in words:
        return None
    infos = [line for line in status if line[0] == "DECRYPTION_INFO"]
    if "PLAINTEXT" in words and any(_is_unprotected(line) for line in infos):
        return Trouble.NO_INTEGRITY
    return _diagnose_secret(words, errors, has_secret=has_secret)


def require_signature(status: list[list[str]], signers: Collection[str]) -> None:
    """Refuse what none of these keys has signed.

    A key may have expired since; one that was revoked says nothing.

    Args:
        status: of a file that was decrypted without an error.
        signers: fingerprints of keys, or of the primary keys they belong to.

    Raises:
        NotSigned: there is no signature, or it is by another key.
    """
    words = {line[0] for line in status}
    valid = [line for line in status if line[0] == "VALIDSIG" and len(line) > 1]
    if not valid:
        unknown = "ERRSIG" in words
        raise NotSigned("its signature is by another key" if unknown else "not signed")
    if "REVKEYSIG" in words:
        raise NotSigned("the key of its signature was revoked")
    # Of a good signature gpg names the key, and last the primary key it belongs to.
    if not all({line[1], line[-1]} & set(signers) for line in valid):
        raise NotSigned("its signature is by another key")


def decryption_failed(trouble: Trouble) -> ChunkvaultError:
    """The error to raise."""
    match trouble:
        case Trouble.NEEDS_PASSPHRASE:
            return _wrong_key("gpg needs a passphrase to decrypt")
        case Trouble.WRONG_PASSPHRASE:
            return _wrong_key("gpg does not accept the passphrase")
        case Trouble.NO_SECRET_KEY:
            return _wrong_key("gpg has no secret key to decrypt with")
        case Trouble.NO_INTEGRITY:
            return _damaged("gpg found no protection against changes")
        case Trouble.BAD_SIGNATURE:
            return _damaged("gpg found a wrong signature")
        case Trouble.DAMAGED:
            return _damaged("gpg cannot decrypt: the file is damaged")


def encryption_failed(status: list[list[str]]) -> ChunkvaultError:
    """The error to raise."""
    words = {line[0] for line in status}
    errors = [line for line in status if line[0] in ("ERROR", "FAILURE")]
    if "INV_RECP" in words:
        return WrongKey("gpg has no key to encrypt to", hint="see 'gpg --list-keys'")
    if "INV_SGNR" in words:
        hint = "see 'gpg --list-secret-keys'"
        return WrongKey("gpg has no key to sign with", hint=hint)
    if any(_code(line[2]) == _BAD_PASSPHRASE for line in errors if len(line) > 2):
        return _wrong_key("gpg does not accept the passphrase of the key")
    if errors or "NEED_PASSPHRASE" in words:
        return _wrong_key("gpg could not encrypt, or not sign")
    return ChunkvaultError("gpg failed while it encrypted")


def cannot_start(program: str, error: OSError) -> UsageError:
    """The error to raise where gpg does not even run."""
    if error.errno == errno.ENOENT:
        hint = "install GnuPG (on Debian: apt install gnupg)"
        return UsageError(f"the program {program} is not there", hint=hint)
    return UsageError(f"cannot run {program}: {error.strerror}")


def _diagnose_secret(
    words: set[str], errors: dict[str, str], *, has_secret: bool
) -> Trouble:
    asked = "NEED_PASSPHRASE" in words or "NEED_PASSPHRASE_SYM" in words
    if not has_secret and (asked or "pkdecrypt_failed" in errors):
        return Trouble.NEEDS_PASSPHRASE
    symmetric = errors.get("symkey_decrypt.maybe_error", "")
    by_key = errors.get("pkdecrypt_failed", "")
    if "BAD_PASSPHRASE" in symmetric or _code(by_key) == _BAD_PASSPHRASE:
        return Trouble.WRONG_PASSPHRASE
    if "NO_SECKEY" in words and not asked:
        return Trouble.NO_SECRET_KEY
    return Trouble.DAMAGED


def _is_unprotected(info: list[str]) -> bool:
    """Whether the message has neither a hash (MDC) nor a cipher with a tag (AEAD)."""
    return info[1:2] == ["0"] and info[3:4] == ["0"]


def _code(text: str) -> int:
    """The number of an error, without that of the part of gpg it comes from."""
    return int(text) & 0xFFFF if text.isascii() and text.isdigit() else 0


def _wrong_key(message: str) -> WrongKey:
    return WrongKey(
        message, hint="check the passphrase, and whether --gpg-home has the secret key"
    )


def _damaged(message: str) -> DamageError:
    return DamageError(
        message, hint="get the file from another copy of the archive, if there is one"
    )
