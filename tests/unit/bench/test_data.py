"""Data that is made: the same in every run, and changed where it says so."""

import os
import sqlite3

import pytest

from bench.data.large_files import make_large_files
from bench.data.mail import MailFile
from bench.data.scattered import Database, DiskImage
from bench.data.source_tree import MadeTree, make_like, parse_madison

MADISON = """\
linux-source-6.1 |  6.1.192-2 | http://deb/debian-security bookworm-security/main
linux-source-6.1 |  6.1.176-1 | http://deb/debian bookworm/main amd64 Packages
linux-source-6.1 |  6.1.176-1 | http://other/debian bookworm/main amd64 Packages
N: something else
"""
MAKERS = {
    "mail": lambda folder: MailFile(folder, 50),
    "tree": lambda folder: MadeTree(folder, 120),
    "database": lambda folder: Database(folder, 500, updates=20),
    "image": lambda folder: DiskImage(folder, 200, writes=10),
}


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", MAKERS)
def test_history_is_the_same_in_every_run_and_every_version_differs(kind, tmp_path):
    runs = []
    for run in ("first", "second"):
        history = MAKERS[kind](tmp_path / run)
        versions = []
        for number in range(3):
            history.advance(number)
            versions.append(contents(tmp_path / run))
            assert history.file.read_bytes() == history.content()
        runs.append(versions)
    if kind == "database":  # SQLite counts its own changes in the file's head
        assert [v.keys() for v in runs[0]] == [v.keys() for v in runs[1]]
    else:
        assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1] != runs[0][2]


def test_mail_grows_and_its_old_messages_change(tmp_path):
    mail = MailFile(tmp_path, 50)
    mail.advance(0)
    before = mail.content()
    mail.advance(1)
    after = mail.content()
    assert len(after) > len(before)
    assert not after.startswith(before)
    assert 5 <= after.count(b"Status: RO") <= 10
    assert after.count(b"From sender") == 60


def test_database_is_one_and_small_parts_of_it_change(tmp_path):
    database = Database(tmp_path, 2000, updates=5)
    database.advance(0)
    before = database.content()
    database.advance(1)
    after = database.content()
    pages = range(0, min(len(before), len(after)), 4096)
    changed = sum(before[p : p + 4096] != after[p : p + 4096] for p in pages)
    assert 0 < changed < len(pages) / 4
    with sqlite3.connect(database.file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_image_keeps_its_length_and_its_hole(tmp_path):
    image = DiskImage(tmp_path, 500, writes=10)
    for number in range(3):
        image.advance(number)
        assert image.file.stat().st_size == 500 * 4096
        assert image.content()[-100 * 4096 :] == bytes(100 * 4096)


def test_tree_is_edited_in_a_hundredth_of_its_files(tmp_path):
    tree = MadeTree(tmp_path, 300)
    tree.advance(0)
    before = contents(tmp_path)
    tree.advance(1)
    after = contents(tmp_path)
    changed = [name for name in before if before[name] != after[name]]
    assert before.keys() == after.keys()
    assert 2 <= len(changed) <= 5
    assert "Makefile" in changed


def test_versions_of_a_package_newest_first_and_once():
    assert parse_madison(MADISON) == ["6.1.192-2", "6.1.176-1"]
    assert parse_madison("") == []


def test_making_alike_touches_nothing_that_is_equal(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, text in ((here, "old"), (there, "new")):
        (folder / "kept").mkdir(parents=True)
        (folder / "kept/same").write_text("same")
        (folder / "kept/other").write_text(text)
    (here / "gone").mkdir()
    (here / "gone/file").write_text("x")
    (here / "becomes-link").write_text("x")
    (there / "becomes-link").symlink_to("kept/same")
    (here / "becomes-folder").symlink_to("kept")
    (there / "becomes-folder").mkdir()
    os.utime(here / "kept/same", ns=(1, 1))
    make_like(here, there)
    assert contents(here) == contents(there)
    assert (here / "becomes-link").is_symlink()
    assert not (here / "becomes-folder").is_symlink()
    assert not (here / "gone").exists()
    assert (here / "kept/same").stat().st_mtime_ns == 1


def test_large_files_are_of_every_kind(tmp_path):
    tree = tmp_path / "tree"
    MadeTree(tree, 50).advance(0)
    make_large_files(tmp_path / "large", 20 << 20, tree)
    names = {path.name for path in (tmp_path / "large").iterdir()}
    assert {"archive.tar.zst", "disk.ext4", "server.log", "film-0.mkv"} <= names
    image = (tmp_path / "large/disk.ext4").read_bytes()
    assert image[0x438:0x43A] == b"\x53\xef", "the magic number of ext4"
    assert "disk.tree" not in names
