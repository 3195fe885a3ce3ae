"""The commands on stores that are reached over ssh, rclone and the web."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.builders import KEY
from tests.support.command import Program
from tests.support.stores.static_web import write_listing

BIG = bytes(range(256)) * 20_000


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "small").write_bytes(b"content")
    (folder / "sub/big").write_bytes(BIG)
    return folder


def program_at(tmp_path, location, **variables):
    (tmp_path / "device.key").write_bytes(KEY.key)
    (tmp_path / "device.key").chmod(0o600)
    program = Program(tmp_path)
    program.environment.update(variables, CHUNKVAULT_REPOSITORY=location)
    return program


def expect(program, code, *words):
    done = program.run(*words)
    assert done.returncode == code, done.stderr
    return done


def check_commands(program, source, tmp_path):
    """The core commands, an unchanged backup, a restore from a cold machine."""
    expect(program, 10, "snapshots")
    expect(program, 0, "init")
    expect(program, 0, "backup", source)
    (source / "small").write_bytes(b"changed")
    expect(program, 0, "backup", source)
    expect(program, 0, "check", "--read-data")
    program.environment["CHUNKVAULT_CACHE_DIR"] = str(tmp_path / "cold")
    check_restore(program, tmp_path / "out", source)


def check_restore(program, target, source):
    expect(program, 0, "restore", source, "--to", target)
    (big,) = target.rglob("big")
    assert big.read_bytes() == BIG
    (small,) = target.rglob("small")
    assert small.read_bytes() == b"changed"


def test_every_command_works_over_ssh(sshd, source, tmp_path):
    program = program_at(tmp_path, sshd.location(tmp_path / "far/repository"))
    check_commands(program, source, tmp_path)
    assert not list((tmp_path / "far").rglob(".tmp-*"))


@pytest.mark.parametrize("remote", ["disk", "webdav"])
def test_every_command_works_through_rclone(rclone, source, tmp_path, remote):
    path = tmp_path / "far" if remote == "disk" else str(tmp_path)[1:] + "/far"
    program = program_at(
        tmp_path,
        rclone.location(remote, path),
        RCLONE_CONFIG=rclone.environment["RCLONE_CONFIG"],
    )
    check_commands(program, source, tmp_path)


def requests_of(program, *words):
    """By kind, of a command that says so in its last line."""
    lines = expect(program, 0, *words, "--json").stdout.splitlines()
    return json.loads(lines[-1])["requests"]


def place_of(request, store, tmp_path):
    """Location and variables of an empty place on a store."""
    if store == "s3":
        server = request.getfixturevalue("radosgw")
        place = str(tmp_path).strip("/")
        return server.location("private", place), server.environment
    if store == "b2":
        server = request.getfixturevalue("b2")
        server.bucket("contract")
        return f"b2:contract{tmp_path}", server.master_key()
    if store == "sftp":
        server = request.getfixturevalue("sshd")
        return server.location(tmp_path / "far"), {}
    server = request.getfixturevalue("rclone")
    path = tmp_path / "far" if store == "disk" else f"{str(tmp_path)[1:]}/far"
    settings = {"RCLONE_CONFIG": server.environment["RCLONE_CONFIG"]}
    return server.location(store, path), settings


def number_of(requests):
    """How many there were, of whatever kind."""
    kinds = ("put", "get", "head", "list", "delete", "other")
    assert set(requests) <= {*kinds, "sent_bytes", "received_bytes", "estimate"}
    return sum(requests.get(kind, 0) for kind in kinds)


@pytest.fixture
def quiet_source(source):
    """One with nothing above it that tests change all the time, as they do /tmp."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        shutil.copytree(source, f"{folder}/source")
        yield Path(folder, "source")


def requests_without_change(program, source):
    """Of a backup that had nothing to store but its snapshot."""
    for _ in range(20):
        requests = requests_of(program, "backup", source)
        if requests["put"] == 1:
            return requests
    raise AssertionError("something changes all the time")


@pytest.mark.parametrize("store", ["s3", "b2", "sftp", "disk", "webdav", "ftp"])
def test_a_store_is_asked_no_more_than_promised(request, quiet_source, tmp_path, store):
    """The goals: 12 for a file at a date from a cold machine, 3, 6 for no change."""
    location, variables = place_of(request, store, tmp_path)
    program, source = program_at(tmp_path, location, **variables), quiet_source
    expect(program, 0, "init")
    expect(program, 0, "backup", source)
    assert number_of(requests_without_change(program, source)) <= 6
    wanted = ("restore", source / "small", "--at", "now", "--to")
    # Without the copies of what this machine has put.
    shutil.rmtree(tmp_path / "cache/bases")
    warm = number_of(requests_of(program, *wanted, tmp_path / "1"))
    assert warm <= 3
    program.environment["CHUNKVAULT_CACHE_DIR"] = str(tmp_path / "cold")
    cold = number_of(requests_of(program, *wanted, tmp_path / "2"))
    assert warm < cold <= 12
    assert (tmp_path / "2/small").read_bytes() == b"content"


def test_a_copy_on_a_web_server_restores_and_takes_no_backup(web, source, tmp_path):
    program = program_at(tmp_path, str(tmp_path / "repository"))
    check_commands(program, source, tmp_path)
    write_listing(tmp_path / "repository")
    location = web.location(tmp_path / "repository")
    program.environment["CHUNKVAULT_REPOSITORY"] = location
    program.environment["CHUNKVAULT_CACHE_DIR"] = str(tmp_path / "colder")
    check_restore(program, tmp_path / "out2", source)
    (source / "small").write_bytes(b"changed again")
    done = expect(program, 1, "backup", source)
    assert "only read from" in done.stderr
    assert "word" not in done.stderr + done.stdout  # of the password


def test_no_child_outlives_a_killed_backup(sshd, rclone, source, tmp_path):
    mark = f"CHUNKVAULT_TEST_MARK={tmp_path}"
    for location in (
        sshd.location(tmp_path / "one"),
        rclone.location("disk", tmp_path / "two"),
    ):
        program = program_at(
            tmp_path,
            location,
            RCLONE_CONFIG=rclone.environment["RCLONE_CONFIG"],
            CHUNKVAULT_TEST_MARK=str(tmp_path),
        )
        expect(program, 0, "init")
        with program.start("backup", source) as process:
            wait_until(lambda: len(marked(mark)) > 1)
            process.kill()
        wait_until(lambda: not marked(mark))


def marked(mark):
    """Processes with this in their environment."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/environ", "rb") as environment:
                if mark.encode() in environment.read().split(b"\0"):
                    found.append(number)
        except OSError:
            continue
    return found


def wait_until(is_so):
    import time

    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
