"""An import that is killed goes on, and stores nothing a second time."""

import os
import signal

import pytest

from chunkvault.backends.local import LocalBackend
from tests.support.builders import KEY, create_small, noise
from tests.support.command import Program
from tests.support.difftars import DIRECTORY, T0, write_set

PATHS = [f"{folder}{number}" for folder in "abcd" for number in range(3)]


@pytest.fixture
def archive(tmp_path):
    """A full set of four volumes, and an increment."""
    members = [{"snapshot/./": DIRECTORY}, {}, {}, {}]
    for place, name in enumerate(PATHS):
        members[place // 3][f"snapshot/{name}"] = noise(30_000, name)
    write_set(tmp_path / "archive", members)
    change = {f"snapshot/{PATHS[5]}": noise(30_000, "new")}
    write_set(tmp_path / "archive", [change], start=T0, end=T0 + 60)
    return tmp_path / "archive"


def program_with(top):
    """A repository with volumes of 16 KiB: a little makes many."""
    top.mkdir()
    (top / "device.key").write_bytes(KEY.key)
    os.chmod(top / "device.key", 0o600)
    program = Program(top)
    create_small(LocalBackend(os.fsencode(program.repository))).close()
    return program


def stored_bytes(program):
    """What lies in the repository besides its configuration."""
    backend = LocalBackend(os.fsencode(program.repository))
    return sum(info.size for info in backend.list(""))


def test_killed_at_any_moment_an_import_goes_on_and_stores_nothing_twice(
    tmp_path, archive
):
    words = ("import", "duplicity", archive)
    whole = program_with(tmp_path / "whole")
    moments = whole.count_moments(*words)
    assert moments > 60
    for part in (0.15, 0.4, 0.6, 0.8, 0.9):
        program = program_with(tmp_path / f"killed at {part}")
        moment = int(moments * part)
        killed = program.run_hit(signal.SIGKILL, moment, *words)
        assert killed.returncode == -signal.SIGKILL
        done = program.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        again = program.run(*words)
        assert "0 imported, 2 imported before" in again.stdout
        # What was on its way when it was killed comes again: the last few volumes.
        spare = stored_bytes(program) - stored_bytes(whole)
        assert spare <= 3 * 16_384 + 8_192, part
        checked = program.run("check", "--read-data", "--no-cache")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        for number, one in enumerate(program.json("snapshots")):
            target = tmp_path / f"restored {part} {number}"
            snapshot = one["id"]
            done = program.run("restore", "--snapshot", snapshot, "--to", target)
            assert done.returncode == 0, done.stderr
            for name in PATHS:
                is_new = number == 1 and name == PATHS[5]
                expected = noise(30_000, "new" if is_new else name)
                assert (target / name).read_bytes() == expected
