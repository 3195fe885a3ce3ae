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
from chunkvault.errors import ChunkvaultError, UsageError, os_reason
from chunkvault.repository import DeviceKey, Passphrase

__all__ = [
    "DEVICE_KEY_BYTES",
    "ask_new_password",
    "ask_passphrase",
    "create_key_file",
    "create_secret_file",
    "read_passphrase",
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

_SHELL_HINT = "no shell runs it; where it needs one: sh -c 'pass show backup | head -1'"


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


def read_passphrase(source: SecretSource) -> bytes | None:
    """The passphrase of an archive, as gpg gets it; None where none was given.

    Raises:
        UsageError: it cannot be read.
    """
    if source.kind == "passphrase":
        return os.fsencode(source.value)
    if source.kind == "passphrase_file":
        data = _read_file(source.value, _MAX_PASSWORD_BYTES)
    elif source.kind == "passphrase_command":
        data = _run_command(source.value)
    else:
        return None
    return data.partition(b"\n")[0].removesuffix(b"\r")


def ask_passphrase(*, twice: bool = False) -> bytes:
    """Ask for the passphrase of an archive.

    Raises:
        UsageError: nobody is there to be asked, or the two answers differ.
    """
    hint = (
        "set CHUNKVAULT_DUPLICITY_PASSPHRASE, or give --passphrase-file or"
        " --passphrase-command"
    )
    what = "passphrase of the archive"
    return os.fsencode(_ask_text("passphrase", what, twice=twice, hint=hint))


def create_key_file(path: str) -> DeviceKey:
    """Draw a new device key and write it, durably, where only we may read it.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    key = os.urandom(DEVICE_KEY_BYTES)
    create_secret_file(path, key, "key")
    return DeviceKey(key)


def create_secret_file(path: str, secret: bytes, what: str) -> None:
    """Write a secret to a new file, durably, where only we may read it.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(secret)
                file.flush()
                os.fsync(descriptor)
        except BaseException:
            os.unlink(path)  # half a secret would only be in the way
            raise
    except OSError as error:
        raise UsageError(
            f"cannot create the {what} file {printable(path)}: {os_reason(error)}",
            hint="name a file that does not exist yet, in a folder that does",
        ) from error


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
        raise UsageError(
            f"cannot read {printable(path)}: {os_reason(error)}"
        ) from error


def _run_command(command: str) -> bytes:
    words = _split_command(command)
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False)  # noqa: S603
    except OSError as error:
        program, reason = printable(words[0]), os_reason(error)
        raise UsageError(
            f"cannot run the password command: {program}: {reason}", hint=_SHELL_HINT
        ) from error
    if done.returncode:
        raise ChunkvaultError(
            f"the password command ended with exit code {done.returncode}"
        )
    return done.stdout


def _split_command(command: str) -> list[str]:
    import shlex  # needed by few, and never by --help

    try:
        words = shlex.split(command)
    except ValueError as error:  # "No closing quotation"
        reason = str(error).lower()
        raise UsageError(f"cannot run the password command: {reason}") from error
    if not words:
        raise UsageError("cannot run the password command: it is empty")
    return words


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
    return _passphrase(_ask_text("password", what, twice=twice, hint=_HINT))


def _ask_text(thing: str, what: str, *, twice: bool, hint: str) -> str:
    if not _has_terminal():
        raise UsageError(f"no {thing} was given, and no terminal to ask at", hint=hint)
    import getpass  # brings the terminal's modules along

    try:
        text = getpass.getpass(f"{what}: ")
        if twice and getpass.getpass(f"{what}, once more: ") != text:
            raise UsageError(f"the two {thing}s differ")
    except EOFError:
        raise UsageError(f"no {thing} was given", hint=hint) from None
    return text


def _has_terminal() -> bool:
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        return True
    return False
