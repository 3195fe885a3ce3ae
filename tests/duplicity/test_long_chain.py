"""A chain of 300 increments, at which duplicity fails with "Too many open files"."""

import os
import random
import subprocess
import sys

import pytest

from chunkvault.duplicity.delta import (
    DELTA_END,
    DELTA_MAGIC,
    copy_command,
    literal_command,
)
from tests.support.command import Program
from tests.support.difftars import DIRECTORY, T0, write_set
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


def make_by_duplicity(tmp_path, increments):
    source = tmp_path / "source"
    source.mkdir()
    duplicity = Duplicity(VERSIONS["0.8"], tmp_path)
    for number, (_, data) in enumerate(versions(increments)):
        (source / "f").write_bytes(data)
        os.utime(source / "f", (T0 + number, T0 + number))
        kind = "incremental" if number else "full"
        duplicity.back_up(kind, source, T0 + number * MINUTE)
    return duplicity.archive, f"{source}/f"


@pytest.mark.parametrize(
    ("make", "increments", "open_files"),
    [
        (make_by_hand, 70, 60),
        pytest.param(make_by_hand, 300, 256, marks=pytest.mark.slow),
        pytest.param(make_by_duplicity, 300, 256, marks=pytest.mark.slow),
    ],
)
def test_a_chain_longer_than_the_limit_of_open_files_is_imported(
    tmp_path, make, increments, open_files
):
    archive, path = make(tmp_path, increments)
    program = Program(tmp_path / "us")
    (tmp_path / "us").mkdir()
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
    assert f"{increments + 1} imported" in done.stdout
    snapshots = program.json("snapshots")
    assert len(snapshots) == increments + 1
    for number, (_, data) in enumerate(versions(increments)):
        if number % 50 == 20:
            target = tmp_path / str(number)
            snapshot = snapshots[number]["id"]
            done = program.run("restore", path, "--snapshot", snapshot, "--to", target)
            assert done.returncode == 0, done.stderr
            assert (target / "f").read_bytes() == data
