"""Nothing outside the target changes, whatever names say and others do."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from chunkvault.errors import ChunkvaultError, UnsafePath
from chunkvault.format.node import NodeKind
from chunkvault.localfs.apply import Target
from tests.support.target_nodes import directory_node, file_node, link_node, restore

UNSAFE = [
    b"..",
    b".",
    b"a/../../x",
    b"../x",
    b"a/..",
    b"/etc/passwd",
    b"/x",
    b"a//b",
    b"a/",
    b"./a",
    b"a/./b",
    b"nul\0",
    b"a\0b/c",
    b"/",
]


@pytest.fixture
def target(target: Target) -> Target:
    target.make_directory(b"a", replace=True)
    return target


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A directory that must not change, checked in the end."""
    folder = tmp_path / "victim"
    (folder / "d").mkdir(parents=True)
    (folder / "passwd").write_bytes(b"root")
    (folder / "passwd").chmod(0o600)
    before = everything(folder)
    yield folder
    assert everything(folder) == before


def everything(folder: Path) -> list[object]:
    return [
        (
            path,
            tuple(path.lstat())[:2],
            *tuple(path.lstat())[3:7],
            path.lstat().st_mtime_ns,
        )
        for path in sorted([folder, *folder.rglob("*")])
    ]


def attack(target: Target, path: bytes) -> None:
    """Whatever can be done at a path; each is refused or hits only the target."""
    attempts = [
        lambda: restore(target, path, b"evil", mode=0o777),
        lambda: target.make_directory(path, replace=True),
        lambda: target.make_symlink(path, link_node(b"/"), replace=True),
        lambda: target.make_fifo(path, file_node(kind=NodeKind.FIFO), replace=True),
        lambda: target.make_hardlink(path, b"first", replace=True),
        lambda: target.set_metadata(path, file_node(4, mode=0o777)),
        lambda: target.set_metadata(path, directory_node(mode=0o777)),
        lambda: target.remove(path),
    ]
    for attempt in attempts:
        try:
            attempt()
        except (OSError, ChunkvaultError):
            continue


@pytest.mark.parametrize("path", UNSAFE)
def test_paths_that_are_none_are_refused_by_everything(
    target: Target, path: bytes
) -> None:
    restore(target, b"first", links=2)
    for refused in (
        lambda: target.status(path),
        lambda: target.names(path),
        lambda: target.read_link(path),
        lambda: target.open_existing(path),
        lambda: restore(target, path),
        lambda: target.make_directory(path, replace=True),
        lambda: target.make_symlink(path, link_node(b"x"), replace=True),
        lambda: target.make_fifo(path, file_node(kind=NodeKind.FIFO), replace=True),
        lambda: target.make_hardlink(path, b"first", replace=True),
        lambda: target.make_hardlink(b"second", path, replace=True),
        lambda: target.set_metadata(path, file_node()),
        lambda: target.set_metadata(path, directory_node()),
        lambda: target.remove(path),
    ):
        with pytest.raises(UnsafePath):
            refused()
    assert sorted(target.names(b"")) == [b"a", b"first"]


def test_target_itself_is_no_file_and_is_not_removed(target: Target) -> None:
    for refused in (
        lambda: restore(target, b""),
        lambda: target.make_symlink(b"", link_node(b"x"), replace=True),
        lambda: target.remove(b""),
    ):
        with pytest.raises(UnsafePath):
            refused()


def test_refusal_shows_no_control_characters(target: Target) -> None:
    with pytest.raises(UnsafePath) as caught:
        target.status(b"\x1b]52;c;evil\x07/\xff/..")
    assert str(caught.value).isprintable()


def test_restored_link_is_not_followed_by_what_comes_below_it(
    target: Target, victim: Path
) -> None:
    for points_to in (os.fsencode(victim), b"../victim", b"middle"):
        target.make_symlink(b"evil", link_node(points_to), replace=True)
        target.make_symlink(b"middle", link_node(b"../victim"), replace=True)
        for path in (b"evil/passwd", b"evil/new", b"evil/d/new", b"middle/passwd"):
            with pytest.raises(NotADirectoryError) as caught:
                restore(target, path, b"evil")
            assert caught.value.filename == path
            attack(target, path)


def test_planted_links_are_replaced_and_not_followed(
    target: Target, victim: Path, folder: Path
) -> None:
    for name in (b"file", b"directory", b"link", b"fifo"):
        os.symlink(victim / "passwd", os.fsencode(folder) + b"/" + name)
    os.symlink(victim, folder / "d")
    restore(target, b"file", b"content")
    target.make_directory(b"directory", replace=True)
    target.make_symlink(b"link", link_node(b"x", mtime_ns=1), replace=True)
    target.make_fifo(b"fifo", file_node(kind=NodeKind.FIFO), replace=True)
    target.make_directory(b"d", replace=True)
    restore(target, b"d/passwd", b"content")
    assert (folder / "file").read_bytes() == b"content"
    assert not (folder / "d").is_symlink()


def test_metadata_are_not_set_through_planted_links(
    target: Target, victim: Path, folder: Path
) -> None:
    os.symlink(victim / "passwd", folder / "file")
    os.symlink(victim, folder / "d")
    for path in (b"file", b"d"):
        attack_metadata(target, path)


def attack_metadata(target: Target, path: bytes) -> None:
    for node in (file_node(4, mode=0o777), directory_node(mode=0o777)):
        with pytest.raises(OSError):  # noqa: PT011 - of what kind, the kernel decides
            target.set_metadata(path, node)


def test_metadata_of_a_file_with_other_names_are_not_touched(
    target: Target, victim: Path, folder: Path
) -> None:
    os.link(victim / "passwd", folder / "file")
    status = (folder / "file").stat()
    equal = file_node(4, mode=0o600, mtime_ns=status.st_mtime_ns)
    assert not target.set_metadata(b"file", equal)
    with pytest.raises(OSError, match="other names"):
        target.set_metadata(b"file", equal._replace(mode=0o777))
    (folder / "file").unlink()


def test_metadata_of_links_that_were_made_here_are_set(
    target: Target, folder: Path
) -> None:
    restore(target, b"first", b"x", links=2)
    target.make_hardlink(b"second", b"first", replace=True)
    assert target.set_metadata(b"second", file_node(1, mode=0o600, links=2))
    assert (folder / "first").stat().st_mode & 0o777 == 0o600


# Hard links


def test_hard_links_are_names_of_one_file(target: Target, folder: Path) -> None:
    restore(target, b"first", b"x", links=3)
    target.make_hardlink(b"a/second", b"first", replace=True)
    target.make_hardlink(b"third", b"a/second", replace=False)
    assert (folder / "third").stat().st_ino == (folder / "first").stat().st_ino
    assert (folder / "first").stat().st_nlink == 3


def test_hard_links_to_links_and_pipes_are_to_these(
    target: Target, folder: Path
) -> None:
    target.make_symlink(b"link", link_node(b"/etc/passwd", links=2), replace=True)
    pipe = file_node(kind=NodeKind.FIFO, links=2)
    target.make_fifo(b"fifo", pipe, replace=True)
    target.make_hardlink(b"link2", b"link", replace=True)
    target.make_hardlink(b"fifo2", b"fifo", replace=True)
    assert os.path.samestat((folder / "link2").lstat(), (folder / "link").lstat())
    assert os.path.samestat((folder / "fifo2").lstat(), (folder / "fifo").lstat())


def test_hard_link_to_what_this_run_did_not_make_is_refused(
    target: Target, folder: Path, victim: Path
) -> None:
    (folder / "planted").write_bytes(b"x")
    os.symlink(victim / "passwd", folder / "link")
    for existing in (b"planted", b"link"):
        with pytest.raises(UnsafePath):
            target.make_hardlink(b"new", existing, replace=True)
    with pytest.raises(FileNotFoundError):
        target.make_hardlink(b"new", b"missing", replace=True)
    assert not (folder / "new").exists()


def test_hard_link_to_what_replaced_the_restored_file_is_refused(
    target: Target, folder: Path, victim: Path
) -> None:
    restore(target, b"first", b"x", links=2)
    (folder / "first").unlink()
    os.link(victim / "passwd", folder / "first")
    with pytest.raises(UnsafePath):
        target.make_hardlink(b"second", b"first", replace=True)
    assert (victim / "passwd").stat().st_nlink == 2
    (folder / "first").unlink()


def test_hard_link_to_a_verified_file_is_made(target: Target, folder: Path) -> None:
    (folder / "first").write_bytes(b"x")
    descriptor = target.open_existing(b"first")
    target.mark_verified(b"first", descriptor)
    os.close(descriptor)
    target.make_hardlink(b"second", b"first", replace=False)
    assert (folder / "first").stat().st_nlink == 2


# Others at work meanwhile


def test_directory_that_is_being_filled_is_followed_not_its_name(
    target: Target, folder: Path, victim: Path, tmp_path: Path
) -> None:
    restore(target, b"a/one")
    (folder / "a").rename(tmp_path / "moved")
    (folder / "a").symlink_to(victim)
    restore(target, b"a/two")
    target.set_metadata(b"a", directory_node())
    assert sorted(os.listdir(tmp_path / "moved")) == ["one", "two"]


def test_swapping_directories_and_links_leads_nowhere(
    folder: Path, victim: Path
) -> None:
    """A fresh target each time, so that no directory is known beforehand."""
    with Target(os.fsencode(folder)) as target:
        target.make_directory(b"d", replace=True)
        restore(target, b"first", links=2)
    stop = Event()
    swapper = Thread(target=swap_until, args=(folder, victim, stop))
    swapper.start()
    try:
        for _ in range(300):
            with Target(os.fsencode(folder)) as target:
                for path in (b"d/passwd", b"d/d", b"d"):
                    attack(target, path)
    finally:
        stop.set()
        swapper.join()


def swap_until(folder: Path, victim: Path, stop: Event) -> None:
    link, directory, away = folder / "link", folder / "d", folder / "away"
    while not stop.is_set():
        for action, *paths in (
            (os.mkdir, directory),
            (os.rename, directory, away),
            (os.symlink, victim, directory),
            (os.rename, directory, link),
            (os.rename, away, directory),
        ):
            try:
                action(*paths)
            except OSError:
                continue


def test_many_threads_share_few_open_directories(folder: Path) -> None:
    with Target(os.fsencode(folder)) as target:
        for number in range(100):
            target.make_directory(b"%d" % number, replace=True)
        threads = [Thread(target=fill, args=(target, turn)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    files = list(folder.glob("*/*"))
    assert len(files) == 400
    assert all(path.read_text() == path.parent.name for path in files)


def fill(target: Target, turn: int) -> None:
    for number in range(100):
        directory = b"%d" % ((number * (2 * turn + 1)) % 100)
        restore(target, directory + b"/%d-%d" % (turn, number), directory)
