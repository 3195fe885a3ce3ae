"""A signal ends an operation wherever it comes, and is no failure of one entry."""

import os

import pytest

from chunkvault.errors import Interrupted
from chunkvault.format.node import NodeKind
from chunkvault.operations.restore import RestoreOptions, restore
from chunkvault.report import SilentReporter
from tests.support.builders import back_up, create_small, snapshots_of, write_tree
from tests.support.trees import make_node, new_repository, take_snapshot


class Interrupting(SilentReporter):
    """Is interrupted when it is told of an entry for the nth time."""

    def __init__(self, at):
        super().__init__()
        self.left = at

    def entry(self, action, path):
        self.left -= 1
        if not self.left:
            raise Interrupted(2)


@pytest.mark.parametrize("at", range(1, 7))
def test_restore_ends_at_whatever_entry(tmp_path, at):
    repository = new_repository()
    stored = take_snapshot(
        repository,
        {
            b"/data/d/file": b"1",
            b"/data/d/pipe": make_node(kind=NodeKind.FIFO),
            b"/data/link": make_node(kind=NodeKind.SYMLINK, target=b"x"),
            b"/data/other": b"2",
        },
    )
    (tmp_path / "stranger").write_bytes(b"")
    options = RestoreOptions(
        snapshot=stored,
        target=os.fsencode(tmp_path),
        workers=0,
        delete=True,
        list_entries=True,
    )
    with pytest.raises(Interrupted):
        restore(repository, options, Interrupting(at))


@pytest.mark.parametrize("at", range(1, 4))
def test_backup_ends_at_whatever_entry_and_without_a_snapshot(tmp_path, at):
    repository = create_small()
    write_tree(tmp_path / "source", {"a": b"1", "b/c": b"2", "d": b"3"})
    with pytest.raises(Interrupted):
        back_up(
            repository,
            tmp_path / "source",
            list_entries=True,
            reporter=Interrupting(at),
        )
    assert snapshots_of(repository) == []
