"""Mistakes that the real duplicity punishes, most of them by losing files in silence.

Each is a rule that exports keep. The first test shows that what they write is taken as
it was meant; the others break one rule in such an archive, and show that the real
program then does lose what the rule is for. So the first one can fail.
"""

import os
import shutil

import pytest

from tests.support.builders import back_up, create_small, noise, write_tree
from tests.support.exported import export_to
from tests.support.real_duplicity import VERSIONS, Duplicity
from tests.support.spoiled import (
    Member,
    edit_manifest,
    one_file,
    rewrite_signatures,
    rewrite_volume,
)

each_version = pytest.mark.parametrize("version", VERSIONS)

FIRST = 1_700_000_000
FULL = "20231114T221320Z"
LATER = f"{FULL}.to.20231114T221330Z"
LAST = "20231114T221330Z.to.20231114T221340Z"
OLD = {"d/b", "d/e/c", "d-x/q", "d.t", "gone/a", "gone/b/c", "big", "mode"}
NEW = (OLD - {"gone/a", "gone/b/c"}) | {"d/new"}
NEWEST = NEW | {"last"}
FOLDERS = {"d", "d/e", "d-x"}


def make_history(source):
    """Three states: the second one has lost, gained and changed something."""
    repository = create_small()
    write_tree(source, {path: path.encode() for path in OLD})
    write_tree(source, {"big": noise(60_000)})
    back_up(repository, source, at=0, host=os.uname().nodename)
    shutil.rmtree(source / "gone")
    write_tree(source, {"d/new": b"new", "big": noise(60_000) + b"end"})
    (source / "mode").chmod(0o600)
    back_up(repository, source, at=10, host=os.uname().nodename)
    write_tree(source, {"last": b"last"})
    back_up(repository, source, at=20, host=os.uname().nodename)
    return repository


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    top = tmp_path_factory.mktemp("exported")
    repository = make_history(top / "source")
    export_to(top / "archive", repository)
    return top


class Trial:
    """A copy of the exported archive, and one duplicity to try on it."""

    def __init__(self, exported, tmp_path, version):
        self.version = version
        self.source = exported / "source"
        self.duplicity = Duplicity(VERSIONS[version], tmp_path, "--no-encryption")
        self.archive = self.duplicity.archive
        self.target = tmp_path / "restored"
        shutil.copytree(exported / "archive", self.archive)

    def restored(self, at=FIRST + 10):
        """Paths of the files that come back."""
        shutil.rmtree(self.target, ignore_errors=True)
        self.duplicity.restore(at, self.target)
        return self.found("files")

    def found(self, kind):
        walk = list(os.walk(self.target))
        names = [
            (d, f)
            for d, folders, files in walk
            for f in (files, folders)[kind != "files"]
        ]
        return {os.path.relpath(os.path.join(*one), self.target) for one in names}

    def code(self, command, *words):
        return self.duplicity.try_to(command, *words).returncode

    def restore_code(self, at=FIRST + 10):
        return self.code("restore", f"--time={at}", "URL", self.target)


@pytest.fixture(params=VERSIONS)
def trial(request, exported, tmp_path):
    return Trial(exported, tmp_path, request.param)


def test_archive_as_it_is_written_loses_nothing(trial):
    assert trial.restored(FIRST) == OLD
    assert trial.restored() == NEW
    assert trial.found("folders") == FOLDERS
    assert (trial.target / "big").read_bytes() == noise(60_000) + b"end"
    assert trial.restored(FIRST + 20) == NEWEST
    compared = trial.duplicity.run("verify", "--compare-data", "URL", trial.source)
    assert ", 0 difference" in compared
    statistics = trial.duplicity.run("incremental", trial.source, "URL")
    assert "DeltaEntries 0" in statistics


def joined(members):
    """In the order of whole paths: ``d-x`` before ``d/b``."""
    return sorted(members, key=lambda one: one.path)


def without(*paths):
    return lambda members: [one for one in members if one.path not in paths]


@pytest.mark.slow
def test_order_of_whole_paths_loses_files_in_silence(trial):
    rewrite_volume(trial.archive, f"full.{FULL}", joined)
    assert not {"d/b", "d/e/c"} & trial.restored(FIRST)


@pytest.mark.slow
def test_folder_behind_its_content_loses_files_in_silence(trial):
    rewrite_volume(trial.archive, f"full.{FULL}", lambda all_: [all_[0], *all_[:0:-1]])
    assert trial.restored(FIRST) < OLD


@pytest.mark.slow
def test_order_of_whole_paths_in_signatures_makes_unchanged_files_changed(trial):
    rewrite_signatures(trial.archive, f"signatures.{FULL}", joined)
    statistics = trial.duplicity.run("incremental", trial.source, "URL")
    assert "DeltaEntries 0\n" not in statistics


@pytest.mark.slow
def test_missing_folder_loses_what_is_in_it_in_silence(trial):
    rewrite_volume(trial.archive, f"full.{FULL}", without("d-x"))
    assert trial.restored(FIRST) == OLD - {"d-x/q"}


@pytest.mark.slow
def test_missing_root_lets_nothing_be_restored(trial):
    rewrite_volume(trial.archive, f"full.{FULL}", without(""))
    assert trial.restore_code(FIRST) == 30


@pytest.mark.slow
def test_descendants_that_are_not_deleted_come_back_in_silence(trial):
    rewrite_volume(trial.archive, LATER, without("gone/a", "gone/b", "gone/b/c"))
    assert "gone/b/c" in trial.restored()


@pytest.mark.slow
def test_folder_that_is_not_deleted_stays_in_silence(trial):
    rewrite_volume(trial.archive, LATER, without("gone"))
    assert trial.restored() == NEW
    assert trial.found("folders") == FOLDERS | {"gone"}


@pytest.mark.slow
def test_newest_signatures_missing_gives_the_older_state_in_silence(trial):
    one_file(trial.archive, f"{LAST}.sigtar").unlink()
    assert trial.restored(FIRST + 20) == NEW


@pytest.mark.slow
def test_no_signatures_at_all_restore_but_cannot_be_continued(trial):
    for path in trial.archive.glob("*.sigtar*"):
        path.unlink()
    assert trial.restored(FIRST + 20) == NEWEST
    assert trial.code("incremental", trial.source, "URL") == 17


@pytest.mark.slow
def test_manifest_missing_gives_the_older_state_or_an_error(trial):
    one_file(trial.archive, f"{LATER}.manifest").unlink()
    if trial.version == "0.8":
        assert trial.restored() == OLD
    else:
        assert trial.restore_code() == 30


@pytest.mark.slow
def test_increment_off_by_a_second_is_passed_over_in_silence(trial):
    for path in list(trial.archive.glob(f"*{LATER}*")):
        path.rename(path.with_name(path.name.replace("221320Z.to", "221319Z.to")))
    assert trial.restored() == OLD


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("    Hash SHA1 .*\n", "", 30),
        ("Hash SHA1 ..", "Hash SHA1 00", 21),
        ("SHA1", "SHA256", 30),
    ],
)
def test_hash_that_is_missing_wrong_or_unknown_ends_the_restore(trial, old, new, code):
    edit_manifest(trial.archive, LATER, old, new)
    assert trial.restore_code() == code


@pytest.mark.slow
def test_path_outside_what_a_manifest_says_of_a_volume_is_not_found(trial):
    option = "--file-to-restore" if trial.version == "0.8" else "--path-to-restore"
    words = ("restore", f"--time={FIRST}", option, "mode", "URL", trial.target)
    edit_manifest(trial.archive, f"full.{FULL}", "EndingPath +mode", "EndingPath   d")
    assert trial.code(*words) == 19


@pytest.mark.slow
def test_file_under_a_hidden_name_is_passed_over_but_not_with_an_ending(trial):
    path = one_file(trial.archive, f"{LATER}.vol1.")
    shutil.copy(path, path.with_name(".tmp-0011223344556677"))
    assert trial.restored() == NEW
    shutil.copy(path, path.with_name(f"{path.name}.tmp"))
    shutil.rmtree(trial.target)
    assert trial.restore_code() == 30


@pytest.mark.slow
def test_hard_link_ends_the_restore(trial):
    def link(members):
        *rest, last = members
        header = bytearray(last.blocks)
        header[156:157] = b"1"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header[:512])
        return [*rest, Member(last.name, bytes(header))]

    rewrite_volume(trial.archive, f"full.{FULL}", link)
    assert trial.restore_code(FIRST) == 30


@pytest.mark.slow
def test_full_set_in_the_second_of_the_last_increment_ends_the_restore(trial):
    for path in list(trial.archive.glob(f"*full*{FULL}*")):
        other = path.name.replace("221320Z", "221340Z")
        shutil.copy(path, path.with_name(other))
    assert trial.restore_code(FIRST + 20) == 30


@pytest.mark.slow
def test_chains_that_overlap_end_the_restore(trial):
    for path in list(trial.archive.glob(f"*full*{FULL}*")):
        shutil.copy(path, path.with_name(path.name.replace("221320Z", "221325Z")))
    edited = list(trial.archive.glob(f"*{LATER}*"))
    for path in edited:
        other = path.name.replace("221320Z", "221325Z").replace("221330Z", "221345Z")
        shutil.copy(path, path.with_name(other))
    assert trial.restore_code(FIRST + 8) == 30


@pytest.mark.slow
def test_set_that_is_written_again_ends_the_restore_of_who_has_its_manifest(trial):
    assert trial.restored() == NEW
    rewrite_volume(trial.archive, LATER, lambda all_: all_ + all_[-1:])
    shutil.rmtree(trial.target)
    assert trial.restore_code() == 21


@each_version
@pytest.mark.slow
def test_missing_record_of_a_volume_cuts_a_file_short_in_silence(tmp_path, version):
    source = write_tree(tmp_path / "source", {"big": noise(2_500_000)})
    repository = create_small()
    back_up(repository, source, at=0)
    duplicity = Duplicity(VERSIONS[version], tmp_path / "run", "--no-encryption")
    summary = export_to(duplicity.archive, repository)
    assert summary.volumes > 2
    duplicity.restore(FIRST, tmp_path / "right")
    assert (tmp_path / "right/big").read_bytes() == noise(2_500_000)
    edit_manifest(duplicity.archive, FULL, "Volume 3:\n.*\n.*\n.*\n", "")
    shutil.rmtree(tmp_path / "run/cache")
    duplicity.restore(FIRST, tmp_path / "wrong")
    assert (tmp_path / "wrong/big").stat().st_size < 2_500_000
