"""The real duplicity on exported archives: both versions, every time point."""

import os
import shutil

import pytest

from chunkvault.duplicity.export import FullEvery
from tests.support.builders import (
    back_up,
    create_small,
    noise,
    restore_all,
    snapshots_of,
    write_tree,
)
from tests.support.exported import cheap_gpg, export_to, seen_by_duplicity
from tests.support.real_duplicity import PASSPHRASE, VERSIONS, Duplicity, new_key

each_version = pytest.mark.parametrize("version", VERSIONS)
SECOND = 10**9
UNENCRYPTED = ("--no-encryption",)


def nasty_tree(top):
    """What is hard to name, to order or to store."""
    write_tree(
        top,
        {
            "d/b": b"in d",
            "d/sub/deep/er": b"deep",
            "d-x/q": b"after d",
            "d.t": b"after d-x",
            "empty": b"",
            "two\nlines and 'quotes\" \\": b"n",
            "l" * 200: b"long name",
            "ü" * 60: b"long in bytes",
            "big": noise(300_000),
            "turns": b"a file first",
            "was/here/a": b"1",
            "was/here/b": b"2",
        },
    )
    write_tree(top, {os.fsdecode(b"latin-\xe9\xff"): b"no utf-8"})
    (top / "link").symlink_to("d/b")
    (top / "far").symlink_to("x" * 150)
    os.mkfifo(top / "pipe")
    os.chmod(top / "d.t", 0o4711)
    os.utime(top / "d/b", ns=(0, 1_600_000_000_999_999_999))
    os.link(top / "d/b", top / "hard link")
    return top


def first_change(top):
    data = (top / "big").read_bytes()
    (top / "big").write_bytes(data[:70_000] + b"inserted" + data[70_000:])
    shutil.rmtree(top / "was")
    (top / "was").write_bytes(b"a file now")
    (top / "turns").unlink()
    write_tree(top, {"turns/into/a": b"folder"})
    (top / "empty").write_bytes(b"no more")


def second_change(top):
    shutil.rmtree(top / "d")
    os.chmod(top / "d.t", 0o600)
    (top / "link").unlink()
    (top / "link").symlink_to("elsewhere")
    (top / "big").write_bytes(noise(100))
    (top / "two\nlines and 'quotes\" \\").unlink()


def third_change(top):
    write_tree(top, {"d/b": b"back again", "big": noise(1_500_000, "other")})


CHANGES = [nasty_tree, first_change, lambda top: None, second_change, third_change]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A repository, its source, and what a restore brings back of each snapshot."""
    top = tmp_path_factory.mktemp("history")
    repository = create_small()
    source = top / "source"
    expected = []
    for number, change in enumerate(CHANGES):
        change(source)
        # Two in one second: the later one has to move to the next.
        nanoseconds = (1_700_000_000 + number // 2) * SECOND + number
        back_up(repository, source, time_ns=nanoseconds)
        restored = top / str(number)
        restore_all(repository, snapshots_of(repository)[-1], restored)
        expected.append(seen_by_duplicity(restored))
    return repository, source, expected


def set_times(summary):
    return [1_700_000_000 + number for number in range(len(summary.sets))]


def prepare(tmp_path, version, *options, **fields):
    return Duplicity(VERSIONS[version], tmp_path / "run", *options, **fields)


def require_restores(duplicity, times, expected, tmp_path):
    for number, (time, state) in enumerate(zip(times, expected, strict=True)):
        target = tmp_path / f"restored-{number}"
        duplicity.restore(time, target)
        assert seen_by_duplicity(target) == state


@each_version
def test_every_time_point_restores(history, tmp_path, version):
    repository, _, expected = history
    duplicity = prepare(tmp_path, version)
    summary = export_to(
        duplicity.archive,
        repository,
        cheap_gpg(PASSPHRASE.encode()),
        full_every=FullEvery(sets=4),
    )
    assert (summary.sets_full, summary.sets_incremental) == (2, 3)
    require_restores(duplicity, set_times(summary), expected, tmp_path)


@each_version
def test_archive_is_listed_verified_and_continued(history, tmp_path, version):
    repository, source, expected = history
    duplicity = prepare(tmp_path, version, *UNENCRYPTED)
    summary = export_to(duplicity.archive, repository, compress=True)
    first, *_ = set_times(summary)
    listing = duplicity.run("list-current-files", f"--time={first}", "URL")
    assert "d/sub/deep/er" in listing
    assert "turns/into" not in listing
    compared = duplicity.run("verify", "--compare-data", "URL", str(source))
    files = len(expected[-1])
    assert f"{files} file" in compared
    assert "0 difference" in compared
    status = duplicity.run("collection-status", "URL")
    assert status.count("Incremental") == len(summary.sets) - 1
    assert "No orphaned or incomplete" in status
    assert "extraneous" not in duplicity.run("cleanup", "URL").replace("No extran", "")
    # What the archive is of stands in it: this machine's name does not.
    statistics = duplicity.run(
        "incremental", "--allow-source-mismatch", str(source), "URL"
    )
    assert "DeltaEntries 0" in statistics
    before = (source / "d.t").stat().st_mtime_ns
    (source / "d.t").write_bytes(b"changed since")
    os.utime(source / "d.t", ns=(before, before + 10**10))  # duplicity sees seconds
    statistics = duplicity.run(
        "incremental", "--allow-source-mismatch", str(source), "URL"
    )
    assert "ChangedFiles 1" in statistics
    target = tmp_path / "restored"
    duplicity.run("restore", "URL", str(target))
    assert (target / "d.t").read_bytes() == b"changed since"
    # The other version gets the source as it was.
    (source / "d.t").write_bytes(b"after d-x")
    os.utime(source / "d.t", ns=(before, before))


@each_version
def test_single_file_restores_at_any_time(history, tmp_path, version):
    repository, _, expected = history
    duplicity = prepare(tmp_path, version, *UNENCRYPTED)
    summary = export_to(duplicity.archive, repository)
    option = "--file-to-restore" if version == "0.8" else "--path-to-restore"
    for number in (0, 1, 4):
        target = tmp_path / f"big-{number}"
        time = set_times(summary)[number]
        duplicity.run("restore", f"--time={time}", option, "big", "URL", str(target))
        assert target.read_bytes() == expected[number][b"big"][3]


@each_version
def test_old_chains_are_removed_whole(tmp_path, version):
    source = write_tree(tmp_path / "source", {"a": b"1"})
    repository = create_small()
    for number in range(4):
        (source / "a").write_bytes(bytes([number]))
        back_up(repository, source, at=number)
    duplicity = prepare(tmp_path, version, *UNENCRYPTED)
    export_to(duplicity.archive, repository, full_every=FullEvery(sets=2))
    before = len(list(duplicity.archive.iterdir()))
    duplicity.run("remove-older-than", "1700000002", "--force", "URL")
    left = [path.name for path in duplicity.archive.iterdir()]
    assert len(left) == before // 2
    assert all("20231114T221320" not in name for name in left)
    # An export after that goes on where the rest ends.
    (source / "a").write_bytes(b"later")
    back_up(repository, source, at=9)
    assert export_to(duplicity.archive, repository).sets_incremental == 1
    target = tmp_path / "restored"
    duplicity.run("restore", "URL", str(target))
    assert (target / "a").read_bytes() == b"later"


@pytest.mark.slow
@each_version
def test_archive_for_a_key_that_signs_restores_and_its_signature_counts(
    tmp_path, version
):
    source = write_tree(tmp_path / "source", {"a": b"secret"})
    repository = create_small()
    back_up(repository, source)
    with new_key() as (home, key):
        options = (f"--encrypt-key={key}", f"--sign-key={key}")
        duplicity = prepare(tmp_path, version, *options, gnupg=home)
        gpg = cheap_gpg(
            PASSPHRASE.encode(),
            s2k_count=None,
            home=os.fsencode(home),
            recipients=(key,),
            sign_key=key,
            adds_literal=True,
            compress=True,
        )
        export_to(duplicity.archive, repository, gpg)
        duplicity.run("restore", "URL", str(tmp_path / "restored"))
    assert (tmp_path / "restored" / "a").read_bytes() == b"secret"


@each_version
def test_several_folders_restore_below_the_root(tmp_path, version):
    one = write_tree(tmp_path / "one", {"a": b"1"})
    two = write_tree(tmp_path / "two", {"b": b"2"})
    repository = create_small()
    back_up(repository, one, two)
    duplicity = prepare(tmp_path, version, *UNENCRYPTED)
    export_to(duplicity.archive, repository)
    target = tmp_path / "restored"
    duplicity.run("restore", "URL", str(target))
    assert (target / str(one)[1:] / "a").read_bytes() == b"1"
    assert (target / str(two)[1:] / "b").read_bytes() == b"2"


@each_version
def test_large_file_over_several_volumes_restores(tmp_path, version):
    source = write_tree(tmp_path / "source", {"big": noise(3_000_000), "z": b"end"})
    repository = create_small()
    back_up(repository, source)
    duplicity = prepare(tmp_path, version, *UNENCRYPTED)
    assert export_to(duplicity.archive, repository).volumes > 2
    duplicity.run("restore", "URL", str(tmp_path / "restored"))
    assert (tmp_path / "restored" / "big").read_bytes() == noise(3_000_000)


@each_version
def test_duplicity_goes_on_without_being_told_to_where_it_was_one_folder(
    tmp_path, version
):
    source = write_tree(tmp_path / "source", {"a": b"1"})
    repository = create_small()
    back_up(repository, source, host=os.uname().nodename)
    duplicity = prepare(tmp_path, version, *UNENCRYPTED)
    export_to(duplicity.archive, repository)
    statistics = duplicity.run("incremental", str(source), "URL")
    assert "DeltaEntries 0" in statistics


@pytest.mark.slow
@each_version
def test_long_history_of_random_edits_restores(tmp_path, version):
    source = write_tree(tmp_path / "source", {"f": noise(200_000), "g": b""})
    repository = create_small()
    states = []
    for number in range(40):
        data = bytearray((source / "f").read_bytes())
        start = (number * 7919) % len(data)
        data[start : start + 50 * (number % 3)] = noise(number * 10, number)
        (source / "f").write_bytes(bytes(data))
        (source / f"n{number % 5}").write_bytes(noise(number, number))
        back_up(repository, source, at=number)
        states.append({p.name: p.read_bytes() for p in source.iterdir()})
    duplicity = prepare(tmp_path, version, *UNENCRYPTED)
    export_to(duplicity.archive, repository)
    for number in range(0, 40, 3):
        target = tmp_path / f"restored-{number}"
        duplicity.restore(1_700_000_000 + number, target)
        found = {p.name: p.read_bytes() for p in target.iterdir()}
        assert found == states[number]
