"""Archives to which both add by turns, the real duplicity and our exports."""

import os
import shutil

import pytest

from tests.support.builders import back_up, create_small, snapshots_of, write_tree
from tests.support.exported import cheap_gpg, export_to, files_in, seen_by_duplicity
from tests.support.real_duplicity import PASSPHRASE, VERSIONS, Duplicity

FIRST = 1_700_000_000
NOT_ENCRYPTED = (("--no-encryption",), None)
ENCRYPTED = ((), PASSPHRASE.encode())


class Turns:
    """A folder whose history goes into one archive, now by us and now by duplicity."""

    def __init__(self, top, version, options, passphrase):
        self.source = write_tree(top / "source", {"d/a": b"a", "d/b": b"b"})
        self.repository = create_small()
        self.duplicity = Duplicity(VERSIONS[version], top / "run", *options)
        self.states = {}
        self.top = top
        self.gpg = passphrase and cheap_gpg(passphrase)

    def snapshot(self, at):
        self._change(at)
        back_up(self.repository, self.source, at=at, host="laptop")

    def export(self):
        """Everything there is; what lay in the archive stays as it is."""
        before = files_in(self.duplicity.archive) if self.states else {}
        exported = export_to(self.duplicity.archive, self.repository, self.gpg)
        after = files_in(self.duplicity.archive)
        assert before.items() <= after.items()
        return exported

    def add(self, kind, at):
        """duplicity goes on, from a folder to which it was restored, say."""
        self._change(at)
        other = self.top / "elsewhere" / str(at)
        shutil.copytree(self.source, other)
        time = f"--current-time={FIRST + at}"
        mismatch = ("--allow-source-mismatch",) if kind == "incremental" else ()
        self.duplicity.run(kind, time, *mismatch, other, "URL")

    def forget(self, at):
        """It was not exported."""
        del self.states[at]

    def require_all(self):
        for at, state in self.states.items():
            target = self.top / "restored" / str(at)
            target.parent.mkdir(exist_ok=True)
            self.duplicity.restore(FIRST + at, target)
            assert seen_by_duplicity(target) == state, at
        status = self.duplicity.run("collection-status", "URL")
        assert "No orphaned or incomplete" in status
        assert "No extraneous" in self.duplicity.run("cleanup", "URL")
        return status

    def _change(self, at):
        path = write_tree(self.source, {"d/a": b"at %d" % at, f"n{at}": b"n"}) / "d/a"
        os.utime(path, (FIRST + at, FIRST + at))
        self.states[at] = seen_by_duplicity(self.source)


@pytest.mark.parametrize(
    "way", [NOT_ENCRYPTED, pytest.param(ENCRYPTED, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_both_add_by_turns_restores_at_every_time(tmp_path, version, way):
    turns = Turns(tmp_path, version, *way)
    for at in (0, 10, 20):
        turns.snapshot(at)
    some = tuple(snapshots_of(turns.repository)[:2])
    export_to(turns.duplicity.archive, turns.repository, turns.gpg, snapshots=some)
    turns.forget(20)
    turns.add("incremental", 30)
    nothing = turns.export()
    assert (nothing.sets, nothing.sets_too_old, nothing.not_continued) == ((), 1, "")
    for at in (40, 50):
        turns.snapshot(at)
    summary = turns.export()
    assert (summary.sets_full, summary.sets_incremental) == (1, 1)
    assert summary.not_continued == "duplicity has written its newest backup"
    turns.add("incremental", 60)
    turns.add("full", 70)
    turns.add("incremental", 75)
    turns.snapshot(80)
    assert turns.export().sets_full == 1
    turns.snapshot(90)
    last = turns.export()
    assert (last.sets_incremental, last.not_continued) == (1, "")
    words = (f"--current-time={FIRST + 95}", "--allow-source-mismatch", turns.source)
    assert "DeltaEntries 0" in turns.duplicity.run("incremental", *words, "URL")
    status = turns.require_all()
    assert status.count(" Full ") == 4
    assert status.count(" Incremental ") == 7
