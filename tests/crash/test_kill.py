"""A real process, a real folder, and real signals at moments drawn by lot."""

import os
import random
import signal

import pytest

from chunkvault.backends.local import LocalBackend
from tests.support.builders import (
    KEY,
    create_small,
    noise,
    open_small,
    outcome,
    read_tree,
    run_check,
    write_tree,
)
from tests.support.command import Program

FILES = {
    **{f"a/{number:02}": noise(1_000 + 200 * number, number) for number in range(40)},
    **{f"b/{number:02}/text": b"line %d\n" % number * 50 for number in range(15)},
}
KILLS = 10


@pytest.fixture
def source(tmp_path):
    top = write_tree(tmp_path / "source", FILES)
    (top / "link").symlink_to("a/03")
    (top / "second-name").hardlink_to(top / "a/04")
    return top


@pytest.fixture
def program(tmp_path):
    """Volumes of 16 KiB: a small tree makes many."""
    key_file = tmp_path / "device.key"
    key_file.write_bytes(KEY.key)
    key_file.chmod(0o600)
    found = Program(tmp_path)
    create_small(LocalBackend(os.fsencode(found.repository))).close()
    return found


def assert_whole(program, source, target):
    """What the newest snapshot restores is what is there."""
    checked = program.run("check", "--read-data", "--no-cache")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    restored = program.run("restore", "--to", target, "--no-cache")
    assert restored.returncode == 0, restored.stderr
    assert read_tree(target) == read_tree(source)


def test_killed_at_any_moment_everything_is_whole_after_the_next_backup(
    tmp_path, source, program
):
    probe = Program(tmp_path, repository=tmp_path / "probe")
    create_small(LocalBackend(os.fsencode(probe.repository))).close()
    moments = probe.count_moments("backup", source)
    assert moments > 40
    drawn = random.Random(2).sample(range(1, moments + 1), KILLS)
    codes = set()
    for number, moment in enumerate(drawn):
        write_tree(source, {f"new/{number}": noise(9_000, f"new {number}")})
        killed = program.run_hit(signal.SIGKILL, moment, "backup", source)
        # One that has less to do, or makes a volume less, may be over before.
        codes.add(killed.returncode)
        checked = program.run("check", "--read-data")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    assert codes <= {-signal.SIGKILL, 0}
    assert -signal.SIGKILL in codes
    done = program.run("backup", source)
    assert done.returncode == 0, done.stderr
    assert_whole(program, source, tmp_path / "target")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_signal_ends_a_backup_with_its_code_and_loses_nothing(
    tmp_path, source, program, number, code
):
    assert program.run("backup", source).returncode == 0
    before = read_tree(source)
    write_tree(source, {"new/large": noise(200_000, "large")})
    hit = program.run_hit(number, 25, "backup", source)
    assert hit.returncode == code, hit.stderr
    assert "interrupted" in hit.stderr
    restored = program.run("restore", "--to", tmp_path / "first")
    assert restored.returncode == 0, restored.stderr
    assert read_tree(tmp_path / "first") == before
    assert program.run("backup", source).returncode == 0
    assert_whole(program, source, tmp_path / "target")


def test_killed_init_is_finished_by_the_next_one(tmp_path):
    (tmp_path / "device.key").write_bytes(KEY.key)
    (tmp_path / "device.key").chmod(0o600)
    probe = Program(tmp_path, repository=tmp_path / "probe")
    moments = probe.count_moments("init")
    for moment in range(1, moments + 1, 2):
        program = Program(tmp_path, repository=tmp_path / f"r{moment}")
        killed = program.run_hit(signal.SIGKILL, moment, "init")
        assert killed.returncode == -signal.SIGKILL
        backend = LocalBackend(os.fsencode(program.repository))
        is_finished = outcome(lambda backend=backend: open_small(backend)) is None
        again = program.run("init")
        assert again.returncode == (1 if is_finished else 0), again.stderr
        assert run_check(backend).exit_code == 0


def test_two_backups_at_once_both_succeed(tmp_path, source, program):
    other = write_tree(
        tmp_path / "other",
        {f"{number}": noise(3_000, number) for number in range(40)},
    )
    running = [program.start("backup", path) for path in (source, other, source)]
    for process in running:
        with process:
            _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert len(program.json("snapshots")) == 3
    checked = program.run("check", "--read-data")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for path in (source, other):
        target = tmp_path / f"target-{path.name}"
        done = program.run("restore", path, "--to", target)
        assert done.returncode == 0, done.stderr
        assert read_tree(target / path.name) == read_tree(path)


def test_killed_restore_is_finished_by_the_next_one(tmp_path, source, program):
    assert program.run("backup", source).returncode == 0
    words = ("restore", "--no-cache", "--to")
    moments = program.count_moments(*words, tmp_path / "probe")
    target = tmp_path / "target"
    drawn = sorted(random.Random(3).sample(range(5, moments), 4), reverse=True)
    for number, moment in enumerate(drawn):
        killed = program.run_hit(signal.SIGKILL, moment, *words, target)
        # A later run has less to read and may be over before.
        assert killed.returncode in (-signal.SIGKILL, 0)
        assert number or killed.returncode
        wanted = read_tree(source)
        for path, entry in read_tree(target).items() if target.exists() else ():
            if path in wanted and entry.kind == "file":
                assert entry.content == wanted[path].content
    assert program.run(*words, target, "--delete").returncode == 0
    assert read_tree(target) == read_tree(source)
