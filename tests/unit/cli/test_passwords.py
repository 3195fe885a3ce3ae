import os
import subprocess
import sys

import pytest

from chunkvault.cli.passwords import (
    DEVICE_KEY_BYTES,
    create_key_file,
    read_passphrase,
    read_secret,
)
from chunkvault.cli.settings import SecretSource
from chunkvault.errors import ChunkvaultError, UsageError
from chunkvault.repository import DeviceKey, Passphrase


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "secret"
        path.write_bytes(content)
        path.chmod(0o600)
        return str(path)

    return write


@pytest.mark.parametrize(
    "content", [b"pass word", b"pass word\n", b"pass word\r\n", b"pass word\nmore\n"]
)
def test_password_is_the_first_line_of_the_file(file, content):
    secret = read_secret(SecretSource("password_file", file(content)))
    assert secret == Passphrase(b"pass word")


@pytest.mark.parametrize("spelling", ["\u00e4", "a\u0308"])
def test_password_is_the_same_however_its_letters_are_composed(spelling):
    secret = read_secret(SecretSource("password", spelling))
    assert secret == Passphrase(b"\xc3\xa4")


def test_password_comes_from_a_command():
    source = SecretSource("password_command", "printf 'a b\\nc'")
    assert read_secret(source) == Passphrase(b"a b")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("", "it is empty"),
        ("'", "no closing quotation"),
        ("/no/such/program x", "/no/such/program: no such file or directory"),
        ("exit 3", "exit: no such file or directory"),
    ],
)
def test_password_command_that_cannot_run_is_refused(command, reason, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    told = f"cannot run the password command: {reason}$"
    with pytest.raises(UsageError, match=told):
        read_secret(SecretSource("password_command", command))


def test_password_command_that_fails_is_told():
    with pytest.raises(ChunkvaultError, match="exit code 1"):
        read_secret(SecretSource("password_command", "false"))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n"])
def test_file_without_a_password_is_refused(file, content):
    with pytest.raises(UsageError):
        read_secret(SecretSource("password_file", file(content)))


@pytest.mark.parametrize("kind", ["password_file", "key_file"])
def test_missing_file_is_named(kind):
    with pytest.raises(UsageError, match="cannot read /no/such/file"):
        read_secret(SecretSource(kind, "/no/such/file"))


def test_device_key_is_made_for_its_owner_only_and_read_back(tmp_path):
    path = str(tmp_path / "device.key")
    key = create_key_file(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert len(key.key) == DEVICE_KEY_BYTES
    assert read_secret(SecretSource("key_file", path)) == key


def test_existing_file_is_not_replaced_by_a_device_key(file):
    path = file(b"precious")
    with pytest.raises(UsageError, match="cannot create the key file"):
        create_key_file(path)
    with open(path, "rb") as kept:
        assert kept.read() == b"precious"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_file_of_another_length_is_no_device_key(file, length):
    with pytest.raises(UsageError, match="not a device key"):
        read_secret(SecretSource("key_file", file(bytes(length))))


def test_device_key_that_others_may_read_is_used_with_a_warning(file, capsys):
    path = file(bytes(32))
    os.chmod(path, 0o640)
    assert read_secret(SecretSource("key_file", path)) == DeviceKey(bytes(32))
    assert "other users may read the key file" in capsys.readouterr().err


def test_without_a_terminal_the_missing_password_is_an_error():
    program = (
        "from chunkvault.cli.passwords import read_secret\n"
        "from chunkvault.cli.settings import SecretSource\n"
        "read_secret(SecretSource('terminal'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no password was given, and no terminal to ask at" in done.stderr


@pytest.mark.parametrize(
    ("kind", "value"),
    [("passphrase", "a\u0308 b"), ("passphrase_command", "printf 'a\u0308 b\\nc'")],
)
def test_passphrase_of_an_archive_is_given_to_gpg_as_it_was_typed(kind, value):
    assert read_passphrase(SecretSource(kind, value)) == "a\u0308 b".encode()


def test_passphrase_of_an_archive_is_the_first_line_of_the_file(file):
    source = SecretSource("passphrase_file", file(b"any \xff bytes\r\nmore"))
    assert read_passphrase(source) == b"any \xff bytes"
    assert read_passphrase(SecretSource("terminal")) is None
