"""Ten snapshots of real trees, exported; both duplicities at every point of time.

``CHUNKVAULT_TEST_TREES`` may name folders, separated by ``:``, which are taken as
versions of one more tree: of the source of Linux, say.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.command import Program
from tests.support.real_duplicity import PASSPHRASE, VERSIONS, Duplicity, new_key
from tests.support.real_trees import RealTrees, differences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]
each_version = pytest.mark.parametrize("version", VERSIONS)

STATES = 10
FIRST = 1_700_000_000
_GIVEN = os.environ.get("CHUNKVAULT_TEST_TREES", "")
LARGE = [Path(one) for one in _GIVEN.split(":") if one]
PLAIN = ("--no-encryption", "--no-compression")
VOLUME = "--volsize=25" if LARGE else "--volsize=1"


class History:
    """A repository with ten snapshots, and an archive that grew with it."""

    def __init__(self, top):
        self.top = top
        self.program = Program(top)
        (top / "device.key").write_bytes(b"k" * 32)
        (top / "device.key").chmod(0o600)
        (top / "passphrase").write_text(PASSPHRASE)
        self.source = RealTrees(top / "source", LARGE)
        self.archive = top / "archive"
        self.run("init")
        for number in range(STATES):
            self.source.step(number) if number else self.source.begin()
            self.run("backup", self.source.top, f"--time={time_of(number)}")
            if number in (5, STATES - 1):
                self.export(self.archive, "--no-encryption", "--full-every=4")
                self.export(top / "plain", *PLAIN)

    def run(self, *words):
        with self.program.start(*words) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        return out

    def export(self, place, *options):
        return self.run("export", "duplicity", place, VOLUME, "--all", *options)

    def restore(self, number, target):
        words = ("--snapshot", f"latest~{STATES - 1 - number}", "--to", target)
        self.run("restore", *words)
        return target


def time_of(number):
    return FIRST + 3600 * number


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return History(tmp_path_factory.mktemp("history"))


def duplicity_at(archive, tmp_path, version, *options, **fields):
    """The real program on a copy of the archive, made of hard links."""
    found = Duplicity(VERSIONS[version], tmp_path / version, *options, **fields)
    shutil.copytree(archive, found.archive, copy_function=os.link)
    return found


def require_equal(history, duplicity, number, tmp_path, version):
    ours = history.restore(number, tmp_path / "ours")
    theirs = tmp_path / "theirs"
    duplicity.restore(time_of(number), theirs)
    assert differences(ours, theirs) == "", f"{version} at state {number}"
    shutil.rmtree(ours)
    shutil.rmtree(theirs)


def test_every_state_restores_as_we_restore_it(history, tmp_path):
    both = {
        version: duplicity_at(history.archive, tmp_path, version, "--no-encryption")
        for version in VERSIONS
    }
    for number in range(STATES):
        ours = history.restore(number, tmp_path / "ours")
        for version, duplicity in both.items():
            theirs = tmp_path / "theirs"
            duplicity.restore(time_of(number), theirs)
            assert differences(ours, theirs) == "", f"{version} at state {number}"
            shutil.rmtree(theirs)
        shutil.rmtree(ours)


@each_version
def test_archive_is_compared_listed_counted_and_continued(history, tmp_path, version):
    duplicity = duplicity_at(history.archive, tmp_path, version, "--no-encryption")
    source = history.source.top
    compared = duplicity.run("verify", "--compare-data", "URL", source)
    assert ", 0 difference" in compared
    listing = duplicity.run("list-current-files", "URL")
    assert "odd/larger than a volume" in listing
    status = duplicity.run("collection-status", "URL")
    assert status.count(" Incremental ") == 7
    assert "Number of contained backup sets: 4" in status
    assert "No orphaned or incomplete" in status
    assert "No extraneous" in duplicity.run("cleanup", "URL")
    statistics = duplicity.run("incremental", source, "URL")
    assert "DeltaEntries 0" in statistics
    duplicity.run("remove-older-than", time_of(7), "--force", "URL")
    left = [path.name for path in duplicity.archive.iterdir()]
    assert not any("20231114T221320Z" in name for name in left)
    require_equal(history, duplicity, 7, tmp_path, version)


@each_version
def test_single_files_and_folders_restore_at_several_times(history, tmp_path, version):
    duplicity = duplicity_at(history.archive, tmp_path, version, "--no-encryption")
    option = "--file-to-restore" if version == "0.8" else "--path-to-restore"
    for number in (0, 4, 8):
        ours = history.restore(number, tmp_path / "ours")
        for path in ("odd/larger than a volume", "odd/sparse", "etc", "odd/d.t"):
            theirs = tmp_path / "theirs"
            time = f"--time={time_of(number)}"
            duplicity.run("restore", time, option, path, "URL", theirs)
            if theirs.is_dir():
                assert differences(ours / path, theirs) == ""
                shutil.rmtree(theirs)
            else:
                assert theirs.read_bytes() == (ours / path).read_bytes()
                theirs.unlink()
        shutil.rmtree(ours)


WAYS = {
    "plain": (PLAIN, ("--no-encryption",)),
    "passphrase": ((), ()),
    "one chain": (("--full-every=50", "--no-compression"), ()),
    "key": (("--encrypt-key=KEY",), ("--encrypt-key=KEY",)),
    "signed": (
        ("--encrypt-key=KEY", "--sign-key=KEY"),
        ("--encrypt-key=KEY", "--sign-key=KEY"),
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_of_writing_restores(history, tmp_path, way):
    ours, theirs = way
    with new_key() as (home, key):
        ours, theirs = ([one.replace("KEY", key) for one in w] for w in (ours, theirs))
        gpg = (f"--passphrase-file={history.top / 'passphrase'}", "--gpg-home", home)
        place = tmp_path / "exported"
        # Fewer volumes than above: each costs two runs of gpg and more.
        history.export(place, "--volsize=5", *ours, *gpg)
        for version in VERSIONS:
            duplicity = duplicity_at(place, tmp_path, version, *theirs, gnupg=home)
            for number in (3, STATES - 1):
                require_equal(history, duplicity, number, tmp_path, version)


def test_continued_export_is_that_of_all_at_once(history, tmp_path):
    history.export(tmp_path / "once", *PLAIN)
    command = ["diff", "-rq", history.top / "plain", tmp_path / "once"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == ""
