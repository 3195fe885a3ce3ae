"""The program itself on an S3 server whose line fails: codes, words, counts."""

import json
import signal
import time

import pytest

from chunkvault.backends.local import LocalBackend
from tests.support.builders import noise, objects_of, read_tree, write_tree
from tests.support.command import Program
from tests.support.stores.fault_rules import Fault

FILES = {f"f{number}": noise(2_000_000, number) for number in range(10)}


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", FILES)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A new repository as a folder, and a device key that opens it at once."""
    top = tmp_path_factory.mktemp("template")
    program = Program(top)
    del program.environment["CHUNKVAULT_KEY_FILE"]
    program.environment["CHUNKVAULT_PASSWORD"] = "secret"
    for words in (("init",), ("key", "add", "--device", top / "device.key")):
        done = program.run(*words)
        assert done.returncode == 0, done.stderr
    return objects_of(LocalBackend(bytes(program.repository))), top / "device.key"


def machine(store, home, key):
    """A machine with a home and a cache of its own."""
    home.mkdir()
    program = Program(home)
    program.environment |= store.server.environment
    program.environment["CHUNKVAULT_REPOSITORY"] = store.location
    program.environment["CHUNKVAULT_KEY_FILE"] = str(key)
    return program


@pytest.fixture
def program(store, template, tmp_path):
    objects, key = template
    store.fill(objects)
    return machine(store, tmp_path / "home", key)


def read_line_with(stream, words):
    while line := stream.readline():
        if words in line:
            return line
    raise AssertionError(f"never said: {words}")


def hold_one(proxy, method):
    """The next request of that kind gets no answer: the work stops in its middle."""
    return proxy.add(Fault(stall=True), method=method)


def wait_until_held(rule, process):
    while not rule.applied:
        assert process.poll() is None
        time.sleep(0.01)


def test_the_summary_counts_what_went_over_the_wire(store, program, source, tmp_path):
    store.proxy.clear()
    summary = program.json("backup", source, "-q")
    counted = summary["requests"]
    assert counted["put"] == store.proxy.count("PUT") > 0
    lists = store.proxy.count("GET", "list-type")
    assert counted["list"] == lists > 0
    assert counted["get"] == store.proxy.count("GET") - lists
    assert counted["sent_bytes"] == sum(one.sent for one in store.proxy.requests)
    assert counted["estimate"] is None  # nobody bills for this server
    store.proxy.clear()
    summary = program.json("restore", "--to", tmp_path / "out", "--no-cache", "-q")
    counted = summary["requests"]
    assert counted["get"] == store.proxy.count("GET") - store.proxy.count(
        "GET", "list-type"
    )
    assert counted["received_bytes"] > sum(map(len, FILES.values()))
    assert read_tree(tmp_path / "out") == read_tree(source)
    done = program.run("check")
    assert " get" in next(
        line for line in done.stdout.splitlines() if line.startswith("requests ")
    )


def test_every_command_tells_its_requests_to_programs(store, program, source):
    assert program.run("backup", source, "-q").returncode == 0
    name = source / "f1"
    for words in ("snapshots", "ls", "find *", f"history {name}", "diff latest latest"):
        store.proxy.clear()
        done = program.run(*words.split(), "--json", "--no-cache")
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)  # one document, and nothing else
        told = json.loads(done.stderr)
        assert told["message_type"] == "requests"
        assert told["requests"]["list"] == store.proxy.count("GET", "list-type") > 0
    for words in ("stats", "key list"):
        done = program.run(*words.split(), "--json", "--no-cache")
        assert '"requests"' in done.stdout + done.stderr


def test_a_backup_and_a_restore_get_through_a_server_that_is_restarted(
    store, program, source, tmp_path
):
    held = hold_one(store.proxy, "PUT")
    backup = program.start("backup", source)
    wait_until_held(held, backup)
    store.proxy.go_away()
    store.proxy.come_back()
    _, problems = backup.communicate(timeout=120)
    assert backup.returncode == 0, problems
    held = hold_one(store.proxy, "GET")
    restore = program.start("restore", "--to", tmp_path / "out")
    wait_until_held(held, restore)
    store.proxy.drop_connections()
    _, problems = restore.communicate(timeout=120)
    assert restore.returncode == 0, problems
    assert read_tree(tmp_path / "out") == read_tree(source)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_wait_ends_at_once_when_the_program_is_asked_to_end(
    store, program, source, number
):
    fault = Fault(status=503, retry_after="200")
    store.proxy.add(fault, method="PUT", times=None)
    backup = program.start("backup", source)
    told = read_line_with(backup.stderr, "does not answer")
    assert "trying again for up to 15 min" in told
    backup.send_signal(number)
    _, problems = backup.communicate(timeout=100)  # not 200
    assert backup.returncode == 128 + number
    assert "interrupted" in problems
    store.proxy.clear()
    assert program.run("backup", source).returncode == 0
    assert program.run("check").returncode == 0


def test_two_machines_back_up_to_one_store_at_once(
    store, template, program, source, tmp_path
):
    other = machine(store, tmp_path / "other", template[1])
    both = [
        one.start("backup", source, "--host", name)
        for one, name in ((program, "one"), (other, "two"))
    ]
    for backup in both:
        _, problems = backup.communicate(timeout=120)
        assert backup.returncode == 0, problems
    hosts = {snapshot["host"] for snapshot in other.json("snapshots")}
    assert hosts == {"one", "two"}
    assert program.run("check", "--read-data").returncode == 0


def test_wrong_credentials_are_a_sentence(store, program):
    program.environment["AWS_SECRET_ACCESS_KEY"] = "wrong-secret-word"
    done = program.run("snapshots")
    assert done.returncode == 1
    assert "secret key is wrong" in done.stderr
    assert "hint" in done.stderr
    assert "wrong-secret-word" not in done.stderr


def test_no_repository_there_is_a_sentence(store, program):
    program.environment["CHUNKVAULT_REPOSITORY"] = f"{store.location}/elsewhere"
    done = program.run("snapshots")
    assert done.returncode == 10
    assert "there is no repository at s3:http://127.0.0.1" in done.stderr


def test_secrets_are_shown_nowhere(store, program, source):
    store.proxy.add(Fault(status=500), every=3, times=3)
    done = program.run("backup", source, "-v")
    secret = store.server.environment["AWS_SECRET_ACCESS_KEY"]
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_host_that_never_answers_is_given_up_after_a_minute(store, program):
    store.proxy.go_away()
    done = program.run("snapshots")
    assert done.returncode == 23
    assert "nobody listens" in done.stderr
    assert "1 min" in done.stderr
