"""Damage in a part of a large directory costs the entries of that part."""

import pytest

from chunkvault.errors import DamageError
from chunkvault.operations.listing import list_entries
from chunkvault.operations.restore import RestoreOptions, restore
from chunkvault.report import SilentReporter
from tests.support.large_directory import LargeDirectory


@pytest.fixture
def directory():
    directory = LargeDirectory()
    assert len(directory.parts) > 4
    return directory


@pytest.mark.parametrize("numbers", [(0,), (2,), (1, 2), (1, 3), (-1,), (0, -1)])
def test_entries_behind_a_lost_part_are_read(directory, numbers):
    left, told = directory.lose(*numbers), []
    found = [
        one.name for one in directory.trees.entries_past(directory.tree, told.append)
    ]
    assert found == left
    gaps = 1 if numbers == (1, 2) else len(numbers)  # two in a row are one
    assert len(told) == gaps


def test_the_names_around_what_is_missing_are_told(directory):
    left, told = directory.lose(2), []
    list(directory.trees.entries_past(directory.tree, told.append))
    end = directory.parts[3].first_name
    before = max(name for name in left if name < end)
    [error] = told
    assert str(error) == (
        f"entries after '{before.decode()}' and before '{end.decode()}'"
        " cannot be read: it is gone"
    )
    assert error.object_name == "trees/x"


def test_whole_directory_that_is_lost_is_told(directory):
    directory.reader.lost = {directory.tree}
    told = []
    assert list(directory.trees.entries_past(directory.tree, told.append)) == []
    assert [str(error) for error in told] == ["it is gone"]


def test_without_anybody_to_tell_damage_is_raised(directory):
    directory.lose(2)
    with pytest.raises(DamageError, match="it is gone"):
        list(directory.trees.entries(directory.tree))


@pytest.mark.parametrize("recursive", [False, True])
def test_listing_goes_on(directory, recursive):
    left, told = directory.lose(1, 3), []
    listed = list_entries(
        directory.repository,
        directory.stored,
        recursive=recursive,
        on_damage=lambda path, error: told.append(path),
    )
    assert [path for path, _ in listed] == [b"/data/" + name for name in left]
    assert told == [b"/data", b"/data"]


def test_restore_brings_back_what_there_is(directory, tmp_path):
    left = directory.lose(2)
    options = RestoreOptions(
        snapshot=directory.stored, target=bytes(tmp_path), workers=0, dry_run=True
    )
    reporter = SilentReporter()
    summary = restore(directory.repository, options, reporter)
    assert (summary.files_restored, summary.failed, summary.damaged) == (
        len(left),
        1,
        1,
    )
    assert "entries after" in reporter.problems[0].message
