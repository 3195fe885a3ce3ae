import os

import pytest

from chunkvault.format import names
from chunkvault.format.blob import BlobKind
from chunkvault.ids import ID_BYTES, SnapshotId, short_hex
from chunkvault.operations.check import CheckOptions, check
from chunkvault.operations.check.data import choose_volumes
from chunkvault.operations.check.ledger import Ledger
from chunkvault.operations.check.records import MAX_FILES
from chunkvault.report import SilentReporter
from tests.support.faulty import CorruptingBackend
from tests.support.trees import KEY, make_node, new_repository, reopen, take_snapshot

FILES = {
    b"/data/large": os.urandom(700_000),
    b"/data/small": b"small",
    b"/data/folder/copy": b"small",
}
CHUNKS = names.VOLUME_FOLDERS[BlobKind.CHUNK]
TREES = names.VOLUME_FOLDERS[BlobKind.TREE]


@pytest.fixture
def repository():
    return new_repository()


def run(repository, **options):
    return check(reopen(repository), CheckOptions(**options), SilentReporter())


def objects(repository, folder):
    return sorted(info.name for info in repository.backend.list(folder))


def rewrite(repository, name, change):
    data = repository.backend.get(name)
    repository.backend.delete(name)
    repository.backend.put(name, change(data))


def flipped(position):
    return lambda data: (
        data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
    )


def damaged(summary):
    return [damage.object_name for damage in summary.damage]


def files(damage):
    return {path for _, path in damage.files}


@pytest.mark.parametrize("read_data", [False, True])
def test_whole_repository_is_found_whole(repository, read_data):
    take_snapshot(repository, FILES, at=1)
    take_snapshot(repository, FILES | {b"/data/new": b"n"}, at=2)
    summary = run(repository, read_data=read_data)
    assert (summary.damage, summary.notes, summary.gone) == ((), (), ())
    assert summary.exit_code == 0
    assert (summary.snapshots, summary.key_slots) == (2, 1)
    # "/data/folder" is in both snapshots and looked at once.
    assert (summary.trees, summary.files) == (5, 6)
    assert summary.read_volumes == (summary.volumes if read_data else 0)
    assert summary.stored_bytes == sum(
        info.size for info in repository.backend.list("")
    )


def test_empty_repository_is_found_whole(repository):
    assert run(repository, read_data=True).exit_code == 0


def test_missing_volume_is_named_with_files_and_snapshots(repository):
    first = take_snapshot(repository, {b"/data/old": b"old"}, at=1)
    second = take_snapshot(repository, {b"/data/old": b"old", b"/data/n": b"n"}, at=2)
    [volume] = set(objects(repository, CHUNKS)) - {
        name for name in objects(repository, CHUNKS) if not _holds_old(repository, name)
    }
    repository.backend.delete(volume)
    [damage] = run(repository).damage
    assert damage.object_name == volume
    assert "missing" in damage.message
    assert files(damage) == {b"/data/old"}
    assert set(damage.snapshots) == {
        short_hex(first.snapshot_id),
        short_hex(second.snapshot_id),
    }


def _holds_old(repository, name):
    blob = repository.blob_id(BlobKind.CHUNK, b"old")
    found = reopen(repository).reader.locate(blob)
    return found.frame.object_name == name


@pytest.mark.parametrize("folder", [CHUNKS, TREES, names.INDEX, names.SNAPSHOTS])
@pytest.mark.parametrize(
    "change", [flipped(8), flipped(200), lambda data: data[:-1], lambda data: b""]
)
def test_damaged_object_is_named(repository, folder, change):
    take_snapshot(repository, FILES)
    [name] = objects(repository, folder)
    rewrite(repository, name, change)
    summary = run(repository, read_data=True)
    assert name in damaged(summary)
    assert summary.exit_code == 20


@pytest.mark.parametrize("folder", [names.INDEX, CHUNKS, TREES])
def test_every_object_may_vanish_and_the_rest_is_checked(repository, folder):
    take_snapshot(repository, FILES)
    for name in objects(repository, folder):
        repository.backend.delete(name)
    summary = run(repository)
    assert summary.exit_code == 20
    assert summary.snapshots == 1
    # An index can be read from the volumes: losing it costs no file.
    harmed = [damage for damage in summary.damage if damage.files]
    assert bool(harmed) == (folder != names.INDEX)


def test_damaged_config_and_key_slot_are_named(repository):
    take_snapshot(repository, FILES)
    opened = reopen(repository)
    opened.add_slot(KEY, "second", 0)
    last = objects(repository, names.KEYS)[-1]
    rewrite(repository, names.CONFIG, flipped(20))
    rewrite(repository, last, flipped(60))
    summary = check(opened, CheckOptions(), SilentReporter())
    assert damaged(summary) == [names.CONFIG, last]
    assert summary.key_slots == 1


def test_reading_names_the_files_of_a_damaged_frame_and_no_others(repository):
    take_snapshot(repository, {b"/data/a": os.urandom(3 << 20), b"/data/z": b"z"})
    [volume] = objects(repository, CHUNKS)
    rewrite(repository, volume, flipped(1000))
    assert run(repository).exit_code == 0
    [damage] = run(repository, read_data=True).damage
    assert damage.object_name == volume
    assert files(damage) == {b"/data/a"}


def test_damage_in_padding_harms_no_file(repository):
    take_snapshot(repository, {b"/data/a": b"a"})
    [volume] = objects(repository, CHUNKS)
    frames_end = 128 + len(b"a") + 16
    rewrite(repository, volume, flipped(frames_end + 2))
    [damage] = run(repository, read_data=True).damage
    assert (damage.object_name, damage.files) == (volume, ())


def test_swapped_volumes_are_both_named(repository):
    take_snapshot(repository, {b"/data/a": b"a"}, at=1)
    take_snapshot(repository, {b"/data/b": b"b"}, at=2)
    left, right = objects(repository, CHUNKS)
    content = repository.backend.get(left)
    rewrite(repository, left, lambda _: repository.backend.get(right))
    rewrite(repository, right, lambda _: content)
    summary = run(repository, read_data=True)
    assert set(damaged(summary)) == {left, right}
    assert {path for damage in summary.damage for path in files(damage)} == {
        b"/data/a",
        b"/data/b",
    }


def test_unreadable_folder_is_named_in_place_of_its_files(repository):
    take_snapshot(repository, {b"/data/kept": b"1"}, at=1)
    volumes = set(objects(repository, TREES))
    take_snapshot(repository, {b"/data/kept": b"1", b"/data/d/e": b"2"}, at=2)
    [newer] = set(objects(repository, TREES)) - volumes
    repository.backend.delete(newer)
    [damage] = run(repository).damage
    assert (damage.object_name, files(damage)) == (newer, {b"/"})


def test_bad_read_that_is_good_the_next_time_is_no_damage(repository):
    take_snapshot(repository, FILES)
    backend = repository.backend
    [volume] = objects(repository, CHUNKS)
    opened = reopen(repository)
    spoiled = []

    def spoil(name, data):
        if name != volume or spoiled:
            return data
        spoiled.append(name)
        return flipped(1000)(data)

    opened.backend = CorruptingBackend(backend, spoil)
    summary = check(opened, CheckOptions(read_data=True), SilentReporter())
    assert spoiled
    assert summary.exit_code == 0


def test_file_whose_pieces_do_not_add_up_is_named(repository):
    take_snapshot(repository, {b"/data/lie": make_node(size=5)})
    [damage] = run(repository).damage
    assert files(damage) == {b"/data/lie"}


def test_chunk_that_is_nowhere_is_told_with_its_files(repository):
    lost = (5).to_bytes(8, "little") + bytes([7]) * ID_BYTES
    node = make_node(size=5, content=lost)
    take_snapshot(repository, {b"/data/a": node, b"/data/b": node})
    [damage] = run(repository).damage
    assert damage.object_name == ""
    assert files(damage) == {b"/data/a", b"/data/b"}


def test_lists_of_files_are_bounded_and_the_rest_counted(repository):
    take_snapshot(repository, {b"/data/%d" % number: b"same" for number in range(50)})
    [volume] = objects(repository, CHUNKS)
    repository.backend.delete(volume)
    [damage] = run(repository).damage
    assert (len(damage.files), damage.more) == (MAX_FILES, 50 - MAX_FILES)


def test_remembered_snapshot_that_is_gone_is_tampering(repository):
    stored = take_snapshot(repository, FILES, at=1)
    gone = take_snapshot(repository, FILES, at=2)
    repository.backend.delete(gone.object_name)
    remembered = frozenset({stored.object_name, gone.object_name})
    summary = run(repository, remembered=remembered)
    assert summary.gone == (gone.object_name,)
    assert summary.exit_code == 21


def test_damage_outweighs_a_snapshot_that_is_gone(repository):
    take_snapshot(repository, FILES)
    rewrite(repository, names.CONFIG, flipped(20))
    summary = run(repository, remembered=frozenset({"snapshots/x"}))
    assert summary.exit_code == 20


def test_what_needs_no_action_is_a_note(repository):
    gone = SnapshotId(bytes(ID_BYTES))
    take_snapshot(repository, FILES, parent=gone)
    repository.backend.put("readme.txt", b"")
    repository.backend.put("snapshots/readme", b"")
    summary = run(repository)
    assert summary.exit_code == 0
    assert any(short_hex(gone) in note for note in summary.notes)
    assert sum("not part of a repository" in note for note in summary.notes) == 2


def test_volume_of_an_interrupted_backup_is_a_note(repository):
    take_snapshot(repository, FILES)
    with pytest.raises(KeyboardInterrupt), repository.writer(workers=0) as writer:
        for _ in range(200):
            writer.save(BlobKind.CHUNK, os.urandom(200_000))
        raise KeyboardInterrupt
    summary = run(repository, read_data=True)
    assert summary.exit_code == 0
    assert any("in no index run" in note for note in summary.notes)


def test_lost_index_run_is_damage_that_the_next_backup_mends(repository):
    take_snapshot(repository, FILES)
    for name in objects(repository, names.INDEX):
        repository.backend.delete(name)
    summary = run(repository, read_data=True)
    assert damaged(summary) == [names.INDEX]
    assert summary.exit_code == 20
    with reopen(repository).writer(workers=0):
        pass
    assert run(reopen(repository), read_data=True).exit_code == 0


@pytest.mark.parametrize("part", [0.1, 0.3, 1.0])
def test_parts_that_follow_each_other_cover_every_volume(repository, part):
    for at in range(1, 8):
        take_snapshot(repository, {b"/data/a": b"%d" % at}, at=at)
    everything = {volume.volume_id for volume in repository.volumes()}
    read = set()
    start = 0.0
    while start < 1:
        options = CheckOptions(read_data_subset=part, subset_start=start)
        chosen, read_bytes = choose_volumes(repository, options, frozenset())
        assert 0 < len(chosen) <= len(everything) * part + 1
        assert read_bytes > 0
        read |= chosen
        start += part
    assert read == everything


def test_part_is_read_without_reading_the_rest(repository):
    for at in range(1, 6):
        take_snapshot(repository, {b"/data/a": b"%d" % at}, at=at)
    summary = run(repository, read_data_subset=0.2)
    assert (summary.volumes, summary.read_volumes) == (10, 2)


def test_reporter_is_told_once_of_each_damaged_object():
    reporter = SilentReporter()
    ledger = Ledger(reporter)
    for number in range(6):
        ledger.damaged("chunks/x", f"finding {number}")
    assert [problem.object_name for problem in reporter.problems] == ["chunks/x"]
    [damage] = ledger.damage()
    assert damage.message.endswith("finding 2; and 3 more findings")
