"""A chain of 300 increments, at which duplicity fails with "Too many open files"."""

import hashlib
import os
import random
import resource
import subprocess
import sys
from contextlib import contextmanager

import pytest

from chunkvault.backends.local import LocalBackend
from chunkvault.duplicity.delta import (
    DELTA_END,
    DELTA_MAGIC,
    copy_command,
    literal_command,
)
from tests.support.builders import open_small, restore_all, snapshots_of
from tests.support.command import Program
from tests.support.difficult_source import look
from tests.support.difftars import DIRECTORY, T0, write_set
from tests.support.growing_source import GrowingSource
from tests.support.real_duplicity import PASSPHRASE, VERSIONS, Duplicity

SIZE = 200_000
MINUTE = 60


def versions(increments):
    """A file of which eight bytes change each time: (place, content)."""
    chance = random.Random(3)
    data = bytearray(chance.randbytes(SIZE))
    for _ in range(increments + 1):
        place = chance.randrange(SIZE - 8)
        data[place : place + 8] = chance.randbytes(8)
        yield place, bytes(data)


def make_by_hand(tmp_path, increments):
    archive = tmp_path / "archive"
    for number, (place, data) in enumerate(versions(increments)):
        end = T0 + number * MINUTE
        if not number:
            write_set(archive, [{"snapshot/./": DIRECTORY, "snapshot/f": data}])
            continue
        delta = DELTA_MAGIC + copy_command(0, place) + literal_command(8)
        delta += data[place : place + 8] + copy_command(place + 8, SIZE - place - 8)
        volume = {"diff/f": delta + DELTA_END}
        write_set(archive, [volume], start=end - MINUTE, end=end)
    return archive, "/data/f"


@pytest.mark.parametrize(
    ("make", "increments", "open_files"),
    [
        (make_by_hand, 70, 60),
        pytest.param(make_by_hand, 300, 256, marks=pytest.mark.slow),
    ],
)
def test_a_chain_longer_than_the_limit_of_open_files_is_imported(
    tmp_path, make, increments, open_files
):
    archive, path = make(tmp_path, increments)
    program, snapshots = import_with(tmp_path, archive, open_files)
    assert len(snapshots) == increments + 1
    for number, (_, data) in enumerate(versions(increments)):
        if number % 50 == 20:
            target = tmp_path / str(number)
            snapshot = snapshots[number]["id"]
            done = program.run("restore", path, "--snapshot", snapshot, "--to", target)
            assert done.returncode == 0, done.stderr
            assert (target / "f").read_bytes() == data


@pytest.mark.slow
@pytest.mark.timeout(7200)  # 300 backups by duplicity, 300 restores
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("increments", "options"), [(300, ("--no-encryption",)), (20, ())]
)
def test_every_version_of_a_chain_by_duplicity_is_what_was_backed_up(
    tmp_path, version, increments, options
):
    source = GrowingSource(tmp_path / "source")
    duplicity = Duplicity(VERSIONS[version], tmp_path, *options)
    seen = []
    for number in range(increments + 1):
        if number:
            source.step()
        kind = "incremental" if number else "full"
        duplicity.back_up(kind, source.top, T0 + number * MINUTE)
        seen.append(digests(source.top))
    program, _ = import_with(tmp_path, duplicity.archive, 256)
    repository = open_small(LocalBackend(os.fsencode(program.repository)))
    snapshots = snapshots_of(repository)
    for number, (one, expected) in enumerate(zip(snapshots, seen, strict=True)):
        # Here, for a process each would take as long as all the backups.
        restore_all(repository, one, tmp_path / "ours", delete=True)
        assert digests(tmp_path / "ours") == expected, number
        if number in (0, increments // 2, increments):
            theirs = tmp_path / f"theirs {number}"
            with many_open_files():
                duplicity.restore(T0 + number * MINUTE, theirs)
            assert digests(theirs) == expected, number


def digests(top):
    """As `look`, with hashes for contents: there are hundreds to remember."""
    return {
        path: hashlib.sha1(repr(entry).encode()).digest()
        for path, entry in look(top).items()
    }


@contextmanager
def many_open_files():
    """duplicity refuses to restore with fewer than 1024, and needs four a set."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, before[1])))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def import_with(tmp_path, archive, open_files):
    """Import with so many descriptors; the program, and its snapshots."""
    (tmp_path / "us").mkdir()
    program = Program(tmp_path / "us")
    (tmp_path / "us" / "device.key").write_bytes(b"k" * 32)
    os.chmod(tmp_path / "us" / "device.key", 0o600)
    assert program.run("init").returncode == 0
    words = [sys.executable, "-m", "chunkvault", "import", "duplicity", str(archive)]
    done = subprocess.run(
        ["bash", "-c", f'ulimit -n {open_files}; exec "$@"', "bash", *words],
        env=program.environment | {"PASSPHRASE": PASSPHRASE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    snapshots = program.json("snapshots")
    assert f"{len(snapshots)} imported" in done.stdout
    return program, snapshots
