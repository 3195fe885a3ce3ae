"""Exports that are killed at any moment: what they leave, for us and for duplicity."""

import os
import random
import shutil
import signal

import pytest

from chunkvault.duplicity.chains import sort_files
from tests.support.builders import noise, write_tree
from tests.support.command import Program
from tests.support.exported import files_in
from tests.support.real_duplicity import VERSIONS, Duplicity

FIRST = 1_700_000_000
STATES = 3
WAY = ("--all", "--no-encryption", "--no-compression", "--volsize=1")


class Export:
    """A repository with three snapshots, and what an export of them makes."""

    def __init__(self, top):
        self.top = top
        (top / "device.key").write_bytes(b"k" * 32)
        (top / "device.key").chmod(0o600)
        program = Program(top)
        self.states = []
        assert program.run("init").returncode == 0
        for number in range(STATES):
            files = {"big": noise(2_500_000, number), f"d{number}/f": b"%d" % number}
            source = write_tree(top / "source", files)
            # duplicity tells by whole seconds whether a file has changed
            os.utime(source / "big", (FIRST + number, FIRST + number))
            words = ("backup", source, f"--time={FIRST + number * 10}")
            assert program.run(*words).returncode == 0
            self.states.append(contents(source))
        self.moments = self.program(top / "whole").count_moments(*self.words("whole"))
        self.whole = files_in(top / "whole")

    def program(self, place):
        return Program(self.top, watched=place)

    def words(self, name):
        return ("export", "duplicity", self.top / name, *WAY)

    def kill(self, moment, name):
        """The archive that an export leaves which is killed at this moment."""
        place = self.top / name
        killed = self.program(place).run_hit(signal.SIGKILL, moment, *self.words(name))
        assert killed.returncode == -signal.SIGKILL
        return place

    def go_on(self, name):
        done = self.program(self.top / name).run(*self.words(name))
        assert done.returncode == 0, done.stderr


def contents(top):
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file()
    }


def require_continued(duplicity, source):
    time = f"--current-time={FIRST + 1000}"
    words = ("--allow-source-mismatch", time, source, "URL")
    assert "DeltaEntries" in duplicity.run("incremental", *words)
    status = duplicity.run("collection-status", "URL")
    assert "No orphaned or incomplete" in status
    target = duplicity.archive.parent / "continued"
    duplicity.restore(FIRST + 1000, target)
    assert contents(target) == contents(source)


def complete_files(place):
    """Without hidden files that are empty: their writer may just have begun."""
    found = files_in(place).items()
    return {name: data for name, data in found if data or name[0] != "."}


def drawn(export, count):
    """Moments all over an export: so many of each third of it."""
    draw = random.Random(5)
    third = export.moments // 3
    starts = (1, 1 + third, 1 + 2 * third)
    return [draw.randrange(s, s + third) for s in starts for _ in range(count)]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return Export(tmp_path_factory.mktemp("export"))


def test_killed_export_is_finished_by_the_next_to_the_same_bytes(export):
    for number, moment in enumerate(drawn(export, 1)):
        export.kill(moment, f"killed {number}")
        export.go_on(f"killed {number}")
        assert complete_files(export.top / f"killed {number}") == export.whole


@pytest.mark.parametrize("is_cleaned", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_duplicity_goes_on_where_an_export_was_killed_before_its_last_file(
    export, tmp_path, version, is_cleaned
):
    """Files are stored one by one; the last one is the signatures."""
    duplicity = Duplicity(VERSIONS[version], tmp_path, *WAY[1:3])
    shutil.copytree(export.top / "whole", duplicity.archive)
    [last] = duplicity.archive.glob("duplicity-new-signatures.*221340Z.sigtar")
    last.unlink()
    duplicity.restore(FIRST + 10 * STATES, tmp_path / "restored")
    assert contents(tmp_path / "restored") == export.states[-2]
    if is_cleaned:
        duplicity.run("cleanup", "--force", "URL")
        assert sort_files(files_in(duplicity.archive)).incomplete == []
    require_continued(duplicity, export.top / "source")


def test_export_writes_what_a_killed_one_had_not_come_to(export):
    place = export.top / "short of signatures"
    shutil.copytree(export.top / "whole", place)
    [last] = place.glob("duplicity-new-signatures.*221340Z.sigtar")
    last.unlink()
    before = {path: path.stat().st_ino for path in place.iterdir()}
    export.go_on(place.name)
    assert complete_files(place) == export.whole
    after = {path: path.stat().st_ino for path in place.iterdir()}
    assert before.items() <= after.items()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_killed_export_leaves_restores_and_is_cleaned_up(
    export, tmp_path, version
):
    for number, moment in enumerate(drawn(export, 2)):
        left = export.kill(moment, f"{version} {number}")
        duplicity = Duplicity(VERSIONS[version], tmp_path / str(number), *WAY[1:3])
        shutil.copytree(left, duplicity.archive)
        sets = sort_files(files_in(left)).sets
        complete = sum(one.signatures is not None for one in sets)
        for state in range(complete):
            target = tmp_path / f"restored {number} {state}"
            duplicity.restore(FIRST + 10 * state, target)
            assert contents(target) == export.states[state]
        if complete:
            duplicity.run("cleanup", "--force", "URL")
            assert sort_files(files_in(duplicity.archive)).incomplete == []
            require_continued(duplicity, export.top / "source")
        export.go_on(left.name)
        assert complete_files(left) == export.whole
