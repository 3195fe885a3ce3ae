"""What is said of a folder that lacks entries, and the code: 20."""

import json

import pytest

from chunkvault.backends.local import LocalBackend
from chunkvault.cli.main import main
from chunkvault.format.tree import MAX_LEAF_NODES
from tests.support.builders import KEY, create_small
from tests.support.large_directory import NAMES, LargeDirectory, spoil_tree
from tests.support.trees import make_node, take_snapshot

COUNT = len(NAMES)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A repository with two snapshots that share a damaged part of a directory."""
    top = tmp_path_factory.mktemp("gaps")
    (top / "device.key").write_bytes(KEY.key)
    (top / "device.key").chmod(0o600)
    repository = create_small(LocalBackend(bytes(top / "repository")))
    directory = LargeDirectory(repository)
    files = directory.files | {
        b"/data/%s" % NAMES[0]: make_node(mode=0o600),
        b"/data/%s" % NAMES[-1]: make_node(mode=0o600),
    }
    take_snapshot(repository, files, at=2)
    assert len(directory.parts) > 4
    name = spoil_tree(repository, directory.parts[2].blob_id)
    return top, name


@pytest.fixture
def call(damaged, monkeypatch, capsys):
    top, _ = damaged

    def call(*words):
        monkeypatch.setenv("CHUNKVAULT_KEY_FILE", str(top / "device.key"))
        code = main(["-r", str(top / "repository"), "--no-cache", *words])
        told = capsys.readouterr()
        [line] = told.err.splitlines()  # of both snapshots, but the same
        return code, told.out, line

    return call


@pytest.fixture
def run(damaged, call):
    def run(*words):
        code, said, line = call(*words)
        assert line.startswith("chunkvault: /data: entries after '0")
        assert damaged[1] in line
        return code, said

    return run


def lacks_a_part(count):
    return COUNT - 4 * MAX_LEAF_NODES <= count < COUNT


def test_ls_names_what_it_lacks(run):
    code, said = run("ls", "/data")
    assert code == 20
    assert lacks_a_part(len(said.splitlines()))


def test_find_names_what_it_lacks(run):
    code, said = run("find", "[0-9]*")
    assert code == 20
    assert lacks_a_part(len(said.splitlines()) - 2)  # two have two versions
    code, said = run("find", "[0-9]*", "--json")
    assert code == 20
    assert lacks_a_part(len(json.loads(said)) - 2)


def test_find_that_finds_nothing_tells_damage_rather_than_that(run):
    code, said = run("find", "nothing", "--quiet")
    assert (code, said) == (20, "")


def test_diff_names_what_it_lacks(run):
    lines = [f"U  /data/{NAMES[at].decode()}" for at in (0, -1)]
    code, said = run("diff", "latest~1", "latest")
    assert code == 20
    assert said.splitlines() == [*lines, "0 added, 0 removed, 0 changed, 2 metadata"]
    code, said = run("diff", "latest~1", "latest", "--json")
    assert code == 20
    assert [one["change"] for one in json.loads(said)] == ["metadata", "metadata"]


def test_history_tells_of_snapshots_that_it_could_not_look_into(damaged, call):
    _, listed, _ = call("ls", "/data")
    lost = min(set(NAMES) - {line.encode()[-5:] for line in listed.splitlines()})
    code, said, line = call("history", f"/data/{lost.decode()}")
    assert code == 20
    assert lost.decode() not in said
    assert line.startswith(f"chunkvault: /data/{lost.decode()}: ")
    assert damaged[1] in line
