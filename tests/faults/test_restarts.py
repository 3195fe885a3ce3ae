"""A server that is killed and started again, under machines that know nothing yet.

With a cache a restore asks for little but contents. Without one every step of it, from
the config on, may be the one that the server is killed under.
"""

import os
import signal
import time

import pytest

from tests.support.builders import KEY, noise, read_tree, write_tree
from tests.support.command import Program
from tests.support.stores.fault_rules import Fault
from tests.support.stores.rclone import OwnWebdav
from tests.support.stores.sshd import children_of, own_sshd

FILES = {f"f{number}": noise(2_000_000, number) for number in range(4)}
RATE = "3M"


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", FILES)


def program_at(home, location, **variables):
    home.mkdir()
    (home / "device.key").write_bytes(KEY.key)
    (home / "device.key").chmod(0o600)
    program = Program(home)
    program.environment.update(variables, CHUNKVAULT_REPOSITORY=location)
    return program


def expect_success(process):
    _, problems = process.communicate(timeout=150)
    assert process.returncode == 0, problems


def fill(program, source):
    for words in (("init",), ("backup", source)):
        expect_success(program.start(*words))


def start_cold(program, number, *words):
    """A restore on a machine that knows nothing."""
    cache = f"{program.environment['HOME']}/cold{number}"
    program.environment["CHUNKVAULT_CACHE_DIR"] = cache
    return program.start("restore", "--to", *words)


def test_every_request_of_a_cold_restore_survives_a_restart(store, source, tmp_path):
    program = program_at(tmp_path / "home", store.location, **store.server.environment)
    fill(program, source)
    asked = (
        "config",
        "keys/",
        "list-type",
        "index/",
        "snapshots/",
        "trees/",
        "chunks/",
    )
    for number, path in enumerate(asked):
        store.proxy.clear()
        held = store.proxy.add(Fault(stall=True), method="GET", path=path)
        restore = start_cold(program, number, tmp_path / f"out{number}")
        wait_until(lambda held=held: held.applied, restore)
        store.proxy.go_away()
        store.proxy.come_back()
        expect_success(restore)
        assert read_tree(tmp_path / f"out{number}") == read_tree(source)


def wait_until(is_so, process):
    while not is_so():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def wait_for_content(folder, process):
    """Return when something of a file has been written."""
    wait_until(lambda: any(path.stat().st_size for path in hidden(folder)), process)


def hidden(folder):
    try:
        return [path for path in folder.rglob("*") if path.is_file()]
    except FileNotFoundError:  # renamed while it was looked at
        return []


def start_slowly(program, target):
    """A cold restore that has begun to write, and has long to go."""
    program.environment["CHUNKVAULT_LIMIT_DOWNLOAD"] = RATE
    restore = start_cold(program, 0, target)
    wait_for_content(target, restore)
    return restore


def test_a_cold_restore_over_ssh_survives_a_killed_server(source, tmp_path):
    with own_sshd(tmp_path / "sshd") as (process, server):
        location = server.location(tmp_path / "far")
        program = program_at(tmp_path / "home", location)
        fill(program, source)
        restore = start_slowly(program, tmp_path / "out")
        process.kill()
        process.listen()
        expect_success(restore)
        assert read_tree(tmp_path / "out") == read_tree(source)


def test_a_backup_over_ssh_survives_a_killed_server(source, tmp_path):
    with own_sshd(tmp_path / "sshd") as (process, server):
        location = server.location(tmp_path / "far")
        program = program_at(tmp_path / "home", location)
        expect_success(program.start("init"))
        program.environment["CHUNKVAULT_LIMIT_UPLOAD"] = RATE
        backup = program.start("backup", source)
        wait_for_content(tmp_path / "far/chunks", backup)
        process.kill()
        process.listen()
        expect_success(backup)
        del program.environment["CHUNKVAULT_LIMIT_UPLOAD"]
        expect_success(program.start("check", "--read-data"))


def test_a_cold_restore_through_rclone_survives_a_killed_server(source, tmp_path):
    server = OwnWebdav(tmp_path / "webdav")
    try:
        settings = {"RCLONE_CONFIG": server.environment["RCLONE_CONFIG"]}
        program = program_at(tmp_path / "home", "rclone:nas:far", **settings)
        fill(program, source)
        restore = start_slowly(program, tmp_path / "out")
        server.kill()
        server.start()
        expect_success(restore)
        assert read_tree(tmp_path / "out") == read_tree(source)
    finally:
        server.kill()


def test_a_cold_restore_survives_rclone_itself_being_killed(rclone, source, tmp_path):
    settings = {"RCLONE_CONFIG": rclone.environment["RCLONE_CONFIG"]}
    location = rclone.location("disk", tmp_path / "far")
    program = program_at(tmp_path / "home", location, **settings)
    fill(program, source)
    restore = start_slowly(program, tmp_path / "out")
    for child in children_of(restore.pid):
        os.kill(child, signal.SIGKILL)
    expect_success(restore)
    assert read_tree(tmp_path / "out") == read_tree(source)
