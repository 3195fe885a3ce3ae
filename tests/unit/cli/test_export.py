"""``chunkvault export`` as a process: options, messages, exit codes, JSON."""

import json
import stat

import pytest

from tests.support.builders import write_tree
from tests.support.command import Program


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    top = tmp_path_factory.mktemp("program")
    program = Program(top)
    (top / "device.key").write_bytes(b"k" * 32)
    (top / "device.key").chmod(0o600)
    assert program.run("init").returncode == 0
    source = write_tree(top / "source", {"a": b"1", "b/c": b"2"})
    for number in range(2):
        (source / "a").write_bytes(bytes([number]) * 1000)
        time = f"--time=2023-11-14T22:13:2{number}Z"
        assert program.run("backup", source, time).returncode == 0
    return program


def export(program, place, *options):
    return program.run("export", "duplicity", place, *options)


def test_export_says_what_it_wrote_and_again_that_it_is_there(program, tmp_path):
    done = export(program, tmp_path / "a", "--all", "--no-encryption")
    assert done.returncode == 0, done.stderr
    assert "1 full, 1 incremental, 0 there already" in done.stdout
    assert "duplicity cannot hold all of these entries" in done.stdout
    again = export(program, tmp_path / "a", "--all", "--no-encryption")
    assert "0 full, 0 incremental, 2 there already" in again.stdout


def test_new_chain_behind_a_backup_of_duplicity_is_told_in_a_line(program, tmp_path):
    options = ("--no-encryption", "--no-compression")
    export(program, tmp_path / "a", "--snapshot", "latest~1", *options)
    for path in list((tmp_path / "a").iterdir()):
        lines = path.read_bytes().splitlines(keepends=True)
        if "manifest" in path.name:  # as duplicity would write it
            path.write_bytes(b"".join(one for one in lines if one[:8] != b"Snapshot"))
    done = export(program, tmp_path / "a", *options)
    assert done.returncode == 0, done.stderr
    line = "note      a new chain begins: duplicity has written its newest backup\n"
    assert line in done.stdout


def test_latest_snapshot_is_exported_unless_others_are_named(program, tmp_path):
    done = export(program, tmp_path / "a", "--no-encryption", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["sets_full"] == 1
    older = export(program, tmp_path / "a", "--snapshot", "latest~1", "--no-encryption")
    assert older.returncode == 3
    assert "1 snapshot older than the archive" in older.stdout


@pytest.mark.parametrize("second", [20, 21])
def test_older_snapshot_is_not_said_to_be_there_whenever_it_was_taken(tmp_path, second):
    program = Program(tmp_path)
    (tmp_path / "device.key").write_bytes(b"k" * 32)
    (tmp_path / "device.key").chmod(0o600)
    assert program.run("init").returncode == 0
    source = write_tree(tmp_path / "source", {"a": b"1"})
    for number in (20, second):
        time = f"--time=2023-11-14T22:13:{number}Z"
        assert program.run("backup", source, time).returncode == 0
    options = ("--no-encryption", "--json")
    export(program, tmp_path / "a", *options)
    older = export(program, tmp_path / "a", "--snapshot", "latest~1", *options)
    summary = json.loads(older.stdout.splitlines()[-1])
    assert (summary["sets_present"], summary["sets_too_old"]) == (0, 1)
    assert older.returncode == 3
    both = export(program, tmp_path / "a", "--all", *options)
    summary = json.loads(both.stdout.splitlines()[-1])
    assert (summary["sets_present"], summary["sets_too_old"]) == (1, 1)


def test_archive_in_the_repository_or_among_the_files_is_refused(program, tmp_path):
    repository, source = program.repository, program.repository.parent / "source"
    (tmp_path / "link").symlink_to(repository)
    before = sorted(repository.iterdir())
    for place, message in (
        (repository, "is in the repository"),
        (repository / "duplicity", "is in the repository"),
        (tmp_path / "link" / "a", "is in the repository"),
        (f"file://{source}/", "is a folder that the snapshots are of"),
    ):
        done = export(program, place, "--all", "--no-encryption")
        assert (done.returncode, message in done.stderr) == (2, True)
    assert sorted(repository.iterdir()) == before
    assert sorted(path.name for path in source.iterdir()) == ["a", "b"]


def test_prefixes_stand_in_front_of_names_and_keep_archives_apart(program, tmp_path):
    place = tmp_path / "a"
    words = ("--file-prefix=x-", "--file-prefix-manifest=m-", "--no-encryption")
    for count in (1, 2):
        some = ("--all",) if count == 2 else ("--snapshot", "latest~1")
        for prefixes in (words, words[2:]):
            done = export(program, place, *some, *prefixes)
            assert f"{count - 1} there already" in done.stdout
    names = sorted(path.name for path in place.iterdir())
    assert [name.partition("duplicity-")[0] for name in names] == [
        *[""] * 6,
        *["x-"] * 4,
        *["x-m-"] * 2,
    ]


def test_summary_in_json_has_every_count(program, tmp_path):
    done = export(program, tmp_path / "a", "--all", "--no-encryption", "--json")
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["message_type"] == "summary"
    assert summary["sets_incremental"] == 1
    assert len(summary["sets"]) == 2
    assert summary["stored_bytes"] == sum(
        path.stat().st_size for path in (tmp_path / "a").iterdir()
    )


def test_dry_run_names_entries_and_makes_nothing(program, tmp_path):
    done = export(program, tmp_path / "a", "--all", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "new        b/c" in done.stdout
    assert "nothing was written" in done.stdout
    assert not (tmp_path / "a").exists()


def test_drawn_passphrase_is_for_its_owner_alone_and_opens_the_archive(
    program, tmp_path
):
    key = tmp_path / "key"
    options = ("--generate-passphrase", key, "--s2k-count", "65536")
    done = export(program, tmp_path / "a", "--snapshot", "latest~1", *options)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text().strip()) == 32
    given = ("--passphrase-file", key, "--s2k-count", "65536")
    assert "1 incremental" in export(program, tmp_path / "a", *given).stdout
    again = export(program, tmp_path / "b", *options)
    assert again.returncode == 2
    assert "cannot create the passphrase file" in again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--volsize", "0"], "not a size of volumes"),
        (["--volsize", "x"], "not a size of volumes"),
        (["--full-every", "0"], "not a length of chains"),
        (["--full-every", "7x"], "not a length of chains"),
        (["--full-every", "D"], "not a length of chains"),
        (["--no-encryption", "--encrypt-key", "A"], "contradicts the keys"),
        (["--no-encryption", "--sign-key", "A"], "contradicts the keys"),
        (["--encrypt-key", "-x"], "expected one argument"),
        (["--encrypt-key", "A", "--s2k-count", "1024"], "not with keys"),
        (["--s2k-count", "1"], "not a count"),
        (["--s2k-count", "99999999999"], "not a count"),
        (["--no-encryption", "--snapshot", "latest", "--all"], "contradicts --all"),
        (["--no-encryption", "--at", "never"], "not a time"),
        (["--file-prefix", "a/"], "cannot stand in front of the names"),
        (["--file-prefix-archive", ".a"], "cannot stand in front of the names"),
        ([], "no passphrase was given"),
    ],
)
def test_options_that_make_no_sense_are_refused(program, tmp_path, options, message):
    done = export(program, tmp_path / "a", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "a").exists()


def test_low_count_is_refused_with_a_passphrase_that_can_be_guessed(program, tmp_path):
    weak = tmp_path / "weak"
    weak.write_text("correct horse\n")
    done = export(
        program, tmp_path / "a", "--passphrase-file", weak, "--s2k-count", "65536"
    )
    assert done.returncode == 2
    assert "too weak for a low --s2k-count" in done.stderr


def test_wrong_passphrase_ends_with_its_exit_code(program, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"{name} passphrase that nobody can guess: 1a\n")
    place = tmp_path / "a"
    first = ("--snapshot", "latest~1", "--s2k-count", "65536")
    assert not export(
        program, place, *first, "--passphrase-file", tmp_path / "one"
    ).returncode
    done = export(program, place, "--passphrase-file", tmp_path / "two")
    assert done.returncode == 12
    assert "not that of the archive" in done.stderr


def test_missing_gpg_and_unknown_key_are_named(program, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    key = ("--encrypt-key", "nobody@example.org", "--gpg-home", home)
    done = export(program, tmp_path / "a", *key)
    assert (done.returncode, "no key to encrypt to" in done.stderr) == (12, True)
    assert list((tmp_path / "a").iterdir()) == []
    done = export(program, tmp_path / "b", *key, "--gpg-program", "no-such-gpg")
    assert (done.returncode, "no-such-gpg" in done.stderr) == (2, True)


def test_snapshots_that_nothing_fits_are_an_error(program, tmp_path):
    done = export(program, tmp_path / "a", "--all", "--host", "nobody")
    assert done.returncode != 0
    done = export(
        program, tmp_path / "a", "--all", "--host", "nobody", "--no-encryption"
    )
    assert done.returncode == 1
    assert "no snapshot fits host nobody" in done.stderr


def test_unknown_format_and_place_are_refused(program, tmp_path):
    assert program.run("export", "tar", tmp_path / "a").returncode == 2
    done = program.run("export", "duplicity", "gopher:x", "--no-encryption")
    assert done.returncode == 2
    assert "gopher" in done.stderr
