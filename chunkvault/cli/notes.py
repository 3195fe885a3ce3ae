"""Notes of stores in the cache, sealed: an authorisation must not lie in the clear.

The key comes from the store's own secret, so who can open a note could as well have
asked the store. Only long random secrets may be used so; a password could be guessed.
"""

import os

from chunkvault.cli.cache_files import name_of, replace_file

__all__ = ["SealedNotes"]

_PURPOSE = "chunkvault notes of stores, version 1"
_MAX_BYTES = 64 << 10


class SealedNotes:
    """One file for each place; whatever is wrong with it, there is no note."""

    def __init__(self, directory: bytes) -> None:
        self._directory = directory

    def recall(self, place: str, secret: str) -> bytes | None:
        """What was remembered last; None if nothing, or under another secret."""
        from chunkvault.codec.hashing import derive_key  # not needed by most commands
        from chunkvault.codec.sealing import NONCE_BYTES, open_sealed
        from chunkvault.errors import DamageError

        try:
            with open(self._path(place), "rb") as file:
                sealed = file.read(_MAX_BYTES)
            nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            key = derive_key(_PURPOSE, secret.encode())
            return bytes(open_sealed(rest, place.encode(), nonce, key))
        except (OSError, ValueError, DamageError):
            return None

    def remember(self, place: str, secret: str, content: bytes) -> None:
        """Keep this instead, readable with the secret alone; if that is possible."""
        from chunkvault.codec.hashing import derive_key  # as above
        from chunkvault.codec.sealing import NONCE_BYTES, random_bytes, seal

        nonce = random_bytes(NONCE_BYTES)
        key = derive_key(_PURPOSE, secret.encode())
        sealed = seal(content, place.encode(), nonce, key)
        replace_file(self._path(place), nonce + sealed)

    def _path(self, place: str) -> bytes:
        return os.path.join(self._directory, name_of(place))
