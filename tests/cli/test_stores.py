"""The program on stores that answer over a line: the same as on a folder."""

import os
import threading

import pytest

from chunkvault.backends.local import LocalBackend
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.s3 import open_location
from tests.support.builders import noise, read_tree, write_tree
from tests.support.command import Program
from tests.support.stores.radosgw import own_radosgw

MIB = 1 << 20
FILES = {
    **{f"a/{number:02}": noise(60_000, number) for number in range(30)},
    "large": noise(18 * MIB, 99),
    "text": b"line\n" * 10_000,
}


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", FILES)


@pytest.fixture(params=["radosgw", "b2"])
def store(request, tmp_path):
    """Location and variables of an empty place."""
    server = request.getfixturevalue(request.param)
    place = str(tmp_path).strip("/")
    if request.param == "b2":
        server.bucket("contract")
        return f"b2:contract/{place}", server.master_key()
    return server.location("private", place), server.environment


def machine(home, store, key):
    """A machine with a home and a cache of its own, and a key that others share."""
    location, environment = store
    home.mkdir(exist_ok=True)
    program = Program(home)
    program.environment.update(
        environment, CHUNKVAULT_REPOSITORY=location, CHUNKVAULT_KEY_FILE=str(key)
    )
    return program


def create(home, store):
    """The machine that has created the repository there."""
    program = machine(home, store, home / "device.key")
    key = program.environment.pop("CHUNKVAULT_KEY_FILE")
    program.environment["CHUNKVAULT_PASSWORD"] = "correct horse"
    run(program, "init")
    run(program, "key", "add", "--device", key)
    del program.environment["CHUNKVAULT_PASSWORD"]
    program.environment["CHUNKVAULT_KEY_FILE"] = key
    return program


def run(program, *words):
    done = program.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def assert_restores(program, source, target):
    run(program, "restore", "--to", target)
    assert read_tree(target) == read_tree(source)


def test_backup_restore_and_check(store, source, tmp_path):
    program = create(tmp_path / "home", store)
    run(program, "backup", source)
    assert_restores(program, source, tmp_path / "first")
    (source / "a/00").write_bytes(b"changed")
    run(program, "backup", source)
    assert_restores(program, source, tmp_path / "second")
    run(program, "check", "--read-data")
    assert len(program.json("snapshots")) == 2


def test_a_second_init_is_refused(store, tmp_path):
    program = create(tmp_path / "home", store)
    program.environment["CHUNKVAULT_PASSWORD"] = "another"
    del program.environment["CHUNKVAULT_KEY_FILE"]
    again = program.run("init")
    assert again.returncode == 1
    assert "is not empty, or holds a repository" in again.stderr


def test_two_machines_back_up_at_once(store, source, tmp_path):
    first = create(tmp_path / "one", store)
    second = machine(tmp_path / "two", store, tmp_path / "one/device.key")
    other = write_tree(tmp_path / "other", {**FILES, "only-here": noise(5 * MIB, 7)})
    done = {}

    def back_up(program, tree):
        done[program] = program.run("backup", tree)

    threads = [
        threading.Thread(target=back_up, args=pair)
        for pair in ((first, source), (second, other))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.returncode for result in done.values()] == [0, 0], done
    run(first, "check", "--read-data")
    assert len(second.json("snapshots")) == 2


def test_a_plain_copy_of_the_objects_opens_as_it_is(radosgw, source, tmp_path):
    location = radosgw.location("private", str(tmp_path).strip("/"))
    program = create(tmp_path / "home", (location, radosgw.environment))
    run(program, "backup", source)
    far = open_location(location, StorageOptions(environment=radosgw.environment))
    near = LocalBackend(os.fsencode(tmp_path / "copy"))
    for info in far.list(""):
        near.put(info.name, far.get(info.name))
    program.environment["CHUNKVAULT_REPOSITORY"] = str(tmp_path / "copy")
    assert_restores(program, source, tmp_path / "target")


def test_a_server_that_is_killed_and_started_again_costs_only_time(source, tmp_path):
    with own_radosgw(tmp_path / "ceph") as (cluster, server):
        location = server.location("private", "repository")
        program = create(tmp_path / "home", (location, server.environment))
        program.environment["CHUNKVAULT_LIMIT_UPLOAD"] = "8M"
        backup = program.start("backup", source)
        wait_for_volume(server)
        cluster.kill_gateway()
        cluster.start_gateway()
        _, said = backup.communicate(timeout=120)
        assert backup.returncode == 0, said
        cluster.kill_gateway()
        cluster.start_gateway()
        run(program, "check", "--read-data")
        assert_restores(program, source, tmp_path / "target")


def wait_for_volume(server):
    """Return when the first volume has been stored."""
    pause = threading.Event()
    for _ in range(600):
        page = server.client.list_objects_v2(Bucket="private", Prefix="repository/")
        if any(line["Size"] > MIB for line in page.get("Contents", ())):
            return
        pause.wait(0.05)
    raise AssertionError("nothing was stored")
