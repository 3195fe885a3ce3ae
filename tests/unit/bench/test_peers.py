"""Which programs take part, and what each is told."""

import json
import string

import pytest

from bench import peers
from bench.floors import FIND, TAR, UNTAR
from bench.measuring import CommandFailed
from bench.trial import Trial

MADE = [
    peers.chunkvault(["chunkvault"]),
    peers.counted_chunkvault(),
    peers.restic("restic", "restic 0.1"),
    peers.rustic("rustic", "rustic 0.1"),
    peers.kopia("kopia", "kopia 0.1"),
    peers.borg("borg", "borg 1"),
    peers.duplicity("duplicity", "duplicity 3"),
    TAR,
    UNTAR,
    FIND,
]
WORDS = (
    *("create", "backup", "rescan", "restore", "restore_path", "cat"),
    *("ls", "diff", "find", "history", "help", "listing"),
)
KNOWN = {
    *("repository", "source", "target", "scratch", "path", "rootless", "relative"),
    *("name", "number", "date", "iso", "seconds", "snapshot", "older"),
}


def program(folder, name, version):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {name} {version} of today\n")
    path.chmod(0o755)


@pytest.mark.parametrize("peer", MADE, ids=lambda peer: peer.name)
def test_commands_ask_for_nothing_that_is_unknown(peer):
    texts = [word for kind in WORDS for word in getattr(peer, kind)]
    texts += [value for _, value in peer.variables]
    fields = {
        field for text in texts for _, field, _, _ in string.Formatter().parse(text)
    }
    assert fields - {None} <= KNOWN


def test_password_is_in_no_command():
    for peer in MADE:
        assert all(
            peers.PASSWORD not in word for kind in WORDS for word in getattr(peer, kind)
        )


def test_every_restic_on_path_takes_part_but_each_once(tmp_path, monkeypatch):
    program(tmp_path / "old", "restic", "0.14.0")
    program(tmp_path / "new", "restic", "0.17.3")
    (tmp_path / "same").symlink_to(tmp_path / "new")
    folders = [tmp_path / name for name in ("old", "new", "same", "none")]
    monkeypatch.setenv("PATH", ":".join([*map(str, folders), "/usr/bin", "/bin"]))
    found = peers.find_peers("chunkvault", ["chunkvault", "restic"])
    names = [peer.name for peer in found]
    assert names[0] == "chunkvault"
    assert {"restic 0.14.0", "restic 0.17.3"} <= set(names)
    assert names.count("restic 0.17.3") == 1


def test_only_named_programs_take_part(tmp_path, monkeypatch):
    program(tmp_path / "bin", "restic", "1.2.3")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = peers.find_peers("chunkvault", ["chunkvault"])
    assert [peer.name for peer in found] == ["chunkvault"]


def test_snapshots_are_listed_oldest_first():
    rows = [{"id": "b", "time": "2020-02"}, {"id": "a", "time": "2020-01"}]
    restic, rustic = MADE[2], MADE[3]
    assert restic.ids(json.dumps(rows)) == ["a", "b"]
    assert rustic.ids(json.dumps([[{"host": "h"}, rows]])) == ["a", "b"]
    assert rustic.ids(json.dumps([{"snapshots": rows}])) == ["a", "b"]
    assert MADE[4].ids('[{"rootEntry": {"obj": "k1"}}]') == ["k1"]


def test_trial_fills_in_what_a_command_asks_for(tmp_path):
    source = tmp_path / "source"
    echo = ("printf", "%s\n", "{source}", "{path}", "{rootless}", "{relative}")
    peer = peers.Peer(name="echo", ls=(*echo, "{name}", "{number}", "{date}", "{iso}"))
    with Trial(peer, source, tmp_path / "trial") as trial:
        trial.run(peer.ls, 2, str(source / "a/b"))
        said = trial.output.read_text().splitlines()
    path = f"{source}/a/b"
    assert said[:5] == [str(source), path, path[1:], "a/b", "b"]
    assert said[5:] == ["2", "2020-01-03 12:00:00", "2020-01-03T12:00:00"]


def test_trial_asks_for_ids_where_a_program_draws_its_own(tmp_path):
    peer = peers.Peer(
        name="drawing",
        diff=("echo", "{older}", "{snapshot}"),
        listing=("echo", "x y"),
        ids=str.split,
    )
    with Trial(peer, tmp_path, tmp_path / "trial") as trial:
        trial.run(peer.diff, 1)
        assert trial.output.read_text() == "x y\n"
        with pytest.raises(CommandFailed, match="no snapshot 2"):
            trial.run(peer.diff, 2)


def test_trial_leaves_nothing_but_an_existing_repository(tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    peer = peers.Peer(name="none", create=("false",))
    with Trial(peer, tmp_path, tmp_path / "trial", repository) as trial:
        assert trial.repository == repository
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


def test_trial_that_cannot_be_created_leaves_nothing(tmp_path):
    peer = peers.Peer(name="none", create=("false",))
    with pytest.raises(CommandFailed):
        Trial(peer, tmp_path, tmp_path / "trial")
    assert list(tmp_path.iterdir()) == []
