"""Imports of archives written by hand: what becomes of each set, right or wrong."""

import gc
import tarfile
from contextlib import suppress

import pytest

from chunkvault.duplicity.delta import (
    DELTA_END,
    DELTA_MAGIC,
    copy_command,
    literal_command,
)
from chunkvault.errors import ChunkvaultError, DamageError, StorageFull, UsageError
from chunkvault.format.node import NodeKind
from chunkvault.report import SilentReporter
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import (
    contents,
    create_small,
    noise,
    open_small,
    read_back,
    run_check,
    snapshots_of,
)
from tests.support.difftars import DIRECTORY, HOST, T0, import_from, member, write_set

ROOT = {"snapshot/./": DIRECTORY}
GONE = member(mode=0, mtime=0)


def delta(*commands):
    return DELTA_MAGIC + b"".join(commands) + DELTA_END


APPEND = delta(copy_command(0, 3), literal_command(4), b"more")


def states(repository):
    """What each snapshot holds, oldest first: content by path below the root."""
    return [contents(read_back(repository, one)) for one in snapshots_of(repository)]


def lookup(repository, number, path):
    snapshot = snapshots_of(repository)[number].snapshot
    return TreeReader(repository.reader).lookup(snapshot.tree, path)


def imported(archive, repository=None, **options):
    """The repository after an import, its summary, and the problems as text."""
    repository = repository or create_small()
    reporter = SilentReporter()
    summary = import_from(repository, archive, reporter=reporter, **options)
    told = [f"{one.path.decode()}: {one.message}" for one in reporter.problems]
    return repository, summary, told


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


def test_each_set_becomes_a_snapshot(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"old", "snapshot/b": b"kept"}])
    write_set(archive, [{"diff/a": APPEND}], start=T0, end=T0 + 60)
    repository, summary, told = imported(archive)
    first, second = snapshots_of(repository)
    assert states(repository) == [
        {b"/data/a": b"old", b"/data/b": b"kept"},
        {b"/data/a": b"oldmore", b"/data/b": b"kept"},
    ]
    assert first.snapshot.time_ns == T0 * 10**9
    assert second.snapshot.time_ns == (T0 + 60) * 10**9
    assert second.snapshot.parent == first.snapshot_id
    assert second.snapshot.host == HOST
    assert second.snapshot.paths == (b"/data",)
    assert second.snapshot.tags == ("imported",)
    assert second.snapshot.totals.files == 2
    assert second.snapshot.totals.bytes == len("oldmore" + "kept")
    assert (summary.sets_imported, summary.entries_changed, told) == (2, 1, [])
    assert not run_check(repository.backend).damage


def test_every_kind_of_object_comes_back(archive):
    members = ROOT | {
        "snapshot/dev": member(tarfile.BLKTYPE, devmajor=8, devminor=17),
        "snapshot/dir/": member(tarfile.DIRTYPE, mode=0o2750, uid=5, gname="staff"),
        "snapshot/fifo": member(tarfile.FIFOTYPE),
        "snapshot/link": member(tarfile.SYMTYPE, linkname="to/here"),
        "snapshot/setuid": member(data=b"x", mode=0o4711, mtime=5),
    }
    write_set(archive, [members])
    repository, _, told = imported(archive)
    assert told == []
    device = lookup(repository, 0, b"/data/dev")
    assert (device.kind, device.rdev) == (NodeKind.BLOCK_DEVICE, 8 << 8 | 17)
    folder = lookup(repository, 0, b"/data/dir")
    assert (folder.mode, folder.uid, folder.group) == (0o2750, 5, b"staff")
    assert lookup(repository, 0, b"/data/fifo").kind == NodeKind.FIFO
    assert lookup(repository, 0, b"/data/link").target == b"to/here"
    file = lookup(repository, 0, b"/data/setuid")
    assert (file.mode, file.mtime_ns) == (0o4711, 5 * 10**9)


def test_changes_of_type_and_deletions(archive):
    members = ROOT | {
        "snapshot/dir/": DIRECTORY,
        "snapshot/dir/a": b"1",
        "snapshot/dir/sub/": DIRECTORY,
        "snapshot/dir/sub/b": b"2",
        "snapshot/file": b"3",
        "snapshot/gone/": DIRECTORY,
        "snapshot/gone/c": b"4",
        "snapshot/stays": b"5",
    }
    changes = {
        "snapshot/dir": b"a file now",
        "deleted/dir/a": GONE,
        "deleted/dir/sub": GONE,
        "deleted/dir/sub/b": GONE,
        "snapshot/file/": DIRECTORY,
        "snapshot/file/new": b"6",
        "deleted/gone": GONE,
        "deleted/gone/c": GONE,
        "deleted/never/was": GONE,
    }
    write_set(archive, [members])
    write_set(archive, [changes], start=T0, end=T0 + 1)
    repository, _, told = imported(archive)
    assert told == []
    assert states(repository)[1] == {
        b"/data/dir": b"a file now",
        b"/data/file/new": b"6",
        b"/data/stays": b"5",
    }
    assert lookup(repository, 1, b"/data/gone") is None
    totals = snapshots_of(repository)[1].snapshot.totals
    assert (totals.files, totals.directories) == (3, 2)


def test_a_set_that_changes_nothing_is_a_snapshot_with_the_same_tree(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"1"}])
    write_set(archive, [{}], start=T0, end=T0 + 1)
    repository, _, _ = imported(archive)
    first, second = snapshots_of(repository)
    assert first.snapshot.tree == second.snapshot.tree
    assert first.snapshot.totals == second.snapshot.totals


def test_what_is_unchanged_is_not_even_loaded(archive):
    members = dict(ROOT)
    for name in "abcdefgh":
        members[f"snapshot/{name}/"] = DIRECTORY
        members[f"snapshot/{name}/file"] = name.encode()
    write_set(archive, [members])
    repository, _, _ = imported(archive)
    write_set(archive, [{"snapshot/d/": member(tarfile.DIRTYPE, mtime=9)}],
              start=T0, end=T0 + 1)  # fmt: skip
    again = open_small(repository.backend)
    loaded = []
    load = again.reader.load
    again.reader.load = lambda kind, blob_id: (
        loaded.append(blob_id) or load(kind, blob_id)
    )
    imported(archive, again)
    assert len(set(loaded)) == 2  # "/" and the root of the archive
    old, new = snapshots_of(again)
    trees = TreeReader(again.reader)
    for name in (b"c", b"d", b"e"):
        path = b"/data/" + name
        before = trees.lookup(old.snapshot.tree, path)
        assert trees.lookup(new.snapshot.tree, path).subtree == before.subtree


def test_a_file_goes_on_in_the_next_volume(archive):
    data = noise(150_000)
    pieces = [data[:65536], data[65536:131072], data[131072:], b""]
    first = ROOT | {"snapshot/a": b"1", "multivol_snapshot/big/1": pieces[0]}
    second = {"multivol_snapshot/big/2": pieces[1]}
    third = {"multivol_snapshot/big/3": pieces[2], "multivol_snapshot/big/4": pieces[3]}
    write_set(archive, [first, second, third | {"snapshot/c": b"2"}])
    change = delta(copy_command(0, 3), literal_command(70_000), noise(70_000, "n"))
    halves = (
        {"multivol_diff/big/1": change[:50_000]},
        {"multivol_diff/big/2": change[50_000:]},
    )
    write_set(archive, halves, start=T0, end=T0 + 1, compresses=True)
    repository, summary, told = imported(archive)
    assert told == []
    assert states(repository)[0] == {
        b"/data/a": b"1",
        b"/data/big": data,
        b"/data/c": b"2",
    }
    assert states(repository)[1][b"/data/big"] == data[:3] + noise(70_000, "n")
    assert summary.sets_imported == 2


def test_chains_are_imported_in_the_order_of_time(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"old"}])
    write_set(archive, [ROOT | {"snapshot/a": b"new"}], end=T0 + 50)
    write_set(archive, [{"diff/a": APPEND}], start=T0, end=T0 + 100)
    write_set(archive, [{"diff/a": APPEND}], start=T0 + 50, end=T0 + 70)
    repository, _, _ = imported(archive)
    found = [state[b"/data/a"] for state in states(repository)]
    assert found == [b"old", b"new", b"newmore", b"oldmore"]


def test_a_second_import_adds_only_what_is_new(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"old"}])
    repository, _, _ = imported(archive)
    before = len(list(repository.backend.list("")))
    repository = open_small(repository.backend)
    _, summary, _ = imported(archive, repository)
    assert (summary.sets_imported, summary.sets_known) == (0, 1)
    assert len(list(repository.backend.list(""))) == before
    write_set(archive, [{"diff/a": APPEND}], start=T0, end=T0 + 1)
    _, summary, _ = imported(archive, open_small(repository.backend))
    assert (summary.sets_imported, summary.sets_known) == (1, 1)
    assert states(repository)[1] == {b"/data/a": b"oldmore"}


def test_an_archive_of_another_machine_in_the_same_second_is_another_one(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"1"}])
    repository, _, _ = imported(archive)
    _, summary, _ = imported(archive, repository, host="other")
    assert (summary.sets_imported, summary.sets_known) == (1, 0)
    _, summary, _ = imported(archive, repository, host="other")
    assert (summary.sets_imported, summary.sets_known) == (0, 1)


def test_an_interrupted_import_goes_on(archive):
    write_set(archive, [ROOT | {"snapshot/a": noise(9000)}])
    for number in range(1, 5):
        change = {"diff/a": delta(copy_command(0, 9000), b"\x04", b"more")}
        if number > 1:
            change = {"snapshot/b": noise(3000, number)}
        write_set(archive, [change], start=T0 + number - 1, end=T0 + number)
    expected = states(imported(archive)[0])
    for limit in range(1, 30, 4):
        repository = create_small()
        put = repository.backend.put
        left = [limit]

        def failing(*words, put=put, left=left):
            left[0] -= 1
            if not left[0]:
                raise StorageFull("no space left")
            return put(*words)

        repository.backend.put = failing
        with suppress(StorageFull):
            imported(archive, repository)
        repository.backend.put = put
        again = open_small(repository.backend)
        _, summary, _ = imported(archive, again)
        assert summary.sets_imported + summary.sets_known == 5
        assert states(again) == expected
        assert not run_check(again.backend).damage


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def three_volumes(archive, **options):
    volumes = [
        ROOT | {"snapshot/a": b"1", "multivol_snapshot/b/1": b"x" * 65536},
        {"multivol_snapshot/b/2": b"y", "snapshot/c": b"old", "snapshot/d/": DIRECTORY,
         "snapshot/d/e": b"3", "multivol_snapshot/f/1": b"z" * 65536},
        {"multivol_snapshot/f/2": b"z", "snapshot/g": b"4"},
    ]  # fmt: skip
    return write_set(archive, volumes, **options)


SIGNATURES = {
    "snapshot/": DIRECTORY,
    "signature/a": b"",
    "signature/b": b"",
    "signature/c": b"",
    "snapshot/d/": member(tarfile.DIRTYPE, mode=0o700),
    "signature/d/e": b"",
    "signature/f": b"",
    "signature/g": b"",
}


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_damaged_volume_costs_what_is_in_it_and_that_is_named(archive, is_missing):
    paths = three_volumes(archive, signatures=SIGNATURES)
    write_set(archive, [{"diff/c": APPEND, "snapshot/d/h": b"5"}], start=T0, end=T0 + 1)
    paths[1].unlink() if is_missing else damage(paths[1])
    repository, summary, told = imported(archive)
    assert states(repository) == [
        {b"/data/a": b"1", b"/data/g": b"4"},
        {b"/data/a": b"1", b"/data/g": b"4", b"/data/d/h": b"5"},
    ]
    assert lookup(repository, 0, b"/data/d").mode == 0o700
    lost = sorted(one.partition(": version of ")[0] for one in told if "version" in one)
    assert lost == ["/data/b", "/data/c", "/data/c", "/data/d/e", "/data/f"]
    assert all("2023-11-14 22:13:2" in one for one in told)
    assert summary.damaged_files == 1
    assert summary.entries_lost == 5
    for one in snapshots_of(repository):
        assert one.snapshot.tags == ("imported", "incomplete")


def test_without_signatures_the_loss_has_a_range_instead_of_names(archive):
    damage(three_volumes(archive)[1])
    repository, summary, told = imported(archive)
    assert states(repository) == [{b"/data/a": b"1", b"/data/g": b"4"}]
    assert any("from b to f" in one for one in told)
    assert summary.damaged_files == 1


def test_a_damaged_volume_of_an_increment_leaves_the_rest_as_it_was(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"old", "snapshot/b": b"old"}])
    [path] = write_set(
        archive,
        [{"diff/a": APPEND, "deleted/b": GONE}],
        start=T0,
        end=T0 + 1,
        signatures={"signature/a": b"", "deleted/b": GONE},
    )
    damage(path)
    repository, _, told = imported(archive)
    assert states(repository) == [{b"/data/a": b"old", b"/data/b": b"old"}, {}]
    assert [one for one in told if one.startswith("/data/a: version")]


def test_a_gzip_file_cut_off_costs_what_follows(archive):
    members = ROOT | {"snapshot/a": noise(500_000), "snapshot/b": noise(500_000, 2)}
    import gzip
    import hashlib

    from tests.support.difftars import tar

    stored = gzip.compress(tar(members))[:600_000]
    [path] = write_set(
        archive, [members], compresses=True,
        hashes=[f"SHA1 {hashlib.sha1(stored).hexdigest()}"],
    )  # fmt: skip
    path.write_bytes(stored)
    repository, summary, told = imported(archive)
    assert states(repository) == [{b"/data/a": noise(500_000)}]
    assert any(one.startswith("/data/b: version") for one in told)
    assert summary.damaged_files == 1


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/passwd", "a//b", "./a/./b", ".."]
)
def test_a_path_that_leads_outside_is_refused(archive, name):
    write_set(archive, [ROOT | {f"snapshot/{name}": b"evil", "snapshot/ok": b"1"}])
    repository, summary, told = imported(archive)
    assert states(repository) == [{b"/data/ok": b"1"}]
    assert summary.entries_lost == 1
    assert "outside of the archive" in told[0]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"snapshot/x": member(tarfile.LNKTYPE, linkname="ok")}, "of a type"),
        ({"strange/x": b"1"}, "no kind of entry"),
        ({"diff/x": APPEND}, "is missing"),
        ({"diff/ok": b"no delta"}, "not a delta"),
        ({"diff/ok": delta(copy_command(0, 99))}, "beyond the end"),
        ({"diff/ok": member(tarfile.SYMTYPE)}, "no file"),
        ({"multivol_snapshot/x/2": b"1"}, "pieces before"),
        ({"multivol_snapshot/x/no": b"1"}, "not that of a piece"),
        ({"snapshot/ok/x": b"1"}, "no folder"),
        ({"snapshot/z": b"1", "snapshot/x": b"2"}, "out of order"),
    ],
)
def test_an_entry_that_makes_no_sense_costs_itself(archive, members, reason):
    write_set(archive, [ROOT | {"snapshot/ok": b"old", "snapshot/sure": b"1"}])
    write_set(archive, [members], start=T0, end=T0 + 1)
    repository, summary, told = imported(archive)
    assert states(repository)[1][b"/data/sure"] == b"1"
    assert b"/data/x" not in states(repository)[1]
    assert summary.entries_lost == 1
    assert reason in told[0]


def test_a_folder_that_nobody_describes_is_made_anew(archive):
    write_set(archive, [{"snapshot/a/b": b"1"}])
    repository, _, told = imported(archive)
    assert states(repository) == [{b"/data/a/b": b"1"}]
    assert any("folder a;" in one for one in told)


def test_a_path_named_twice_is_what_it_was_named_last(archive):
    first = ROOT | {"snapshot/a": b"1"}
    write_set(archive, [first, {"snapshot/a": b"2"}])
    assert states(imported(archive)[0]) == [{b"/data/a": b"2"}]


def test_sets_that_cannot_be_used_are_named_and_left_out(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"old"}])
    write_set(archive, [{"diff/a": APPEND}], start=T0, end=T0 + 1)
    write_set(archive, [{"diff/a": APPEND}], start=T0 + 1, end=T0 + 2)
    next(archive.glob("duplicity-inc*221321Z.manifest")).unlink()
    repository, summary, told = imported(archive)
    assert len(states(repository)) == 1
    assert summary.sets_skipped == 2
    assert any("22:13:21 UTC" in one and "not finished" in one for one in told)
    assert any("22:13:22 UTC" in one and "is missing" in one for one in told)


@pytest.mark.parametrize(
    "text",
    ["", "Volume 1:\n", "Volume 1:\n  Hash SHA256 00\n", "Localdir /\0\n", "\xff\xfe"],
)
def test_a_manifest_that_lies_costs_its_set_and_what_builds_on_it(archive, text):
    write_set(archive, [ROOT | {"snapshot/a": b"old"}])
    write_set(archive, [{"diff/a": APPEND}], start=T0, end=T0 + 1)
    write_set(archive, [ROOT | {"snapshot/a": b"new"}], end=T0 + 2)
    next(archive.glob("duplicity-full*221320Z.manifest")).write_text(text)
    repository, summary, told = imported(archive)
    assert states(repository) == [{b"/data/a": b"new"}]
    assert (summary.sets_skipped, summary.damaged_files) == (2, 1)
    assert len(told) == 2


def test_a_manifest_that_leaves_a_volume_out_does_not_cut_files_silently(archive):
    three_volumes(archive, signatures=SIGNATURES)
    path = next(archive.glob("*.manifest"))
    text = path.read_text()
    path.write_text(text[: text.index("Volume 2")] + text[text.index("Volume 3") :])
    repository, summary, told = imported(archive)
    assert states(repository) == [{b"/data/a": b"1", b"/data/g": b"4"}]
    assert {"/data/b", "/data/f"} <= {one.partition(":")[0] for one in told}
    assert summary.damaged_files == 1


def test_a_hash_by_md5_counts(archive):
    import hashlib

    [path] = write_set(archive, [ROOT | {"snapshot/a": b"1"}])
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    write_set(archive, [ROOT | {"snapshot/a": b"1"}], hashes=[f"MD5 {digest}"])
    assert states(imported(archive)[0]) == [{b"/data/a": b"1"}]
    write_set(archive, [ROOT | {"snapshot/a": b"1"}], hashes=["MD5 " + "0" * 32])
    assert imported(archive)[1].damaged_files == 1


@pytest.mark.parametrize(
    ("localdir", "path"),
    [
        (None, b"/"),
        ("/", b"/"),
        ("src", b"/src"),
        ("../src", b"/src"),
        ('"/a\\x20b"', b"/a b"),
        ("//srv//x/", b"/srv/x"),
    ],
)
def test_the_folder_of_the_snapshot_is_absolute(archive, localdir, path):
    write_set(archive, [ROOT | {"snapshot/a": b"old"}], localdir=localdir)
    write_set(archive, [{"diff/a": APPEND}], start=T0, end=T0 + 1, localdir=localdir)
    repository, _, _ = imported(archive)
    assert [one.snapshot.paths for one in snapshots_of(repository)] == [(path,)] * 2
    assert states(repository)[1] == {path.rstrip(b"/") + b"/a": b"oldmore"}
    totals = [one.snapshot.totals for one in snapshots_of(repository)]
    assert totals[0].directories == totals[1].directories


@pytest.mark.parametrize("localdir", ["/etc/hosts", None])
def test_a_single_file_may_have_been_backed_up(archive, localdir):
    write_set(archive, [{"snapshot/": b"old"}], localdir=localdir)
    write_set(archive, [{"diff/": APPEND}], start=T0, end=T0 + 1, localdir=localdir)
    repository, _, told = imported(archive)
    path = b"/etc/hosts" if localdir else b"/file"
    assert told == []
    assert states(repository) == [{path: b"old"}, {path: b"oldmore"}]


def test_options_win_over_what_the_archive_says(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"1"}])
    repository, _, _ = imported(archive, host="h", folder=b"/srv", tags=("x",))
    [one] = snapshots_of(repository)
    assert (one.snapshot.host, one.snapshot.paths, one.snapshot.tags) == (
        "h",
        (b"/srv",),
        ("x",),
    )
    assert states(repository) == [{b"/srv/a": b"1"}]


def test_a_dry_run_stores_nothing_and_sees_what_is_missing(archive):
    paths = three_volumes(archive)
    paths[2].unlink()
    repository = create_small()
    before = len(list(repository.backend.list("")))
    _, summary, told = imported(archive, repository, dry_run=True)
    assert len(list(repository.backend.list(""))) == before
    assert (summary.sets_imported, summary.damaged_files) == (1, 1)
    assert "volume 3 is missing" in told[0]


def test_smime_is_refused_with_a_sentence(archive):
    write_set(archive, [ROOT])
    path = next(archive.glob("*.manifest"))
    path.rename(f"{path}.p7m")
    with pytest.raises(UsageError, match="gpgsm"):
        imported(archive)


def test_a_folder_without_an_archive_is_told(archive):
    archive.mkdir()
    with pytest.raises(ChunkvaultError, match="no archive") as empty:
        imported(archive)
    assert "no files" in empty.value.hint
    (archive / "letter.txt").write_text("hello")
    with pytest.raises(ChunkvaultError, match="no archive") as other:
        imported(archive)
    assert "--file-prefix" in other.value.hint


def test_a_folder_that_does_not_exist_is_told(archive):
    with pytest.raises(ChunkvaultError, match="there is no folder") as told:
        imported(archive)
    assert "prefix" not in told.value.hint


def test_damage_of_the_repository_is_not_taken_for_one_of_the_archive(archive):
    write_set(archive, [ROOT | {"snapshot/a": b"old"}])
    repository, _, _ = imported(archive)
    write_set(archive, [{"diff/a": APPEND}], start=T0, end=T0 + 1)
    for info in list(repository.backend.list("trees")):
        repository.backend.delete(info.name)
    with pytest.raises(DamageError):
        imported(archive, open_small(repository.backend))


def test_nothing_of_a_changed_file_waits_for_the_collector_of_cycles(archive, tmp_path):
    """What waits is as much as the files read meanwhile hold: for a Linux tree 100 MB.

    Each import leaves some cycles of its own, however many files there are.
    """
    left = []
    for count, folder in ((5, archive), (100, tmp_path / "other")):
        files = [f"{number:03}" for number in range(count)]
        write_set(folder, [ROOT | {f"snapshot/{name}": b"old" for name in files}])
        changes = {f"diff/{name}": APPEND for name in files}
        write_set(folder, [changes], start=T0, end=T0 + 60)
        gc.collect()
        gc.disable()
        try:
            imported(folder)
            left.append(gc.collect())
        finally:
            gc.enable()
    assert left[1] < left[0] + 100
