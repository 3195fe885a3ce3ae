"""What a person can get wrong, and what the storage can be: words and exit codes."""

import itertools
import os
import random

import pytest

from chunkvault.backends.local import LocalBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.codec.hashing import content_hash
from chunkvault.errors import (
    ChunkvaultError,
    DamageError,
    PathNotInSnapshot,
    RepositoryNotFound,
    SnapshotNotFound,
    UnsupportedFormat,
    UsageError,
    WrongKey,
)
from chunkvault.repository import DeviceKey, Passphrase, cached
from chunkvault.snapshots.catalog import Catalog, SnapshotQuery
from tests.support.builders import (
    KEY,
    PASSWORD,
    back_up,
    create_small,
    noise,
    open_small,
    read_back,
    read_tree,
    restore_all,
    run_check,
    snapshots_of,
    write_tree,
)
from tests.support.command import Program
from tests.support.damage import damaged

HEAD_BYTES = 44


def refused(kind, action):
    """The error that an action must end with; it says something and gives a hint."""
    with pytest.raises(ChunkvaultError) as caught:
        action()
    assert type(caught.value) is kind, repr(caught.value)
    assert str(caught.value)
    assert caught.value.hint
    return caught.value


def with_version(config, version):
    head = config[:8] + version.to_bytes(4, "little") + config[12:HEAD_BYTES]
    return head + content_hash(head)


def test_wrong_password_is_told_from_damage(original):
    backend = damaged(original, {})
    for secret in (Passphrase(b"y"), Passphrase(b""), DeviceKey(bytes(32))):
        refused(WrongKey, lambda secret=secret: open_small(backend, secret))
    assert open_small(backend, PASSWORD).id == open_small(backend, KEY).id


def test_nothing_there_is_no_repository():
    refused(RepositoryNotFound, lambda: open_small(MemoryBackend()))
    refused(RepositoryNotFound, lambda: open_small(MemoryBackend({"notes": b"n"})))


def test_newer_format_is_refused_before_anything_is_read(original):
    config = with_version(original.objects["config"], 2)
    backend = damaged(original, {"config": config})
    error = refused(UnsupportedFormat, lambda: open_small(backend))
    assert "version 2" in str(error)


def test_all_key_slots_lost_is_damage_not_a_wrong_password(original):
    gone = dict.fromkeys(original.of_kind("key slot"))
    refused(DamageError, lambda: open_small(damaged(original, gone)))
    refused(DamageError, lambda: open_small(damaged(original, gone | {"config": None})))


def test_unknown_snapshot_and_nonsense_are_told_apart(original):
    catalog = Catalog(open_small(damaged(original, {})))
    for text, kind in (
        ("0123456789", SnapshotNotFound),
        ("latest~7", SnapshotNotFound),
        ("yesterday", UsageError),
        ("ab", UsageError),
    ):
        query = SnapshotQuery(snapshot=text)
        refused(kind, lambda query=query: catalog.find(query))
    refused(SnapshotNotFound, lambda: catalog.find(SnapshotQuery(at_ns=1)))


def test_path_that_the_snapshot_does_not_hold(original, tmp_path):
    repository = open_small(damaged(original, {}))
    snapshot = snapshots_of(repository)[-1]
    for path in (b"/nowhere", os.fsencode(original.source / "large") + b"/below"):
        error = refused(
            PathNotInSnapshot,
            lambda path=path: restore_all(
                repository, snapshot, tmp_path / "target", paths=(path,)
            ),
        )
        assert path.decode() in str(error)
    assert not any((tmp_path / "target").glob("*"))


@pytest.fixture
def cache(tmp_path):
    return os.fsencode(tmp_path / "cache")


def assert_reads_right(original, backend):
    repository = open_small(backend)
    for snapshot, wanted in zip(snapshots_of(repository), original.files, strict=True):
        assert read_back(repository, snapshot) == wanted


def fill(original, cache):
    assert_reads_right(original, cached(damaged(original, {}), cache))
    files = [name for name in os.listdir(cache) if name != b"CACHEDIR.TAG"]
    assert len(files) >= 5
    return files


def test_cache_that_is_lost_or_damaged_costs_nothing(original, cache):
    chance = random.Random(1)
    for harm in (
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: bytes(len(data)),
        lambda data: chance.randbytes(len(data)),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1] + bytes([data[-1] ^ 128]),
    ):
        for name in fill(original, cache):
            path = os.path.join(cache, name)
            with open(path, "rb") as file:
                data = harm(file.read())
            with open(path, "wb") as file:
                file.write(data)
        assert_reads_right(original, cached(damaged(original, {}), cache))
    for name in os.listdir(cache):
        os.unlink(os.path.join(cache, name))
    assert_reads_right(original, cached(damaged(original, {}), cache))


def test_cache_files_that_were_exchanged_are_not_believed(original, cache):
    names = fill(original, cache)
    for one, other in itertools.pairwise(names):
        os.rename(os.path.join(cache, one), os.path.join(cache, b"kept"))
        os.rename(os.path.join(cache, other), os.path.join(cache, one))
        os.rename(os.path.join(cache, b"kept"), os.path.join(cache, other))
    assert_reads_right(original, cached(damaged(original, {}), cache))


def test_cache_of_another_repository_is_harmless(original, cache, tmp_path):
    repository = create_small(cached(MemoryBackend(), cache))
    source = write_tree(tmp_path / "source", {"other": noise(5_000, "other")})
    back_up(repository, source)
    assert_reads_right(original, cached(damaged(original, {}), cache))
    back_up(open_small(cached(repository.backend, cache)), source, at=2)
    assert len(snapshots_of(open_small(repository.backend))) == 2


def test_cache_that_cannot_be_made_costs_nothing(original, tmp_path):
    (tmp_path / "file").write_bytes(b"in the way")
    backend = cached(damaged(original, {}), os.fsencode(tmp_path / "file"))
    assert_reads_right(original, backend)
    assert backend.disabled_reason


def test_cache_never_hides_that_the_storage_lost_something(original, cache):
    """What is kept here still reads; a check looks at the storage itself."""
    fill(original, cache)
    lost = original.of_kind("tree volume")[0]
    backend = damaged(original, {lost: None})
    assert_reads_right(original, cached(backend, cache))
    assert lost in {damage.object_name for damage in run_check(backend).damage}


@pytest.fixture
def program(tmp_path, original):
    key_file = tmp_path / "device.key"
    key_file.write_bytes(KEY.key)
    key_file.chmod(0o600)
    found = Program(tmp_path)
    backend = LocalBackend(os.fsencode(found.repository))
    for name, data in original.objects.items():
        backend.put(name, data)
    return found


def test_every_refusal_has_its_exit_code_and_a_hint(program, original, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong_key = tmp_path / "wrong.key"
    wrong_key.write_bytes(bytes(32))
    wrong_key.chmod(0o600)
    to = ("--to", tmp_path / "to")
    for code, words in (
        (10, ("snapshots", "-r", empty)),
        (10, ("backup", "-r", tmp_path / "none", original.source)),
        (12, ("snapshots", "--key-file", wrong_key)),
        (1, ("restore", "--snapshot", "0123456789", *to)),
        (1, ("restore", "/nowhere", *to)),
        (2, ("restore", "--at", "sometime", *to)),
        (1, ("init",)),
    ):
        done = program.run(*words)
        assert done.returncode == code, (words, done.stderr)
        assert "hint: " in done.stderr, (words, done.stderr)
    assert not (tmp_path / "none").exists()


def test_damage_is_exit_code_20_and_names_the_object(program, original, tmp_path):
    name = original.of_kind("chunk volume")[0]
    path = program.repository / name
    path.write_bytes(b"\1" + path.read_bytes()[1:200] + bytes(900))
    for words in (("check",), ("check", "--read-data")):
        done = program.run(*words)
        assert done.returncode == 20
        assert name in done.stdout + done.stderr
    restored = program.run("restore", "--to", tmp_path / "to")
    assert restored.returncode in (3, 20)
    assert name[-20:] in restored.stdout + restored.stderr


def test_newer_format_and_lost_config_on_the_command_line(program, original):
    path = program.repository / "config"
    path.write_bytes(with_version(original.objects["config"], 9))
    done = program.run("snapshots")
    assert done.returncode == 13
    assert "version 9" in done.stderr
    path.unlink()
    done = program.run("snapshots")
    assert done.returncode == 0
    assert "config is missing" in done.stderr
    assert program.run("backup", original.source).returncode == 0
    assert program.run("snapshots").stderr == ""


def test_full_storage_is_exit_code_22_and_keeps_what_is_there(
    program, original, tmp_path
):
    new = write_tree(tmp_path / "new", {"large": noise(100_000, "large")})
    done = program.run_short_of_space(4096, "backup", new, "--no-cache")
    assert done.returncode == 22, done.stderr
    assert "hint: free some space" in done.stderr
    assert program.run("check", "--read-data").returncode == 0
    assert program.run("backup", new).returncode == 0
    restored = program.run("restore", new, "--to", tmp_path / "to")
    assert restored.returncode == 0
    assert read_tree(tmp_path / "to/new") == read_tree(new)
