"""Every kind of object, damaged in every way, before every next step."""

import itertools
import os
import random

import pytest

from chunkvault.errors import DamageError, TamperingSuspected, WrongKey
from chunkvault.format import names
from chunkvault.report import SilentReporter
from chunkvault.snapshots.catalog import Catalog
from tests.support.builders import (
    back_up,
    contents,
    create_small,
    open_small,
    outcome,
    read_back,
    read_tree,
    restore_all,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.damage import FOLDERS, damaged

FLIPS = 5
REMOVABLE = ("snapshots/", "keys/")


def flip(data, position, bit=1):
    changed = bytearray(data)
    changed[position] ^= bit
    return bytes(changed)


def sampled_flips(data):
    """Near both ends, where headers and footers are, and in between."""
    size = len(data)
    near = {0, 8, 9, 10, 12, 20, 60, 119, 127, 128, size - 1, size - 39, size - 90}
    drawn = random.Random(size).sample(range(size), FLIPS)
    return [
        flip(data, position, 1 << position % 8)
        for position in sorted({*near, *drawn})
        if 0 <= position < size
    ]


HARMS = {
    "deleted": lambda data: [None],
    "empty": lambda data: [b""],
    "one byte": lambda data: [data[:1]],
    "half": lambda data: [data[: len(data) // 2]],
    "one byte less": lambda data: [data[:-1]],
    "one byte more": lambda data: [data + b"\0"],
    "a flipped bit": sampled_flips,
    "zeros": lambda data: [bytes(len(data))],
}


def cases(original, kind, harm):
    """(what is changed, the backend) for every way of one harm."""
    for name in original.of_kind(kind):
        for data in HARMS[harm](original.objects[name]):
            changes = {name: data}
            yield changes, damaged(original, changes)


def swaps(original, kind):
    """Two objects exchanged, and one replaced by its like of another repository."""
    own = original.of_kind(kind)
    for one, other in itertools.pairwise(own):
        changes = {one: original.objects[other], other: original.objects[one]}
        yield changes, damaged(original, changes)
    for name in own:
        for strange in original.of_kind(kind, foreign=True)[:2]:
            changes = {name: original.foreign[strange]}
            yield changes, damaged(original, changes)


def assert_nothing_wrong_is_read(original, changes, backend):
    """What is read is right, and all is read that needs nothing damaged."""
    error = outcome(lambda: open_small(backend))
    if error is not None:
        assert_names_the_slot(error, changes)
        return
    repository = open_small(backend)
    catalog = Catalog(repository)
    readable = {one.object_name: one for one in catalog.all()}
    assert {error.object_name for error in catalog.damaged} <= changes.keys()
    for position, name in enumerate(original.of_kind("snapshot")):
        if name not in readable:
            assert name in changes
            continue
        found = read_back(repository, readable[name])
        right, needs = original.files[position], original.needs[position]
        for path, content in found.items():
            if isinstance(content, DamageError):
                assert changes.keys() & {content.object_name}, content
            else:
                assert content == right[path]
        spared = {path for path in right if not needs.get(path, set()) & changes.keys()}
        assert spared <= contents(found).keys()


def assert_names_the_slot(error, changes):
    """Only the one key slot that the key opens can keep a repository shut."""
    [(name, data)] = (
        changes.items() if len(changes) == 1 else [(error.object_name, b"")]
    )
    assert name.startswith("keys/")
    assert error.hint
    if data is None:
        assert isinstance(error, WrongKey)  # as after 'key remove'
    else:
        assert isinstance(error, DamageError)
        assert error.object_name in changes


def assert_check_names_it(original, changes, backend):
    error = outcome(lambda: open_small(backend))
    if error is not None:
        return  # nothing opens: told by the step before
    summary = run_check(backend)
    gone = [name for name, data in changes.items() if data is None]
    if gone and gone[0].startswith(REMOVABLE):
        # As after 'forget' or 'key remove'.
        assert summary.exit_code == 0
        return
    if gone and gone[0].startswith(names.INDEX):
        # Nobody knows the name of what is not there.
        assert summary.exit_code == DamageError.exit_code
        assert [damage.object_name for damage in summary.damage] == [names.INDEX]
        return
    assert summary.exit_code == DamageError.exit_code, changes
    named = {damage.object_name for damage in summary.damage}
    assert changes.keys() <= named, (changes, named)


def assert_next_backup_restores(original, kind, changes, backend, tmp_path):
    """What the storage does not give back comes from the source again."""
    if outcome(lambda: open_small(backend)) is not None:
        return
    reporter = SilentReporter()
    back_up(open_small(backend), original.source, at=50, reporter=reporter)
    assert not [one for one in reporter.problems if one.is_failure]
    again = open_small(backend)
    newest = snapshots_of(again)[-1]
    found = read_back(again, newest)
    wanted = original.files[-1]
    if is_unnoticed(original, kind, changes):
        assert contents(found).items() <= wanted.items()
    elif kind == "tree volume":
        # Nor does it read the list of chunks of a large file that is unchanged.
        large = os.fsencode(original.source / "large")
        assert wanted.items() - contents(found).items() <= {(large, wanted[large])}
    else:
        assert found == wanted


def is_unnoticed(original, kind, changes):
    """A chunk volume of the right size is believed until somebody reads it."""
    return kind == "chunk volume" and all(
        data is not None and len(data) == len(original.objects[name])
        for name, data in changes.items()
    )


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("kind", FOLDERS)
def test_damage_is_named_and_never_read(original, kind, harm, tmp_path):
    tried = 0
    for changes, backend in cases(original, kind, harm):
        tried += 1
        assert_nothing_wrong_is_read(original, changes, backend)
        assert_check_names_it(original, changes, backend)
    assert tried


@pytest.mark.parametrize("kind", FOLDERS)
def test_exchanged_objects_are_named_and_never_read(original, kind):
    tried = 0
    for changes, backend in swaps(original, kind):
        tried += 1
        assert_nothing_wrong_is_read(original, changes, backend)
        assert_check_names_it(original, changes, backend)
    assert tried


@pytest.mark.parametrize("harm", [*HARMS, "swapped"])
@pytest.mark.parametrize("kind", FOLDERS)
def test_next_backup_restores_after_damage(original, kind, harm, tmp_path):
    found = swaps(original, kind) if harm == "swapped" else cases(original, kind, harm)
    for number, (changes, backend) in enumerate(found):
        if number % 3 == 0 or harm != "a flipped bit":
            assert_next_backup_restores(original, kind, changes, backend, tmp_path)


@pytest.mark.parametrize("kind", ["chunk volume", "tree volume"])
def test_restore_names_the_files_that_damage_costs_and_brings_the_others(
    original, kind, tmp_path
):
    for number, name in enumerate(original.of_kind(kind)):
        for data in (None, flip(original.objects[name], 200)):
            backend = damaged(original, {name: data})
            target = tmp_path / f"{number}-{data is None}"
            reporter = SilentReporter()
            repository = open_small(backend)
            newest = snapshots_of(repository)[-1]
            summary = restore_all(repository, newest, target, reporter)
            problems = [problem.path for problem in reporter.problems]
            assert summary.failed == len(problems)
            assert {problem.object_name for problem in reporter.problems} <= {name}
            wanted = read_tree(original.source)
            restored = read_tree(target)
            for path, entry in restored.items():
                if entry.kind == "file":
                    assert entry.content == wanted[path].content
            lost = {
                path
                for path, entry in wanted.items()
                if entry.kind == "file" and path not in restored
            }
            if os.fsencode(original.source) in problems:
                continue  # the way to it is damaged, so it is told as it was asked for
            for path in lost:
                below = bytes(target) + b"/" + path + b"/"
                assert any(below.startswith(told + b"/") for told in problems)


@pytest.mark.parametrize("kind", [kind for kind in FOLDERS if kind != "config"])
def test_strange_object_under_its_own_name_does_no_harm(original, kind):
    """As when two repositories were copied into one folder."""
    for name in original.of_kind(kind, foreign=True):
        backend = damaged(original, {name: original.foreign[name]})
        repository = open_small(backend)
        for position, own in enumerate(original.of_kind("snapshot")):
            stored = {s.object_name: s for s in snapshots_of(repository)}[own]
            assert read_back(repository, stored) == original.files[position]
        back_up(repository, original.source, at=60)
        newest = snapshots_of(open_small(backend))[-1]
        assert read_back(open_small(backend), newest) == original.files[-1]
        named = {damage.object_name for damage in run_check(backend).damage}
        assert named <= {name}


def test_snapshot_that_this_machine_remembers_is_missed(original):
    from chunkvault.operations.check import CheckOptions, check

    names = original.of_kind("snapshot")
    backend = damaged(original, {names[0]: None})
    options = CheckOptions(remembered=frozenset(names))
    summary = check(open_small(backend), options, SilentReporter())
    assert summary.gone == (names[0],)
    assert summary.exit_code == TamperingSuspected.exit_code


def test_lost_config_is_written_again_by_the_next_backup(original):
    for changes in ({"config": None}, {"config": b"nonsense"}):
        backend = damaged(original, changes)
        back_up(open_small(backend), original.source, at=70)
        assert open_small(backend).problems == []
        assert backend.get("config") == original.objects["config"]


def test_directory_that_was_emptied_stays_empty_though_its_old_tree_is_damaged(
    tmp_path,
):
    repository = create_small()
    source = write_tree(tmp_path / "source", {"folder/file": b"old"})
    back_up(repository, source, at=1)
    (source / "folder/file").unlink()
    for name in [info.name for info in repository.backend.list("trees/")]:
        data = flip(repository.backend.get(name), 150)
        repository.backend.delete(name)
        repository.backend.put(name, data)
    reporter = SilentReporter()
    back_up(open_small(repository.backend), source, at=2, reporter=reporter)
    assert [one.object_name[:6] for one in reporter.problems] == ["trees/"]
    again = open_small(repository.backend)
    assert read_back(again, snapshots_of(again)[-1]) == {}
