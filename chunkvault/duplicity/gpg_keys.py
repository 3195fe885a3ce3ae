"""Find out which key is meant by a name, an address or a part of a fingerprint."""

import subprocess

from chunkvault.duplicity.gpg import GpgOptions
from chunkvault.duplicity.gpg_status import cannot_start
from chunkvault.errors import UsageError, WrongKey

__all__ = ["fingerprints"]

_PLACE_OF_FINGERPRINT = 9


def fingerprints(options: GpgOptions, name: str) -> frozenset[str]:
    """The fingerprints of a key and its subkeys.

    Args:
        options: how gpg is run, and where its keys are.
        name: whatever gpg takes for one.

    Raises:
        WrongKey: gpg has no such key.
        UsageError: there are several, or gpg cannot be started.
    """
    if not name or name.startswith("-"):
        raise UsageError(f"{name!r} is not the name of a key")
    records = [line.split(":") for line in _list_keys(options, name)]
    keys = [record for record in records if record[0] == "pub"]
    if not keys:
        raise WrongKey(
            f"gpg has no key {name!r} to check signatures with",
            hint="see 'gpg --list-keys'; 'gpg --import' takes one from a file",
        )
    if len(keys) > 1:
        raise UsageError(
            f"gpg has {len(keys)} keys for {name!r}", hint="give the whole fingerprint"
        )
    return frozenset(
        record[_PLACE_OF_FINGERPRINT]
        for record in records
        if record[0] == "fpr" and len(record) > _PLACE_OF_FINGERPRINT
    )


def _list_keys(options: GpgOptions, name: str) -> list[str]:
    words: list[str | bytes] = [options.program, "--batch", "--no-tty"]
    if options.home is not None:
        words += ["--homedir", options.home]
    words += ["--with-colons", "--fixed-list-mode", "--list-keys", "--", name]
    try:
        done = subprocess.run(  # noqa: S603 - the user's own gpg
            words, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise cannot_start(options.program, error) from error
    return done.stdout.decode("utf-8", "replace").splitlines()
