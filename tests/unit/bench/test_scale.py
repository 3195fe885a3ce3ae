"""The repository without data is one that chunkvault can work with."""

import os
from pathlib import Path

import pytest

from bench.data.sparse_tree import layout, make_source, wanted_content
from bench.peers import counted_chunkvault
from bench.scale import PASSWORD, Sizes, make_repository
from bench.trial import Trial
from chunkvault.backends.local import LocalBackend
from chunkvault.repository import Passphrase, open_repository
from tests.support.builders import CHEAP

SIZES = Sizes(blobs=5000, files=700, snapshots=3, rows_per_run=2000)


@pytest.fixture(scope="module", params=[True, False], ids=["with-source", "without"])
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    if request.param:
        make_source(folder / "source", SIZES.files)
    make_repository(
        folder / "repository",
        folder / "source",
        SIZES,
        real=request.param,
        cost=CHEAP,
    )
    return folder


def run(folder, *words):
    peer = counted_chunkvault()
    source, repository = folder / "source", folder / "repository"
    with Trial(peer, source, folder / "trial", repository) as trial:
        command = (*peer.help[:-1], *words)
        trial.run(command)
        restored = {
            str(path.relative_to(trial.target)): path.read_bytes()
            for path in trial.target.rglob("*")
            if path.is_file()
        }
        return trial.output.read_text(), restored, trial.traffic


@pytest.mark.parametrize("files", [1, 2, 50, 999, 30_000])
def test_layout_has_as_many_files_as_were_asked_for(files):
    folders = list(layout(files))
    assert sum(len(names) for _, names in folders) == files
    assert len({folder for folder, _ in folders}) == len(folders)
    assert all(names == sorted(set(names)) for _, names in folders)


def test_index_has_every_row_and_nothing_is_missing(made):
    backend = LocalBackend(os.fsencode(made / "repository"))
    with open_repository(backend, Passphrase(PASSWORD.encode())) as repository:
        rows = sum(run.fence.row_count for run in repository.index.runs)
        assert rows >= SIZES.blobs
        assert repository.index.adopt_unlisted() == {}
        assert repository.index.missing_volumes == frozenset()
        assert len(repository.list_snapshots()) >= SIZES.snapshots


def test_the_one_file_can_be_restored(made):
    path = str(made / "source/wanted/letter.txt")
    _, restored, traffic = run(made, "restore", path, "--to", "{target}")
    assert list(restored.values()) == [wanted_content()]
    assert traffic.requests > 0
    assert traffic.moved_bytes > len(wanted_content())


def test_whole_tree_can_be_listed(made):
    listed, _, _ = run(made, "ls", "-R", "--snapshot", "latest")
    assert len([line for line in listed.splitlines() if ".txt" in line]) > 600


def test_backup_finds_nothing_changed(made):
    if not (made / "source").exists():
        return  # nothing to look at
    summary, _, _ = run(made, "backup", str(made / "source"))
    assert "0 new, 0 changed, 700 unmodified" in summary


def test_source_is_sparse_and_made_once(tmp_path):
    source = tmp_path / "source"
    make_source(source, 300)
    files = [path for path in source.rglob("*") if path.is_file()]
    assert len(files) == 300
    occupied = sum(path.stat().st_blocks for path in files) * 512
    assert occupied < 1_000_000 < sum(path.stat().st_size for path in files)
    (source / "wanted/letter.txt").write_bytes(b"changed")
    make_source(source, 300)
    assert Path(source / "wanted/letter.txt").read_bytes() == b"changed"
