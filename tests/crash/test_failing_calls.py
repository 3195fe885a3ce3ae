"""The storage fails at the first call, at the second, at the third …"""

import pytest

from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ChunkvaultError,
    StorageFull,
    StorageUnreachable,
)
from tests.support.builders import (
    back_up,
    contents,
    copy_of,
    create_small,
    noise,
    objects_of,
    open_small,
    outcome,
    read_back,
    read_tree,
    restore_all,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.faulty import FaultyBackend

FILES = {f"a/{number:02}": noise(1_000 + 300 * number, number) for number in range(15)}
CHANGED = {f"b/{number}": noise(4_000, -number - 1) for number in range(9)}

FAULTS = {
    "full": (StorageFull("no space"), False),
    "unreachable": (StorageUnreachable("no answer"), False),
    "lost-reply": (StorageUnreachable("no answer"), True),
}


@pytest.fixture
def source(tmp_path):
    return write_tree(tmp_path / "source", FILES)


def try_every_call(backend, fault, action):
    """Have each call fail once; yields what was left, and the error.

    Ends with the first number that is never reached.
    """
    error, is_done = fault
    number = 0
    while True:
        number += 1
        inner = copy_of(backend)
        faulty = FaultyBackend(inner)
        faulty.fail_call(number, error, is_done=is_done)
        failure = outcome(lambda faulty=faulty: action(faulty))
        if faulty.call_count < number:
            assert failure is None
            return
        yield number, inner, failure


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_failed_backup_says_why_and_the_next_one_works(source, fault, workers):
    repository = create_small()
    back_up(repository, source, at=1)
    [first] = snapshots_of(repository)
    before = contents(read_back(repository, first))
    write_tree(source, CHANGED)
    tried = 0

    def action(backend):
        back_up(open_small(backend), source, at=2, workers=workers)

    for number, left, failure in try_every_call(repository.backend, fault, action):
        tried += 1
        assert failure is fault[0], f"call {number}"
        again = open_small(left)
        assert contents(read_back(again, snapshots_of(again)[0])) == before
        back_up(again, source, at=3)
        newest = read_back(open_small(left), snapshots_of(again)[-1])
        assert len(contents(newest)) == len(newest) == len(FILES) + len(CHANGED)
        assert run_check(left).damage == ()
    assert tried > 10


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_failed_init_says_why_and_the_next_one_works(fault):
    empty = FaultyBackend(create_small().backend)
    for info in list(empty.list("")):
        empty.delete(info.name)
    for _, left, failure in try_every_call(empty, fault, create_small):
        assert failure is fault[0]
        if "config" in objects_of(left):
            assert open_small(left).problems == []
        else:
            create_small(left)
        assert run_check(left).damage == ()


@pytest.mark.parametrize("workers", [0, 2])
def test_failed_restore_leaves_no_wrong_file(source, tmp_path, workers):
    repository = create_small()
    back_up(repository, source, at=1)
    expected = read_tree(source)
    fault = FAULTS["unreachable"]
    target = tmp_path / "target"

    def action(backend):
        again = open_small(backend)
        restore_all(again, snapshots_of(again)[-1], target, workers=workers)

    def assert_right(*, may_lack):
        found = {path: one for path, one in read_tree(target).items() if one.content}
        wanted = {path: one for path, one in expected.items() if one.content}
        assert may_lack or len(found) == len(wanted)
        for path, entry in found.items():
            assert entry.content == wanted[path].content

    for _, _left, failure in try_every_call(repository.backend, fault, action):
        assert failure is fault[0]
        if target.exists():
            assert_right(may_lack=True)
    assert_right(may_lack=False)


@pytest.mark.parametrize("error", [StorageFull("full"), AccessDenied("read-only")])
def test_storage_that_stays_full_is_told_once_and_earlier_snapshots_read(source, error):
    repository = create_small()
    back_up(repository, source, at=1)
    write_tree(source, CHANGED)
    for verb_number in range(1, 12):
        inner = copy_of(repository.backend)
        faulty = FaultyBackend(inner)
        again = open_small(faulty)
        faulty.fail_from(faulty.call_count + verb_number, error)
        with pytest.raises(ChunkvaultError) as caught:
            back_up(again, source, at=2, workers=2)
        assert caught.value is error
        assert caught.value.hint
        [first] = snapshots_of(open_small(inner))
        assert len(contents(read_back(open_small(inner), first))) == len(FILES)


def test_storage_that_is_read_only_can_still_be_read(source, tmp_path):
    """Nothing but a backup writes: no lock, no cache, no mark."""
    repository = create_small()
    back_up(repository, source, at=1)
    refusing = _ReadOnly(repository.backend)
    again = open_small(refusing)
    [snapshot] = snapshots_of(again)
    restore_all(again, snapshot, tmp_path / "target")
    assert read_tree(tmp_path / "target") == read_tree(source)
    assert run_check(refusing).damage == ()
    write_tree(source, CHANGED)
    with pytest.raises(AccessDenied):
        back_up(again, source, at=2)


def test_nothing_to_store_is_no_reason_to_fail_before_the_snapshot(source):
    """A full storage is told of even when only the snapshot is left to be put."""
    repository = create_small()
    back_up(repository, source, at=1)
    faulty = FaultyBackend(repository.backend)
    faulty.fail_next("put", StorageFull("no space"))
    with pytest.raises(BackendError):
        back_up(open_small(faulty), source, at=2)
    assert len(snapshots_of(open_small(repository.backend))) == 1


class _ReadOnly:
    def __init__(self, inner):
        self.get = inner.get
        self.list = inner.list

    def put(self, name, data):
        raise AccessDenied(f"cannot store {name}: read-only")

    def delete(self, name):
        raise AccessDenied(f"cannot delete {name}: read-only")

    def close(self):
        """Nothing to let go of."""
