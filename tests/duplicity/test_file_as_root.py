"""Snapshots of a single file: the archive's root is that file, as duplicity has it."""

import os

import pytest

from tests.support.builders import back_up, create_small, noise
from tests.support.exported import export_to
from tests.support.real_duplicity import VERSIONS, Duplicity

FIRST = 1_700_000_000
STATES = [noise(300), noise(300) + b"end", noise(2_500_000), b""]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_state_restores_as_a_file_and_duplicity_goes_on(tmp_path, version):
    source = tmp_path / "file"
    repository = create_small()
    for number, data in enumerate(STATES):
        source.write_bytes(data)
        os.utime(source, (FIRST + number, FIRST + number))
        back_up(repository, source, at=number, host=os.uname().nodename)
    duplicity = Duplicity(VERSIONS[version], tmp_path / "run", "--no-encryption")
    assert export_to(duplicity.archive, repository).sets_incremental == 3
    for number, data in enumerate(STATES):
        target = tmp_path / f"restored-{number}"
        duplicity.restore(FIRST + number, target)
        assert target.read_bytes() == data
    compared = duplicity.run("verify", "--compare-data", "URL", source)
    assert ", 0 difference" in compared
    assert "DeltaEntries 0" in duplicity.run("incremental", source, "URL")


def test_where_a_file_becomes_a_folder_a_new_chain_begins(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"file")
    repository = create_small()
    back_up(repository, source, at=0)
    source.unlink()
    source.mkdir()
    (source / "a").write_bytes(b"1")
    back_up(repository, source, at=10)
    duplicity = Duplicity(VERSIONS["0.8"], tmp_path / "run", "--no-encryption")
    assert export_to(duplicity.archive, repository).sets_full == 2
    duplicity.restore(FIRST, tmp_path / "first")
    assert (tmp_path / "first").read_bytes() == b"file"
    duplicity.restore(FIRST + 10, tmp_path / "second")
    assert (tmp_path / "second/a").read_bytes() == b"1"
