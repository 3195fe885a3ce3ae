import io
import os

import pytest

from chunkvault.duplicity.gpg import Gpg, GpgOptions, Trouble
from chunkvault.errors import (
    ChunkvaultError,
    DamageError,
    StorageUnreachable,
    UsageError,
    WrongKey,
)
from tests.support.gpg_homes import gpg_home, kill_agent, make_key

DATA = os.urandom(300_000)
CHEAP = {"s2k_count": 65536}

OLD = bytes.fromhex(
    "c30404070002c920efbea22b496d9a5a1f52295b030816565c8dafefb37bcbddc976c29137b3cda3"
)
"""``hello`` and a line end without protection against changes, passphrase ``x``.

As gpg wrote before 2003; put together from RFC 4880, 5.3 and 5.7.
"""


@pytest.fixture(scope="session")
def keys():
    """A home with a key that has the passphrase ``kp``, and one without any key."""
    with gpg_home() as home, gpg_home() as empty:
        make_key(home, "a@example.org", "kp")
        yield os.fsencode(home), os.fsencode(empty)


def encrypt(tmp_path, data=DATA, **options):
    path = tmp_path / "file.gpg"
    with (
        open(path, "wb") as file,
        Gpg(GpgOptions(**options)).encrypt(file.write) as out,
    ):
        for start in range(0, len(data), 100_000):
            out.write(data[start : start + 100_000])
    return path


def decrypt(path, **options):
    with open(path, "rb") as file, Gpg(GpgOptions(**options)).decrypt(file) as stream:
        pieces = []
        while piece := stream.read(1 << 16):
            pieces.append(piece)
        return b"".join(pieces)


class WithoutDescriptor(io.BytesIO):
    """A file that is fetched from somewhere; may break off."""

    def __init__(self, data, length=None):
        super().__init__(data)
        self._length = length

    def read(self, size=-1):
        if self._length is not None and self.tell() >= self._length:
            raise StorageUnreachable("the line is down")
        return super().read(size)


def test_a_file_without_a_descriptor_is_decrypted_from_where_it_stands(tmp_path):
    path = encrypt(tmp_path, passphrase=b"x", **CHEAP)
    file = WithoutDescriptor(b"before" + path.read_bytes())
    file.seek(6)
    with Gpg(GpgOptions(passphrase=b"x")).decrypt(file) as stream:
        assert b"".join(iter(lambda: stream.read(1 << 16), b"")) == DATA


def test_a_file_that_cannot_be_fetched_to_its_end_is_no_damage(tmp_path):
    data = encrypt(tmp_path, passphrase=b"x", **CHEAP).read_bytes()
    file = WithoutDescriptor(data, 1)
    with (
        Gpg(GpgOptions(passphrase=b"x")).decrypt(file) as stream,
        pytest.raises(StorageUnreachable),
    ):
        while stream.read(1 << 16):
            pass


def test_a_passphrase_that_is_wrong_is_known_without_a_descriptor_too(tmp_path):
    data = encrypt(tmp_path, os.urandom(3_000_000), passphrase=b"x", **CHEAP)
    file = WithoutDescriptor(data.read_bytes())
    with Gpg(GpgOptions(passphrase=b"y")).decrypt(file) as stream:
        with pytest.raises(WrongKey):
            stream.read(1)
        assert stream.trouble is Trouble.WRONG_PASSPHRASE


def test_a_file_without_a_descriptor_need_not_be_read_to_its_end(tmp_path):
    data = encrypt(tmp_path, os.urandom(3_000_000), passphrase=b"x", **CHEAP)
    file = WithoutDescriptor(data.read_bytes())
    with Gpg(GpgOptions(passphrase=b"x")).decrypt(file) as stream:
        assert stream.read(1)
    assert file.tell() < data.stat().st_size


def trouble_of(path, **options):
    with open(path, "rb") as file, Gpg(GpgOptions(**options)).decrypt(file) as stream:
        with pytest.raises(ChunkvaultError):
            while stream.read(1 << 16):
                pass
        return stream.trouble


def test_a_passphrase_opens_what_it_has_closed(tmp_path):
    path = encrypt(tmp_path, passphrase=b"x", **CHEAP)
    assert decrypt(path, passphrase=b"x") == DATA
    assert trouble_of(path, passphrase=b"y") is Trouble.WRONG_PASSPHRASE
    assert trouble_of(path) is Trouble.NEEDS_PASSPHRASE


def test_a_key_opens_what_was_closed_for_it(tmp_path, keys):
    home, empty = keys
    for signing in ({}, {"sign_key": "a@example.org"}):
        options = {"recipients": ("a@example.org",), "home": home} | signing
        path = encrypt(tmp_path, passphrase=b"kp", **options)
        assert decrypt(path, passphrase=b"kp", home=home) == DATA
        kill_agent(home)
        wrong = trouble_of(path, passphrase=b"no", home=home)
        assert wrong is Trouble.WRONG_PASSPHRASE
        assert trouble_of(path, home=home) is Trouble.NEEDS_PASSPHRASE
        gone = trouble_of(path, passphrase=b"kp", home=empty)
        assert gone is Trouble.NO_SECRET_KEY


def test_a_signature_by_an_unknown_key_is_no_obstacle(tmp_path, keys):
    home, empty = keys
    path = encrypt(
        tmp_path, passphrase=b"kp", home=home, sign_key="a@example.org", **CHEAP
    )
    assert decrypt(path, passphrase=b"kp", home=empty) == DATA


def test_a_hidden_recipient_finds_the_key(tmp_path, keys):
    home, _ = keys
    path = encrypt(tmp_path, hidden_recipients=("a@example.org",), home=home)
    assert decrypt(path, passphrase=b"kp", home=home) == DATA


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"garbage" * 100,
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:5000] + b"XXX" + data[5003:],
    ],
    ids=["empty", "garbage", "cut by one", "cut in half", "changed"],
)
def test_damage_is_told_before_the_end(tmp_path, change):
    path = encrypt(tmp_path, passphrase=b"x", **CHEAP)
    path.write_bytes(change(path.read_bytes()))
    assert trouble_of(path, passphrase=b"x") is Trouble.DAMAGED
    with pytest.raises(DamageError, match="damaged"):
        decrypt(path, passphrase=b"x")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"recipients": ("nobody",)}, WrongKey, "no key to encrypt to"),
        ({"sign_key": "nobody", "passphrase": b"x"}, WrongKey, "no key to sign with"),
        ({}, WrongKey, "could not encrypt"),
        ({"program": "no-such-gpg"}, UsageError, "is not there"),
    ],
)
def test_what_cannot_be_encrypted_is_told(tmp_path, keys, options, error, message):
    with pytest.raises(error, match=message):
        encrypt(tmp_path, home=keys[1], **options)


def test_a_sink_that_fails_ends_it():
    def full(_):
        raise OSError(28, "no space")

    options = GpgOptions(passphrase=b"x", compress=False, **CHEAP)
    with pytest.raises(OSError, match="no space"), Gpg(options).encrypt(full) as out:
        for _ in range(100):
            out.write(DATA)


def test_no_process_is_left_behind(tmp_path):
    path = encrypt(tmp_path, passphrase=b"x", **CHEAP)
    with open(path, "rb") as file:
        with Gpg(GpgOptions(passphrase=b"x")).decrypt(file) as stream:
            stream.read(10)
            process = stream._process
        assert process.returncode is not None


def test_an_old_file_without_protection_is_taken_only_if_wanted(tmp_path):
    path = tmp_path / "old.gpg"
    path.write_bytes(OLD)
    assert trouble_of(path, passphrase=b"x") is Trouble.NO_INTEGRITY
    assert decrypt(path, passphrase=b"x", accepts_old=True) == b"hello\n"
    assert trouble_of(path, passphrase=b"y") is not Trouble.NO_INTEGRITY


def test_a_file_is_read_from_where_it_stands(tmp_path):
    path = encrypt(tmp_path, passphrase=b"x", **CHEAP)
    path.write_bytes(b"before" + path.read_bytes())
    with open(path, "rb") as file:
        file.read(6)
        with Gpg(GpgOptions(passphrase=b"x")).decrypt(file) as stream:
            assert stream.read(5) == DATA[:5]


def test_the_passphrase_is_in_no_argument_and_no_repr(tmp_path):
    options = GpgOptions(passphrase=b"very secret")
    assert "very secret" not in repr(options)
    path = encrypt(tmp_path, passphrase=b"very secret", **CHEAP)
    with open(path, "rb") as file, Gpg(options).decrypt(file) as stream:
        assert not any("very secret" in str(word) for word in stream._process.args)


@pytest.mark.parametrize("passphrase", [b"two\nlines", b"a\0b", b"x" * 5000])
def test_a_passphrase_is_one_line(passphrase):
    with pytest.raises(UsageError):
        GpgOptions(passphrase=passphrase)


@pytest.mark.parametrize("key", ["", "--output=x"])
def test_the_name_of_a_key_is_no_option(key):
    with pytest.raises(UsageError):
        GpgOptions(recipients=(key,))
