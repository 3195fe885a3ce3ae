"""Where the secret comes from: a variable, a file, a command, the terminal.

A password is text in Unicode's normal form C, as UTF-8, so that it opens the
repository whichever way a keyboard composes its letters. A device key is a file
of 32 random bytes that only its owner may read.
"""

import contextlib
import os
import stat
import subprocess
import sys
import unicodedata

from chunkvault.cli.output import printable
from chunkvault.cli.settings import SecretSource
from chunkvault.errors import ChunkvaultError, UsageError
from chunkvault.repository import DeviceKey, Passphrase

__all__ = [
    "DEVICE_KEY_BYTES",
    "ask_new_password",
    "create_key_file",
    "read_password_file",
    "read_secret",
]

DEVICE_KEY_BYTES = 32
_MAX_PASSWORD_BYTES = 64 * 1024
_MODE_OF_OTHERS = 0o077
_HINT = (
    "set CHUNKVAULT_PASSWORD_FILE, CHUNKVAULT_PASSWORD_COMMAND or"
    " CHUNKVAULT_KEY_FILE where nobody can type a password"
)


def read_secret(source: SecretSource, *, twice: bool = False) -> Passphrase | DeviceKey:
    """The password or device key.

    Args:
        source: where it comes from.
        twice: ask a second time, because a slip would lock its owner out.

    Raises:
        UsageError: it cannot be read, or nobody is there to be asked.
    """
    if source.kind == "key_file":
        return DeviceKey(_read_key_file(source.value))
    if source.kind == "password":
        return _passphrase(source.value)
    if source.kind == "password_file":
        return read_password_file(source.value)
    if source.kind == "password_command":
        return _first_line(_run_command(source.value), "the password command's output")
    return _ask("password", twice=twice)


def ask_new_password() -> Passphrase:
    """Ask twice, because a slip would lock its owner out.

    Raises:
        UsageError: nobody is there to be asked, or the answers differ.
    """
    return _ask("new password", twice=True)


def read_password_file(path: str) -> Passphrase:
    """The first line of a file, without its end of line."""
    return _first_line(_read_file(path, _MAX_PASSWORD_BYTES), printable(path))


def create_key_file(path: str) -> DeviceKey:
    """Draw a new device key and write it, durably, where only we may read it.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    key = os.urandom(DEVICE_KEY_BYTES)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        with open(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise UsageError(
            f"cannot create the key file {printable(path)}: {error.strerror}",
            hint="name a file that does not exist yet, in a folder that does",
        ) from error
    return DeviceKey(key)


def _read_key_file(path: str) -> bytes:
    key = _read_file(path, DEVICE_KEY_BYTES + 1)
    if len(key) != DEVICE_KEY_BYTES:
        raise UsageError(
            f"{printable(path)} is not a device key",
            hint="'chunkvault key add --device FILE' makes one",
        )
    if stat.S_IMODE(os.stat(path).st_mode) & _MODE_OF_OTHERS:
        print(
            f"chunkvault: other users may read the key file {printable(path)};"
            " 'chmod 600' keeps it to you",
            file=sys.stderr,
        )
    return key


def _read_file(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError as error:
        raise UsageError(f"cannot read {printable(path)}: {error.strerror}") from error


def _run_command(command: str) -> bytes:
    import shlex  # needed by few, and never by --help

    try:
        words = shlex.split(command)
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False)  # noqa: S603
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(f"cannot run the password command: {error}") from error
    if done.returncode:
        raise ChunkvaultError(
            f"the password command ended with exit code {done.returncode}"
        )
    return done.stdout


def _first_line(data: bytes, source: str) -> Passphrase:
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    try:
        return _passphrase(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"the password in {source} is not UTF-8") from error


def _passphrase(text: str) -> Passphrase:
    if not text:
        raise UsageError("the password is empty", hint=_HINT)
    try:
        return Passphrase(unicodedata.normalize("NFC", text).encode("utf-8"))
    except UnicodeEncodeError as error:
        raise UsageError("the password is not UTF-8") from error


def _ask(what: str, *, twice: bool) -> Passphrase:
    if not _has_terminal():
        raise UsageError("no password was given, and no terminal to ask at", hint=_HINT)
    import getpass  # brings the terminal's modules along

    try:
        text = getpass.getpass(f"{what}: ")
        if twice and getpass.getpass(f"{what}, once more: ") != text:
            raise UsageError("the two passwords differ")
    except EOFError:
        raise UsageError("no password was given", hint=_HINT) from None
    return _passphrase(text)


def _has_terminal() -> bool:
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        return True
    return False
