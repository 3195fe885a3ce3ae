"""Small files in the cache: one for each place, replaced in one step."""

import os
from contextlib import suppress
from hashlib import blake2b

__all__ = ["name_of", "replace_file"]


def name_of(place: str) -> bytes:
    """The name of the file for a place, which may be any text."""
    digest = blake2b(place.encode("utf-8", "surrogateescape"), digest_size=16)
    return digest.hexdigest().encode()


def replace_file(path: bytes, content: bytes) -> None:
    """Write a file that only we can read; a cache that cannot be written stays."""
    temporary = path + b"." + os.urandom(8).hex().encode()
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
        os.replace(temporary, path)
