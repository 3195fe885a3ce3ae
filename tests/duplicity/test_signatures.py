"""Archives that are signed, are not, or only look like it: what the command does."""

import os

import pytest

from chunkvault.duplicity.gpg import GpgOptions
from tests.support.command import Program
from tests.support.difftars import DIRECTORY, T0, seal, write_set
from tests.support.gpg_homes import gpg_home, kill_agent, make_key, run_gpg

OURS, OTHER = "ours@example.org", "other@example.org"
PROTECTED = "protected@example.org"
"""It has the passphrase ``kp``; the others have none, which costs gpg less time."""

ROOT = {"snapshot/./": DIRECTORY}


@pytest.fixture(scope="module")
def homes():
    """Folders of keys: one has all, one no secret ones, one only the one of OURS."""
    with gpg_home() as full, gpg_home() as without_other, gpg_home() as public:
        for name, secret in ((OURS, ""), (OTHER, ""), (PROTECTED, "kp")):
            make_key(full, name, secret)
        run_gpg(public, "--import", stdin=run_gpg(full, "--export"))
        only_ours = run_gpg(full, "--export-secret-keys", OURS)
        run_gpg(without_other, "--import", stdin=only_ours)
        yield {"full": full, "without other": without_other, "public": public}


@pytest.fixture
def archive(tmp_path):
    """A full set and an increment."""
    folder = tmp_path / "archive"
    write_set(folder, [ROOT | {"snapshot/a": b"old"}])
    write_set(folder, [{"snapshot/b": b"new"}], start=T0, end=T0 + 1)
    return folder


@pytest.fixture
def run(tmp_path, archive):
    """Imports, and gives the exit code, the messages, and how many snapshots."""
    top = tmp_path / "us"
    top.mkdir()
    (top / "device.key").write_bytes(b"k" * 32)
    os.chmod(top / "device.key", 0o600)
    program = Program(top)
    assert program.run("init").returncode == 0

    def run(*words, secret=None):
        program.environment.pop("PASSPHRASE", None)
        if secret is not None:
            program.environment["PASSPHRASE"] = secret
        done = program.run("import", "duplicity", archive, *words)
        return done.returncode, done.stderr, len(program.json("snapshots"))

    return run


def keyed(home, sign_key=OURS, recipient=OURS):
    home = os.fsencode(home)
    return GpgOptions(sign_key=sign_key, home=home, recipients=(recipient,))


def test_what_the_key_has_signed_is_imported(homes, archive, run):
    seal(archive, lambda _: keyed(homes["full"]))
    done = run("--gpg-home", homes["full"], "--sign-key", OURS)
    assert done == (0, "", 2)


@pytest.mark.parametrize("sign_key", [None, OTHER])
@pytest.mark.parametrize("unsigned", [".manifest", ".vol1."])
def test_an_increment_that_the_key_has_not_signed_is_refused(
    homes, archive, run, sign_key, unsigned
):
    def options(name):
        is_odd = "duplicity-inc" in name and unsigned in name
        return keyed(homes["full"], sign_key if is_odd else OURS)

    seal(archive, options)
    code, said, snapshots = run("--gpg-home", homes["full"], "--sign-key", OURS)
    assert (code, snapshots) == (21, 1)
    assert "incremental backup of 2023-11-14 22:13:21 UTC is not imported" in said
    assert ("its signature is by another key" if sign_key else "not signed") in said
    # Nobody who does not ask for a signature is told.
    assert run("--gpg-home", homes["full"]) == (0, "", 2)


def test_what_builds_on_a_refused_backup_is_left_out(homes, archive, run):
    seal(archive, lambda name: keyed(homes["full"], None if "full" in name else OURS))
    code, said, snapshots = run("--gpg-home", homes["full"], "--sign-key", OURS)
    assert (code, snapshots) == (21, 0)
    assert "what it builds on could not be read" in said


def test_an_archive_for_all_to_read_has_no_signature(homes, run):
    code, said, snapshots = run("--gpg-home", homes["full"], "--sign-key", OURS)
    assert (code, snapshots) == (21, 0)
    assert "it is not encrypted, and so not signed either" in said


def test_a_key_that_is_not_there_is_told_at_once(homes, archive, run):
    seal(archive, lambda _: keyed(homes["full"]))
    code, said, _ = run("--gpg-home", homes["without other"], "--sign-key", OTHER)
    assert code == 12
    assert f"gpg has no key '{OTHER}' to check signatures with" in said
    code, said, _ = run("--gpg-home", homes["full"], "--sign-key", "example.org")
    assert code == 2
    assert "gpg has 3 keys for 'example.org'" in said
    assert run("--sign-key", "--version")[0] == 2


def test_a_signature_by_an_unknown_key_matters_only_if_one_is_asked_for(
    homes, archive, run
):
    seal(archive, lambda _: keyed(homes["full"], OTHER))
    home = ("--gpg-home", homes["without other"])
    assert run(*home, "--sign-key", OURS)[::2] == (21, 0)
    assert run(*home) == (0, "", 2)


def test_a_key_that_was_revoked_proves_nothing(homes, archive, run):
    seal(archive, lambda _: keyed(homes["full"]))
    with gpg_home() as home:
        only_ours = run_gpg(homes["full"], "--export-secret-keys", OURS)
        run_gpg(home, "--import", stdin=only_ours)
        found = run_gpg(home, "--list-keys", "--with-colons").decode().split("fpr:")[1]
        fingerprint = found.split("\n", 1)[0].strip(":")
        path = f"{homes['full']}/openpgp-revocs.d/{fingerprint}.rev"
        with open(path, "rb") as file:
            revocation = file.read().replace(b":-----BEGIN", b"-----BEGIN")
        run_gpg(home, "--import", stdin=revocation)
        code, said, snapshots = run("--gpg-home", home, "--sign-key", OURS)
    assert (code, snapshots) == (21, 0)
    assert "the key of its signature was revoked" in said


@pytest.mark.parametrize(
    ("home", "secret", "message", "expected"),
    [
        ("full", "wrong", "gpg does not accept the passphrase", 12),
        ("full", None, "no passphrase was given, and no terminal", 2),
        ("public", "kp", "gpg has no secret key to decrypt with", 12),
    ],
)
def test_a_key_that_does_not_open_the_archive_is_told(
    homes, archive, run, home, secret, message, expected
):
    seal(archive, lambda _: keyed(homes["full"], None, PROTECTED))
    kill_agent(homes["full"])
    code, said, snapshots = run("--gpg-home", homes[home], secret=secret)
    assert (code, snapshots) == (expected, 0)
    assert message in said
    assert "hint: " in said


@pytest.mark.parametrize(("secret", "expected"), [("wrong", 12), (None, 2)])
def test_a_passphrase_that_does_not_open_the_archive_is_told(
    archive, run, secret, expected
):
    options = GpgOptions(passphrase=b"kp", s2k_count=65536)
    seal(archive, lambda _: options)
    code, said, snapshots = run(secret=secret)
    assert (code, snapshots) == (expected, 0)
    assert "passphrase" in said
    assert run(secret="kp") == (0, "", 2)


def test_a_program_that_is_not_there_is_told(archive, run):
    seal(archive, lambda _: GpgOptions(passphrase=b"kp", s2k_count=65536))
    code, said, _ = run("--gpg-program", "/no/such/gpg")
    assert code == 2
    assert "the program /no/such/gpg is not there" in said
    assert "install GnuPG" in said


def test_chains_with_passphrases_of_their_own_are_imported_one_by_one(archive, run):
    write_set(archive, [ROOT | {"snapshot/c": b"later"}], end=T0 + 9)

    def options(name):
        word = b"second" if "20231114T221329Z" in name else b"first"
        return GpgOptions(passphrase=word, s2k_count=65536)

    seal(archive, options)
    code, said, snapshots = run(secret="second")
    assert (code, snapshots) == (20, 1)
    assert "which opened other files: it is damaged, or was encrypted otherwise" in said
    code, said, snapshots = run(secret="first")
    assert (code, snapshots) == (20, 3)
