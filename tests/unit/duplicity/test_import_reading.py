"""How an import reads: each volume once, and with care where that went wrong."""

import gzip
import hashlib

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.duplicity.backend_folder import BackendFolder
from chunkvault.duplicity.gpg import Gpg, GpgOptions
from chunkvault.duplicity.import_archive import import_archive
from chunkvault.duplicity.import_records import ImportOptions
from chunkvault.report import SilentReporter
from tests.support.builders import (
    contents,
    create_small,
    noise,
    read_back,
    snapshots_of,
)
from tests.support.difftars import DIRECTORY, T0, member, seal, write_set
from tests.support.recording import RecordingBackend

ROOT = {"snapshot/./": DIRECTORY}
MIB = 1 << 20
SECRET = GpgOptions(passphrase=b"x", s2k_count=65536)


class ListingReporter(SilentReporter):
    """Keeps the paths as well."""

    def __init__(self):
        super().__init__()
        self.entries = []

    def entry(self, action, path):
        self.entries.append((action, path))


def imported(archive):
    """What an import from a store read, told, and left in the repository."""
    objects = {path.name: path.read_bytes() for path in archive.iterdir()}
    backend = RecordingBackend(MemoryBackend(objects))
    repository, reporter = create_small(), ListingReporter()
    options = ImportOptions(
        default_host="here", user="user", workers=0, list_entries=True
    )
    folder = BackendFolder(backend, "memory:")
    summary = import_archive(repository, folder, Gpg(SECRET), options, reporter)
    return repository, summary, reporter, backend


def states(repository):
    return [contents(read_back(repository, one)) for one in snapshots_of(repository)]


def told(reporter):
    return [f"{one.path.decode()}: {one.message}" for one in reporter.problems]


def fetched(backend, name):
    """How many requests a file took."""
    return sum(call.name == name for call in backend.calls("get"))


def three_volumes(archive, kind, size):
    members = [{f"snapshot/{name}": noise(size, name)} for name in "abc"]
    members[0] = ROOT | members[0]
    signatures = {"snapshot/": DIRECTORY} | {f"signature/{n}": b"" for n in "abc"}
    write_set(archive, members, compresses=kind == "gzip", signatures=signatures)
    if kind == "gpg":
        seal(archive, lambda _: SECRET)
    return sorted(archive.glob("*.difftar*"))


KINDS = ("plain", "gzip", "gpg")


@pytest.mark.parametrize("kind", KINDS)
def test_each_volume_is_fetched_once(tmp_path, kind):
    volumes = three_volumes(tmp_path / "archive", kind, 30_000)
    repository, summary, reporter, backend = imported(volumes[0].parent)
    assert told(reporter) == []
    assert summary.read_bytes == sum(path.stat().st_size for path in volumes)
    assert [fetched(backend, path.name) for path in volumes] == [1, 1, 1]
    assert len(states(repository)[0]) == 3
    write_set(tmp_path / "long", [ROOT | {"snapshot/a": bytes(9 * MIB)}])
    *_, backend = imported(tmp_path / "long")
    [volume] = (tmp_path / "long").glob("*.difftar")
    assert fetched(backend, volume.name) == 3  # pieces of 4 MiB


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0, 20_000])
def test_a_damaged_volume_is_told_once_and_nothing_of_it_stays(tmp_path, kind, place):
    volumes = three_volumes(tmp_path / "archive", kind, 30_000)
    data = bytearray(volumes[1].read_bytes())
    data[place] ^= 255
    volumes[1].write_bytes(data)
    repository, summary, reporter, _ = imported(volumes[0].parent)
    [state] = states(repository)
    assert state == {b"/data/a": noise(30_000, "a"), b"/data/c": noise(30_000, "c")}
    assert [one.partition(":")[0] for one in told(reporter)] == ["", "/data/b"]
    assert reporter.entries == [
        ("stored", b"/data"), ("stored", b"/data/a"), ("stored", b"/data/c"),
    ]  # fmt: skip
    assert (summary.entries_stored, summary.entries_lost) == (3, 1)
    assert summary.damaged_files == 1
    assert summary.read_bytes <= 3 * sum(path.stat().st_size for path in volumes)


def test_what_comes_before_a_damaged_volume_is_told_once(tmp_path):
    archive = tmp_path / "archive"
    members = [ROOT | {"snapshot/a": b"1", "strange/b": b""}, {"snapshot/c": b"2"}, {}]
    paths = write_set(archive, [*members, {"snapshot/e": b"3"}])
    paths[3].write_bytes(paths[3].read_bytes()[:-1] + b"x")
    _, summary, reporter, _ = imported(archive)
    problems = told(reporter)
    assert len([one for one in problems if one.startswith("/data/b")]) == 1
    assert len(problems) == 2
    assert len(reporter.entries) == summary.entries_stored == 3


def three_names(archive, **options):
    parts = [ROOT | {"snapshot/a": b"1"}, {"snapshot/b": b"2"}, {"snapshot/c": b"3"}]
    signatures = {"snapshot/": DIRECTORY} | {f"signature/{n}": b"" for n in "abc"}
    return write_set(archive, parts, signatures=signatures, **options)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("lie", [".", "a", "zzz"])
def test_what_was_lost_is_named_whatever_ranges_the_manifest_has(tmp_path, number, lie):
    archive = tmp_path / "archive"
    paths = three_names(archive)
    manifest = next(archive.glob("*.manifest"))
    lines = manifest.read_text().splitlines()
    lines = [
        f"    EndingPath {lie}" if "EndingPath" in line else line for line in lines
    ]
    manifest.write_text("\n".join(lines) + "\n")
    paths[number].unlink()
    repository, _, reporter, _ = imported(archive)
    gone = b"/data/" + b"abc"[number : number + 1]
    assert gone not in states(repository)[0]
    assert len(states(repository)[0]) == 2
    assert [one.path for one in reporter.problems if one.path] == [gone]


def test_volumes_behind_the_end_of_the_manifest_are_missed_if_they_matter(tmp_path):
    archive = tmp_path / "archive"
    three_names(archive)
    manifest = next(archive.glob("*.manifest"))
    text = manifest.read_text()
    manifest.write_text(text[: text.index("Volume 3:")])
    repository, summary, reporter, _ = imported(archive)
    assert set(states(repository)[0]) == {b"/data/a", b"/data/b"}
    assert any(one.startswith("/data/c: version") for one in told(reporter))
    assert any("does not name volume 3" in one for one in told(reporter))
    assert (summary.damaged_files, summary.entries_lost) == (1, 1)


def test_volumes_that_nothing_is_missing_without_are_only_mentioned(tmp_path):
    archive = tmp_path / "archive"
    third = three_names(archive)[2]
    third.with_name(third.name.replace("vol3", "vol4")).write_bytes(b"left over")
    repository, summary, reporter, _ = imported(archive)
    assert len(states(repository)[0]) == 3
    [problem] = reporter.problems
    assert not problem.is_failure
    assert "volume 4, and nothing in it is missing" in problem.message
    assert snapshots_of(repository)[0].snapshot.tags == ("imported",)
    assert summary.damaged_files == 0


def test_signatures_of_another_set_are_not_believed(tmp_path):
    archive = tmp_path / "archive"
    paths = three_names(archive)
    paths[2].unlink()
    write_set(
        archive,
        [{"deleted/z": member(mode=0)}],
        start=T0,
        end=T0 + 1,
        signatures={"snapshot/evil": member(b"2", linkname="elsewhere")},
    )
    full, new = sorted(archive.glob("*.sigtar"))
    full.write_bytes(new.read_bytes())
    repository, _, reporter, _ = imported(archive)
    assert set(states(repository)[0]) == {b"/data/a", b"/data/b"}
    assert any(
        "signatures of the set are those of another" in t for t in told(reporter)
    )


def test_a_damaged_sigtar_is_not_used_by_halves(tmp_path):
    archive = tmp_path / "archive"
    paths = three_names(archive)
    paths[1].unlink()
    [sigtar] = archive.glob("*.sigtar")
    data = gzip.compress(sigtar.read_bytes())
    sigtar.unlink()
    (archive / f"{sigtar.name}.gz").write_bytes(data[:-1])
    _, summary, reporter, _ = imported(archive)
    assert any("what else is lost has no name" in one for one in told(reporter))
    assert summary.entries_lost == 0


def test_a_set_of_another_folder_than_the_one_before_is_mentioned(tmp_path):
    archive = tmp_path / "archive"
    write_set(archive, [ROOT | {"snapshot/a": b"1"}])
    write_set(archive, [{}], start=T0, end=T0 + 1, localdir="/dat\x01")
    repository, _, reporter, _ = imported(archive)
    assert [one.snapshot.paths for one in snapshots_of(repository)] == [
        (b"/data",), (b"/dat\x01",),
    ]  # fmt: skip
    [problem] = reporter.problems
    assert "another machine or folder" in problem.message
    assert not problem.is_failure


def test_a_volume_that_expands_to_zeros_without_end_costs_no_memory(tmp_path):
    """A bomb: 50 MB of a file of which a terabyte is promised."""
    archive = tmp_path / "archive"
    info, _ = member()
    info.name, info.size = "snapshot/b", 1 << 40
    head = info.tobuf()
    stored = gzip.compress(head + bytes(50 * MIB), 1)
    [path] = write_set(
        archive,
        [ROOT],
        compresses=True,
        hashes=[f"SHA1 {hashlib.sha1(stored).hexdigest()}"],
    )
    path.write_bytes(stored)
    _, summary, reporter, _ = imported(archive)
    assert any("ends in the middle" in one for one in told(reporter))
    assert summary.entries_lost == 1
