"""Archives that the real duplicity has made, imported and compared."""

import os

import pytest

from chunkvault.duplicity.gpg import GpgOptions
from chunkvault.duplicity.names import Prefixes
from chunkvault.report import SilentReporter
from tests.support.builders import create_small, restore_all, snapshots_of
from tests.support.difficult_source import T0, Source, look
from tests.support.difftars import import_from
from tests.support.real_duplicity import PASSPHRASE, VERSIONS, Duplicity, new_key

HOUR = 3600
WAYS = {
    "0.8 passphrase": ("0.8",),
    "0.8 short names": (
        "0.8", "--short-filenames", "--file-prefix=p-", "--file-prefix-archive=v-",
        "--no-encryption",
    ),
    "0.8 old names": (
        "0.8", "--old-filenames", "--no-encryption", "--no-compression",
    ),
    "3.2 passphrase": ("3.2",),
    "3.2 no encryption": ("3.2", "--no-encryption"),
}  # fmt: skip


def import_whole(folder, **options):
    repository, reporter = create_small(), SilentReporter()
    options.setdefault("gpg", GpgOptions(passphrase=PASSPHRASE.encode()))
    summary = import_from(repository, folder, reporter=reporter, **options)
    assert not reporter.problems
    again = import_from(repository, folder, **options)
    assert (again.sets_imported, again.sets_known) == (0, summary.sets_imported)
    return repository


def restored(repository, number, tmp_path):
    target = tmp_path / f"restored {number}"
    restore_all(repository, snapshots_of(repository)[number], target)
    return look(target)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_version_is_what_was_backed_up(tmp_path, way):
    version, *options = way
    source = Source(tmp_path / "source")
    duplicity = Duplicity(VERSIONS[version], tmp_path, *options)
    seen = []
    for number, step in enumerate(Source.steps):
        step(source)
        # Two chains: the state before the last one is kept in full again.
        kind = "full" if number in (0, 3) else "incremental"
        duplicity.back_up(kind, source.top, T0 + number * HOUR)
        seen.append(look(source.top))
    prefixes = Prefixes("p-", "v-") if "--file-prefix=p-" in options else Prefixes()
    repository = import_whole(duplicity.archive, prefixes=prefixes)
    for number, expected in enumerate(seen):
        assert restored(repository, number, tmp_path) == expected, number
    for number, one in enumerate(snapshots_of(repository)):
        assert one.snapshot.time_ns == (T0 + number * HOUR) * 10**9
        assert one.snapshot.paths == (os.fsencode(source.top),)
        totals = one.snapshot.totals
        kinds = [entry[0] for entry in seen[number].values()]
        assert totals.files == kinds.count("file")
        assert totals.others == kinds.count("link") + kinds.count("other")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_what_duplicity_restores(tmp_path, version):
    source = Source(tmp_path / "source")
    duplicity = Duplicity(VERSIONS[version], tmp_path, "--no-encryption")
    for number, step in enumerate((Source.begin, Source.change)):
        step(source)
        kind = "incremental" if number else "full"
        duplicity.back_up(kind, source.top, T0 + number * HOUR)
    repository = import_whole(duplicity.archive)
    for number in range(2):
        theirs = tmp_path / f"theirs {number}"
        duplicity.restore(T0 + number * HOUR, theirs)
        assert restored(repository, number, tmp_path) == look(theirs)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_archive_for_a_key_with_a_signature(tmp_path, version):
    source = Source(tmp_path / "source")
    source.begin()
    with new_key() as (home, key):
        options = (f"--encrypt-key={key}", f"--sign-key={key}")
        duplicity = Duplicity(VERSIONS[version], tmp_path, *options, gnupg=home)
        duplicity.back_up("full", source.top, T0)
        gpg = GpgOptions(passphrase=PASSPHRASE.encode(), home=os.fsencode(home))
        repository = import_whole(duplicity.archive, gpg=gpg)
    assert restored(repository, 0, tmp_path) == look(source.top)


def test_a_single_file_was_backed_up(tmp_path):
    path = tmp_path / "letter"
    path.write_bytes(b"dear" * 50_000)
    os.utime(path, (T0, T0))  # or else both versions might be of the same second
    duplicity = Duplicity(VERSIONS["0.8"], tmp_path, "--no-encryption")
    duplicity.back_up("full", path, T0)
    path.write_bytes(b"dear" * 50_000 + b"yours")
    duplicity.back_up("incremental", path, T0 + HOUR)
    repository = import_whole(duplicity.archive)
    first, second = (restored(repository, number, tmp_path) for number in range(2))
    assert first[b"letter"][3] == b"dear" * 50_000
    assert second[b"letter"][3] == b"dear" * 50_000 + b"yours"


@pytest.mark.slow
def test_a_damaged_volume_costs_no_more_than_duplicity_loses(tmp_path):
    source = Source(tmp_path / "source")
    source.begin()
    duplicity = Duplicity(VERSIONS["0.8"], tmp_path, "--no-encryption")
    duplicity.back_up("full", source.top, T0)
    volumes = sorted(duplicity.archive.glob("*difftar*"))
    assert len(volumes) == 2
    data = bytearray(volumes[1].read_bytes())
    data[1000] ^= 255
    volumes[1].write_bytes(data)
    repository, reporter = create_small(), SilentReporter()
    summary = import_from(repository, duplicity.archive, reporter=reporter)
    prefix = os.fsencode(source.top) + b"/"
    lost = {one.path.removeprefix(prefix) for one in reporter.problems if one.path}
    expected, found = look(source.top), restored(repository, 0, tmp_path)
    assert set(expected) - set(found) == lost
    assert summary.entries_lost == len(lost) > 1
    # The time of a folder is that of its last change: here, of what was restored.
    assert {path: expected[path] for path in found} == found
