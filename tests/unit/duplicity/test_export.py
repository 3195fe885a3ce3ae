"""Exports: what is written, continued, refused, and what an interruption leaves."""

import os
import shutil
from contextlib import contextmanager

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.duplicity.backend_folder import BackendFolder
from chunkvault.duplicity.chains import sort_files
from chunkvault.duplicity.export import FullEvery
from chunkvault.duplicity.folder import LocalFolder
from chunkvault.duplicity.manifest import decode_manifest
from chunkvault.duplicity.openpgp import CompressedMessage
from chunkvault.errors import (
    ObjectExists,
    RepositoryBusy,
    SafetyStop,
    StorageFull,
    UsageError,
    WrongKey,
)
from chunkvault.report import SilentReporter
from chunkvault.snapshots.content import file_refs
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import (
    back_up,
    create_small,
    noise,
    open_small,
    snapshots_of,
    write_tree,
)
from tests.support.exported import cheap_gpg, export_to, files_in, members_of
from tests.support.gpg_homes import gpg_home, run_gpg
from tests.support.large_directory import spoil_tree
from tests.support.real_duplicity import new_key


class Interruption(BaseException):
    """As a signal would raise it."""


class FragileFolder(LocalFolder):
    """Fails when it is to make a file whose name ends like this."""

    def __init__(self, path, ending, error):
        super().__init__(os.fsencode(path))
        self.ending, self.error = ending, error

    @contextmanager
    def create(self, name):
        if name.endswith(self.ending):
            raise self.error
        with super().create(name) as file:
            yield file


@pytest.fixture
def source(tmp_path):
    return write_tree(
        tmp_path / "source",
        {"d/b": b"1", "d/sub/c": b"2", "d-x/q": b"3", "d.t": b"4", "e": noise(5000)},
    )


@pytest.fixture
def place(tmp_path):
    return tmp_path / "archive"


def chains(place):
    return sort_files(path.name for path in place.iterdir()).chains


def shape(place):
    """How many sets each chain has."""
    return [len(chain.sets) for chain in chains(place)]


def newest_manifest(place):
    name = chains(place)[-1].sets[-1].manifest
    return decode_manifest((place / name).read_bytes())


def change(source, number):
    (source / "e").write_bytes(noise(5000) + bytes([number]) * number)


def history(source, count):
    """A repository with so many snapshots of a changing tree."""
    repository = create_small()
    for number in range(count):
        change(source, number)
        back_up(repository, source, at=10 * number)
    return repository


def test_members_are_sorted_by_the_components_of_their_paths(source, place):
    export_to(place, history(source, 1))
    expected = ["", "d", "d/b", "d/sub", "d/sub/c", "d-x", "d-x/q", "d.t", "e"]
    assert members_of(place, "vol1.difftar") == [
        f"snapshot/{path or '.'}" for path in expected
    ]
    signatures = [name.partition("/")[2] for name in members_of(place, "sigtar")]
    assert signatures == expected


def test_every_descendant_of_what_is_gone_is_deleted(source, place):
    repository = history(source, 1)
    shutil.rmtree(source / "d")
    (source / "d").write_bytes(b"a file now")
    (source / "d.t").unlink()
    write_tree(source, {"d.t/x": b"a folder now"})
    back_up(repository, source, at=20)
    export_to(place, repository)
    increment = members_of(place, INC)
    assert increment == [
        "snapshot/.",
        "snapshot/d",
        "deleted/d/b",
        "deleted/d/sub",
        "deleted/d/sub/c",
        "snapshot/d.t",
        "snapshot/d.t/x",
    ]


INC = ".to.20231114T221340Z.vol1.difftar"


def test_changed_file_goes_out_as_a_delta_and_only_new_chunks_are_read(source, place):
    big = noise(200_000)
    (source / "e").write_bytes(big)
    repository = create_small()
    back_up(repository, source, at=10)
    (source / "e").write_bytes(big[:9000] + b"inserted" + big[9000:])
    back_up(repository, source, at=20)
    snapshots = snapshots_of(repository)
    export_to(place, repository, snapshots=tuple(snapshots[:1]))
    summary = export_to(place, repository)
    assert (summary.sets_full, summary.sets_incremental) == (0, 1)
    assert summary.deltas == 1
    assert summary.content_bytes < 20_000
    assert members_of(place, INC) == ["diff/e"]


def test_file_with_little_in_common_goes_out_whole(source, place):
    repository = history(source, 1)
    (source / "e").write_bytes(noise(5000, "other"))
    back_up(repository, source, at=20)
    assert export_to(place, repository).deltas == 0
    assert members_of(place, INC) == ["snapshot/e"]


def test_change_of_mode_alone_reads_nothing(source, place):
    repository = history(source, 1)
    (source / "e").chmod(0o600)
    back_up(repository, source, at=20)
    export_to(place, repository, snapshots=tuple(snapshots_of(repository)[:1]))
    summary = export_to(place, repository)
    assert (summary.deltas, summary.content_bytes) == (1, 0)


def test_later_export_adds_and_leaves_the_rest_as_it_is(source, place):
    repository = history(source, 2)
    export_to(place, repository)
    before = files_in(place)
    change(source, 7)
    back_up(repository, source, at=70)
    summary = export_to(place, repository)
    assert (summary.sets_incremental, summary.sets_present) == (1, 2)
    after = files_in(place)
    assert before.items() <= after.items()
    assert shape(place) == [3]


def test_export_of_nothing_new_writes_nothing(source, place):
    repository = history(source, 2)
    export_to(place, repository)
    before = files_in(place)
    summary = export_to(place, repository)
    assert (summary.sets, summary.sets_present) == ((), 2)
    assert files_in(place) == before


def test_two_exports_at_once_and_one_after_the_other_make_the_same(source, tmp_path):
    repository = history(source, 4)
    for count in (1, 3, 4):
        some = tuple(snapshots_of(repository)[:count])
        export_to(tmp_path / "steps", repository, snapshots=some)
    export_to(tmp_path / "once", repository)
    assert files_in(tmp_path / "steps") == files_in(tmp_path / "once")


def test_unchanged_snapshot_is_an_empty_increment(source, place):
    repository = history(source, 1)
    back_up(repository, source, at=20)
    back_up(repository, source, at=30)
    export_to(place, repository)
    assert members_of(place, ".to.20231114T221350Z.vol1.difftar") == []
    assert newest_manifest(place).volumes[0].last == b"."


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (FullEvery(sets=2), [2, 2, 1]),
        (FullEvery(sets=1), [1] * 5),
        (FullEvery(sets=None, seconds=30), [3, 2]),
        (FullEvery(), [5]),
    ],
)
def test_chain_ends_when_it_is_long_enough(source, place, every, expected):
    repository = history(source, 5)
    export_to(place, repository, full_every=every)
    assert shape(place) == expected


def test_chain_length_counts_what_earlier_exports_wrote(source, place):
    repository = history(source, 5)
    for count in range(1, 6):
        some = tuple(snapshots_of(repository)[:count])
        export_to(place, repository, snapshots=some, full_every=FullEvery(sets=2))
    assert shape(place) == [2, 2, 1]


def test_snapshots_of_one_second_get_a_second_each(source, place):
    repository = create_small()
    for nanoseconds in range(3):
        change(source, nanoseconds)
        back_up(repository, source, time_ns=1_700_000_000 * 10**9 + nanoseconds)
    some = tuple(snapshots_of(repository)[:2])
    export_to(place, repository, snapshots=some)
    summary = export_to(place, repository)
    assert summary.sets == ("20231114T221322Z",)
    assert shape(place) == [3]


def test_snapshot_older_than_the_archive_is_left_out_and_counted(source, place):
    repository = history(source, 3)
    snapshots = snapshots_of(repository)
    export_to(place, repository, snapshots=(snapshots[1],))
    summary = export_to(place, repository)
    assert (summary.sets_too_old, summary.sets_present) == (1, 1)
    assert shape(place) == [2]


@pytest.mark.parametrize("apart_ns", [1, 10**9])
@pytest.mark.parametrize("exported", [(1,), (0, 2)])
def test_only_snapshots_that_sets_were_made_from_count_as_there(
    source, place, apart_ns, exported
):
    repository = create_small()
    for number in range(3):
        change(source, number)
        time_ns = 1_700_000_000 * 10**9 + number * apart_ns
        back_up(repository, source, time_ns=time_ns)
    snapshots = snapshots_of(repository)
    export_to(place, repository, snapshots=tuple(snapshots[n] for n in exported))
    for number, snapshot in enumerate(snapshots):
        summary = export_to(place, repository, snapshots=(snapshot,), dry_run=True)
        is_new = number > exported[-1]
        assert len(summary.sets) == is_new
        assert summary.sets_present == (number in exported)
        assert summary.sets_too_old == (number not in exported and not is_new)


class CountingFolder(LocalFolder):
    """Knows which manifests were read."""

    def __init__(self, path):
        super().__init__(os.fsencode(path))
        self.manifests = []

    def read(self, name):
        if ".manifest" in name:
            self.manifests.append(name)
        return super().read(name)


def test_one_manifest_in_dozens_tells_which_snapshots_are_there(source, place):
    repository = history(source, 70)
    export_to(place, repository)
    for count, manifests in ((70, 2), (65, 1)):
        folder = CountingFolder(place)
        some = tuple(snapshots_of(repository)[-count:])
        assert export_to(folder, repository, snapshots=some).sets_present == count
        assert len(folder.manifests) == manifests


def test_set_whose_manifest_is_damaged_is_not_said_to_be_of_a_snapshot(source, place):
    repository = history(source, 3)
    export_to(place, repository)
    for one in chains(place)[0].sets[1:]:
        path = place / one.manifest
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if line[:7] != b"Earlier"))
    (place / chains(place)[0].sets[1].manifest).write_bytes(b"Volume 1:\n")
    summary = export_to(place, repository)
    assert (summary.sets_present, summary.sets_too_old) == (2, 1)


def test_forgotten_base_makes_the_next_set_a_full_one(source, place):
    repository = history(source, 2)
    first = snapshots_of(repository)[0]
    export_to(place, repository, snapshots=(first,))
    repository.backend.delete(first.object_name)
    assert export_to(place, repository).sets_full == 1
    assert shape(place) == [1, 1]


def test_several_folders_stand_below_the_root(source, tmp_path, place):
    other = write_tree(tmp_path / "other", {"f": b"x"})
    repository = create_small()
    back_up(repository, source, other)
    export_to(place, repository)
    names = members_of(place, "vol1.difftar")
    assert names[0] == "snapshot/."
    assert f"snapshot{other}/f" in names
    assert newest_manifest(place).folder == b"/"


def test_one_folder_is_the_root_and_named_with_its_machine(source, place):
    export_to(place, history(source, 1))
    manifest = newest_manifest(place)
    assert (manifest.host, manifest.folder) == (b"host", os.fsencode(source))


def test_single_file_is_the_root_as_in_archives_of_duplicity(source, place):
    repository = create_small()
    back_up(repository, source / "e")
    export_to(place, repository)
    assert members_of(place, "vol1.difftar") == ["snapshot/"]
    assert members_of(place, "sigtar") == ["signature/"]


def test_large_file_is_cut_into_pieces_that_volumes_share(source, place):
    (source / "e").write_bytes(noise(3_200_000))
    summary = export_to(place, history_of(source))
    assert summary.volumes > 2
    manifest = newest_manifest(place)
    pairs = zip(manifest.volumes, manifest.volumes[1:], strict=False)
    for one, following in pairs:
        assert one.last == following.first == b"e"
        assert following.first_piece == one.last_piece + 1


@pytest.mark.parametrize("gpg", [None, cheap_gpg(), cheap_gpg(adds_literal=True)])
def test_compressed_volumes_are_of_the_size_that_was_asked_for(source, place, gpg):
    half = noise(2_500_000).hex().encode()  # two bytes of it fit into one
    (source / "e").write_bytes(half)
    export_to(place, history_of(source), gpg, compress=True)
    sizes = sorted(
        path.stat().st_size for path in place.iterdir() if ".vol" in path.name
    )
    assert sizes[-1] < 1.2 * (1 << 20)
    assert sizes[1] > 0.7 * (1 << 20)


def test_same_export_has_the_same_bytes_though_threads_compress(source, tmp_path):
    (source / "e").write_bytes(noise(2_500_000).hex().encode())
    repository = history_of(source)
    for name in ("one", "two"):
        export_to(tmp_path / name, repository, compress=True)
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")


def history_of(source):
    repository = create_small()
    back_up(repository, source)
    return repository


def test_dry_run_counts_the_same_and_writes_nothing(source, place):
    repository = history(source, 3)
    told = export_to(place, repository, dry_run=True)
    assert not place.exists()
    done = export_to(place, repository)
    assert told.sets == done.sets
    assert told.content_bytes == done.content_bytes
    assert (told.entries_new, told.entries_changed) == (
        done.entries_new,
        done.entries_changed,
    )


def test_what_duplicity_cannot_hold_is_counted(source, place):
    os.link(source / "e", source / "linked")
    os.setxattr(source / "d.t", "user.note", b"x")
    os.utime(source / "d.t", ns=(0, 5))
    os.truncate(source / "d/b", 1 << 20)
    held = export_to(place, history_of(source)).not_held
    assert held["hard links"] == 2
    assert held["extended attributes"] == 1
    assert held["holes"] == 1
    assert held["fractions of seconds"] > 0


@pytest.mark.parametrize("ending", ["vol1.difftar", "vol2.difftar", "manifest"])
@pytest.mark.parametrize("error", [Interruption(), StorageFull("no space")])
def test_interrupted_set_is_cleaned_up_and_written_by_the_next(
    source, place, ending, error
):
    (source / "e").write_bytes(noise(3_000_000))
    repository = history_of(source)
    with pytest.raises(type(error)):
        export_to(FragileFolder(place, ending, error), repository)
    assert list(place.iterdir()) == []
    export_to(place, repository)
    assert shape(place) == [1]


def test_what_a_killed_export_left_is_removed(source, place):
    repository = history(source, 2)
    export_to(place, repository, snapshots=tuple(snapshots_of(repository)[:1]))
    half = place / "duplicity-inc.20231114T221320Z.to.20231114T221330Z.vol1.difftar"
    half.write_bytes(b"half")
    hidden = place / ".tmp-0011223344556677"
    hidden.write_bytes(b"half")
    other = place / "duplicity-inc.20231114T221320Z.to.20240114T221330Z.vol1.difftar"
    other.write_bytes(b"of duplicity itself")
    summary = export_to(place, repository)
    assert summary.leftovers == 2
    assert not hidden.exists()
    assert half.read_bytes() != b"half"
    assert other.exists()


def test_foreign_files_are_left_alone(source, place):
    below = write_tree(place, {"notes.txt": b"mine", "sub/.tmp-other": b"yours"})
    export_to(place, history(source, 1))
    assert (below / "notes.txt").read_bytes() == b"mine"
    assert (below / "sub" / ".tmp-other").read_bytes() == b"yours"


def test_file_at_which_duplicity_would_fail_is_refused(source, place):
    repository = history(source, 1)
    export_to(place, repository)
    [name] = [name for name in files_in(place) if name.endswith("vol1.difftar")]
    (place / f"{name}.tmp").touch()
    with pytest.raises(SafetyStop, match="at which duplicity fails"):
        export_to(place, repository)


def test_archive_of_another_source_is_refused(source, place, tmp_path):
    export_to(place, history(source, 1))
    before = files_in(place)
    other = create_small()
    back_up(other, write_tree(tmp_path / "other", {"a": b"b"}), at=99)
    with pytest.raises(SafetyStop, match="other"):
        export_to(place, other)
    assert files_in(place) == before


def add_foreign_set(place, start, end, folder=b"/elsewhere"):
    """As duplicity would, from another folder; what is in it is of no matter."""
    kind = f"inc.{start}.to" if start else "full"
    text = b"Hostname other\nLocaldir %b\nVolume 1:\n  StartingPath .\n" % folder
    text += b"  EndingPath .\n  Hash SHA1 %b\n" % (b"0" * 40)
    (place / f"duplicity-{kind}.{end}.manifest").write_bytes(text)
    (place / f"duplicity-{kind}.{end}.vol1.difftar").write_bytes(bytes(10240))


@pytest.mark.parametrize("start", ["20231114T221330Z", None])
def test_new_chain_begins_behind_what_duplicity_has_added(source, place, start):
    repository = history(source, 4)
    export_to(place, repository, snapshots=tuple(snapshots_of(repository)[:2]))
    add_foreign_set(place, start, "20231114T221345Z")
    before = files_in(place)
    planned = export_to(place, repository, dry_run=True)
    summary = export_to(place, repository)
    assert summary.not_continued == "duplicity has written its newest backup"
    assert planned.not_continued == summary.not_continued
    assert summary.sets == ("20231114T221350Z",)
    assert (summary.sets_full, summary.sets_too_old) == (1, 1)
    assert before.items() <= files_in(place).items()


def test_nothing_comes_to_lie_before_increments_that_continue_nothing(source, place):
    repository = history(source, 5)
    export_to(place, repository, snapshots=tuple(snapshots_of(repository)[:1]))
    add_foreign_set(place, "20231114T221325Z", "20231114T221345Z")
    summary = export_to(place, repository)
    assert "lost what they build on" in summary.not_continued
    assert summary.sets == ("20231114T221350Z", "20231114T221400Z")
    assert (summary.sets_full, summary.sets_too_old) == (1, 2)


def test_archive_of_another_source_by_duplicity_alone_is_refused(source, place):
    place.mkdir()
    add_foreign_set(place, None, "20231114T221310Z")
    with pytest.raises(SafetyStop, match="/elsewhere of other"):
        export_to(place, history(source, 1))


def test_snapshots_of_several_sources_are_refused(source, place):
    repository = history(source, 1)
    back_up(repository, source / "d", at=50)
    with pytest.raises(UsageError, match="2 different sources"):
        export_to(place, repository)
    assert not place.exists()


def test_second_export_at_the_same_time_is_refused(source, place):
    with LocalFolder(os.fsencode(place)).lock(), pytest.raises(RepositoryBusy):
        export_to(place, history(source, 1))


class Rival(BackendFolder):
    """A store where another export does something before a file is stored."""

    def __init__(self, ending, act):
        self.backend = MemoryBackend()
        super().__init__(self.backend, "the store")
        self.ending, self.act = ending, act

    @contextmanager
    def create(self, name):
        with super().create(name) as file:
            yield file
            if name.endswith(self.ending):
                self.act(self.backend, name)


def test_set_whose_volume_another_export_has_removed_is_not_completed(source):
    def remove_volumes(backend, name):
        del name
        for info in list(backend.list("")):
            backend.delete(info.name)

    rival = Rival(".sigtar", remove_volumes)
    with pytest.raises(RepositoryBusy, match=r"vol1\.difftar is gone: another export"):
        export_to(rival, history(source, 1))
    assert rival.list() == []


def test_files_that_another_export_has_written_stay(source):
    rival = Rival(".sigtar", lambda backend, name: backend.put(name, b"the other's"))
    repository = history(source, 1)
    with pytest.raises(ObjectExists):
        export_to(rival, repository)
    assert any(one.size == len(b"the other's") for one in rival.list())
    rival.act = lambda backend, name: None
    assert export_to(rival, repository).leftovers == 2


def test_archive_on_a_store_is_continued_like_one_in_a_folder(source, place):
    store = BackendFolder(MemoryBackend(), "the store")
    repository = history(source, 2)
    for number in (1, 2):
        snapshots = tuple(snapshots_of(repository)[:number])
        for where in (store, place):
            summary = export_to(where, repository, cheap_gpg(), snapshots=snapshots)
            assert summary.sets_present == number - 1
    assert [one.name for one in store.list()] == sorted(files_in(place))


def spoil(repository, path, number=0):
    """Damage the frame with a chunk of a file; gives the frame's volume."""
    [*_, stored] = snapshots_of(repository)
    node = TreeReader(repository.reader).lookup(stored.snapshot.tree, os.fsencode(path))
    ref = list(file_refs(repository.reader, node))[number]
    frame = repository.reader.locate(ref.blob_id).frame
    data = bytearray(repository.backend.get(frame.object_name))
    data[frame.offset + 5] ^= 1
    repository.backend.delete(frame.object_name)
    repository.backend.put(frame.object_name, data)


def test_damaged_file_is_left_out_and_named_and_whole_once_it_is_whole(source, place):
    (source / "e").write_bytes(noise(9000))
    repository = history_of(source)
    spoil(repository, source / "e")
    reporter = SilentReporter()
    summary = export_to(place, repository, reporter=reporter)
    assert summary.damaged == len(reporter.problems) > 0
    assert b"e" in [problem.path for problem in reporter.problems]
    assert "snapshot/e" not in members_of(place, "vol1.difftar")
    assert b"e" in newest_manifest(place).lost
    (source / "e").write_bytes(noise(9000, "again") + noise(9000))
    back_up(repository, source, at=20)
    export_to(place, repository)
    assert "snapshot/e" in members_of(place, INC)


def test_damaged_piece_of_a_long_file_goes_out_as_zeros_and_is_named(source, place):
    (source / "e").write_bytes(noise(100_000))
    repository = history_of(source)
    spoil(repository, source / "e", 20)
    reporter = SilentReporter()
    export_to(place, repository, reporter=reporter)
    assert ["zeros" in problem.message for problem in reporter.problems] == [True]
    assert "multivol_snapshot/e/2" in members_of(place, "vol1.difftar")
    assert newest_manifest(place).lost == (b"e",)


def test_wrong_passphrase_is_refused_before_anything_is_written(source, place):
    repository = history(source, 2)
    first = tuple(snapshots_of(repository)[:1])
    export_to(place, repository, cheap_gpg(b"one"), snapshots=first)
    before = files_in(place)
    with pytest.raises(WrongKey, match="not that of the archive"):
        export_to(place, repository, cheap_gpg(b"two"))
    assert files_in(place) == before


def test_missing_gpg_is_named_and_nothing_is_left(source, place):
    with pytest.raises(UsageError, match="no-such-gpg"):
        export_to(place, history(source, 1), cheap_gpg(program="no-such-gpg"))
    assert list(place.iterdir()) == []


def test_encrypted_archive_is_continued(source, place):
    repository = history(source, 3)
    export_to(
        place, repository, cheap_gpg(), snapshots=tuple(snapshots_of(repository)[:2])
    )
    assert export_to(place, repository, cheap_gpg()).sets_incremental == 1
    assert all(name.endswith(".gpg") for name in files_in(place))


def test_change_to_no_encryption_starts_a_new_chain(source, place):
    repository = history(source, 2)
    first = tuple(snapshots_of(repository)[:1])
    export_to(place, repository, cheap_gpg(), snapshots=first)
    assert export_to(place, repository).sets_full == 1


def test_archive_for_a_key_that_is_elsewhere_is_continued_by_its_marker(
    source, place, tmp_path
):
    repository = history(source, 2)
    first = tuple(snapshots_of(repository)[:1])
    with new_key() as (home, key), gpg_home() as public:
        run_gpg(public, "--import", stdin=run_gpg(str(home), "--export", key))
        gpg = cheap_gpg(
            None, s2k_count=None, recipients=(key,), home=os.fsencode(public)
        )
        export_to(place, repository, gpg, snapshots=first)
        assert export_to(place, repository, gpg).sets_incremental == 1
        markers = [n for n in files_in(place) if n.startswith("chunkvault-set.")]
        assert len(markers) == 2
        for path in place.glob("duplicity-*"):
            path.unlink()
        export_to(place, repository, gpg)
        assert shape(place) == [2]


def write_many(folder, seed):
    """So many names that their tree fills a frame of its own."""
    names = [noise(60, (seed, number)).hex() for number in range(150)]
    write_tree(folder, dict.fromkeys(names, b""))


def spoil_folder(repository, path, stored=None):
    stored = stored or snapshots_of(repository)[-1]
    node = TreeReader(repository.reader).lookup(stored.snapshot.tree, os.fsencode(path))
    spoil_tree(repository, node.subtree)


def reopened(repository):
    """As another process sees it, with nothing kept in memory."""
    return open_small(repository.backend)


def test_damaged_folder_is_named_and_the_next_set_is_a_full_one(source, place):
    write_many(source / "many", 1)
    repository = history(source, 1)
    spoil_folder(repository, source / "many")
    reporter = SilentReporter()
    export_to(place, reopened(repository), reporter=reporter)
    assert b"many" in [problem.path for problem in reporter.problems]
    assert newest_manifest(place).lost == (b".",)
    shutil.rmtree(source / "many")
    back_up(reopened(repository), source, at=20)
    assert export_to(place, reopened(repository)).sets_full == 1
    assert shape(place) == [1, 1]


def test_set_is_a_full_one_where_the_base_has_become_damaged(source, place):
    write_many(source / "many", 1)
    repository = history(source, 1)
    export_to(place, repository)
    shutil.rmtree(source / "many")
    (source / "many").mkdir()
    back_up(repository, source, at=20)
    spoil_folder(repository, source / "many", snapshots_of(repository)[0])
    summary = export_to(place, reopened(repository))
    assert (summary.sets_full, summary.sets_incremental) == (1, 0)
    assert shape(place) == [1, 1]


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 7, (1 << 18) - 6, 1 << 20])
def test_messages_that_we_compress_are_what_gpg_expects(tmp_path, size):
    data = noise(size)
    gpg = cheap_gpg()
    stored = tmp_path / "stored"
    with stored.open("wb") as file, gpg.encrypt(file.write) as pipe:
        message = CompressedMessage(pipe.write)
        message.write(data[: size // 3])
        message.write(data[size // 3 :])
        message.finish()
    with stored.open("rb") as file, gpg.decrypt(file) as stream:
        found = b"".join(iter(lambda: stream.read(1 << 20), b""))
    assert found == data
