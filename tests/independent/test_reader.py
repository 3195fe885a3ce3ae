"""A reader written from docs/format.md alone restores what the program backed up."""

import importlib
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from blake3 import blake3

PROJECT = Path(__file__).resolve().parents[2]
READER = Path(__file__).with_name("reader.py")
NOT_UTF8 = b"n\xe4me.txt"
MODES = [pytest.param([], id="directories"), pytest.param(["--index"], id="index")]


def environment(top):
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(top),
        "PYTHONPATH": str(PROJECT),
        "CHUNKVAULT_REPOSITORY": str(top / "repository"),
        "CHUNKVAULT_CACHE_DIR": str(top / "cache"),
        "CHUNKVAULT_PASSWORD": "correct horse",
    }


def run(top, *words, code=0):
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env=environment(top),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def make_tree(source):
    """Something of each kind that the document tells apart."""
    (source / "small" / "empty directory").mkdir(parents=True)
    (source / "many").mkdir()
    for number in range(20):
        (source / "small" / f"{number}.txt").write_text(f"file {number}\n" * number)
    for number in range(1_500):
        (source / "many" / f"{number:04}").write_text(str(number))
    # so many chunks that their references take lists of lists
    (source / "very large").write_bytes(random.Random(2).randbytes(20_000_000))
    (source / "large").write_bytes(random.Random(1).randbytes(3_000_000))
    (source / "text").write_text("\n".join(map(str, range(100_000))))
    (source / "empty").touch()
    with (source / "sparse").open("wb") as file:
        file.write(b"start")
        file.seek(5_000_000)
        file.write(b"middle")
        file.truncate(20_000_000)
    (source / "link").symlink_to("small/1.txt")
    Path(os.fsdecode(os.fsencode(source) + b"/" + NOT_UTF8)).write_text("latin 1")
    (source / "small" / "1.txt").chmod(0o4750)
    (source / "small").chmod(0o555)
    os.utime(source / "empty", ns=(0, -1_500_000_000))


def change_tree(source):
    """Edits in the middle of files, and other changes."""
    for name in ("large", "text"):
        content = bytearray((source / name).read_bytes())
        content[100_000:100_010] = b"an insertion"
        (source / name).write_bytes(content)
    (source / "many" / "0700").unlink()
    (source / "many" / "new").write_text("new")
    (source / "link").unlink()
    (source / "link").symlink_to("large")


def state(tree):
    """Kind, mode, mtime and content by path."""
    found = {}
    for folder, directories, files in os.walk(os.fsencode(tree)):
        for name in [b".", *directories, *files]:
            path = os.path.normpath(os.path.join(folder, name))
            about = os.lstat(path)
            content = None
            if stat.S_ISLNK(about.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(about.st_mode):
                content = Path(os.fsdecode(path)).read_bytes()
            relative = os.path.relpath(path, os.fsencode(tree))
            found[relative] = (about.st_mode, about.st_mtime_ns, content)
    return found


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory):
    """A folder with a repository, and the states of the source in its snapshots."""
    top = tmp_path_factory.mktemp("independent")
    source = top / "source"
    make_tree(source)
    states = [state(source)]
    run(top, "-m", "chunkvault", "init")
    run(top, "-m", "chunkvault", "backup", source)
    change_tree(source)
    states.append(state(source))
    run(top, "-m", "chunkvault", "backup", source)
    return top, states


def snapshot_ids(top):
    return [name[-64:] for name in sorted(os.listdir(top / "repository" / "snapshots"))]


@pytest.mark.parametrize("mode", MODES)
def test_both_snapshots_come_back(backed_up, tmp_path, mode):
    top, (first, second) = backed_up
    prefix = snapshot_ids(top)[0][:12]
    for words, expected in ((["--snapshot", prefix], first), ([], second)):
        target = tmp_path / "-".join(["target", *words])
        run(top, READER, top / "repository", target, *mode, *words)
        assert state(target / (top / "source").relative_to("/")) == expected


def test_the_tree_is_what_it_is_meant_to_be(backed_up):
    """The example has what is hard: a hole, a list of many trees, odd names."""
    _, (first, second) = backed_up
    assert NOT_UTF8 in first
    assert len(first[b"sparse"][2]) == 20_000_000
    assert len([name for name in first if name.startswith(b"many/")]) == 1_500
    assert first[b"large"] != second[b"large"]


def test_a_delta_expands_against_its_base(monkeypatch):
    """The program makes none yet: rows by hand, without a repository."""
    monkeypatch.syspath_prepend(READER.parent)
    stored_blobs = importlib.import_module("stored_blobs")
    base, new = random.Random(3).randbytes(5_000), random.Random(3).randbytes(4_000)
    dictionary = zstandard.ZstdCompressionDict(
        base, dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
    delta = zstandard.ZstdCompressor(dict_data=dictionary).compress(new)
    assert len(delta) < 100
    blobs = stored_blobs.Blobs(stored_blobs.Keys(bytes(32), [bytes(32)]))
    volume = SimpleNamespace(kind=stored_blobs.CHUNK, frame=lambda _: base + delta)
    ids = [
        blake3(data, key=blobs.ids[stored_blobs.CHUNK]).digest() for data in (base, new)
    ]
    ends = (0, len(base), len(base) + len(delta))
    spots = [stored_blobs.Place(volume, 0, *ends[at : at + 2]) for at in (0, 1)]
    prefixes = [blob_id[:16] for blob_id in ids]
    length = struct.pack("<I", len(new))
    blobs.add(prefixes, spots, [b"\0\1", prefixes[0], length])
    assert blobs.load(stored_blobs.CHUNK, ids[1]) == new
    blobs.places.pop((stored_blobs.CHUNK, prefixes[0]))
    with pytest.raises(LookupError):
        blobs.load(stored_blobs.CHUNK, ids[1])


def test_a_damaged_volume_is_named(backed_up, tmp_path):
    top, _ = backed_up
    copy = tmp_path / "copy"
    shutil.copytree(top / "repository", copy)
    for volume in (copy / "chunks").glob("*/*"):
        content = bytearray(volume.read_bytes())
        content[len(content) // 2] ^= 1
        volume.chmod(0o600)
        volume.write_bytes(content)
    done = run(top, READER, copy, tmp_path / "target", code=1)
    assert "is damaged" in done.stderr
