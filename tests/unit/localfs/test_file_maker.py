"""A second process makes whole files; what it cannot make comes back."""

import os
import signal
import stat
from pathlib import Path

import pytest

from chunkvault.format.node import Node
from chunkvault.localfs.apply import TEMPORARY_PREFIX, Target
from chunkvault.localfs.file_maker import SLOT_BYTES, FileMaker
from chunkvault.localfs.frozen_nodes import freeze
from tests.support.target_nodes import file_node

MTIME_NS = 1_700_000_000_123_456_789


@pytest.fixture
def maker(target):
    with target.start_maker() as maker:
        yield maker


def node_of(name: bytes, data: bytes, **fields: object) -> Node:
    node = file_node(len(data), name=name, mtime_ns=MTIME_NS, mode=0o640)
    return node._replace(**fields)


def offer(maker: FileMaker[bytes], path: bytes, data: bytes, **fields: object) -> bool:
    node = node_of(os.path.basename(path), data, **fields)
    return maker.offer(path, path, freeze(node), data)


def unfinished(folder: Path) -> list[Path]:
    prefix = TEMPORARY_PREFIX.decode()
    return [path for path in folder.rglob("*") if path.name.startswith(prefix)]


def test_files_arrive_with_content_and_metadata(folder, target, maker):
    target.make_directory(b"sub", replace=True)
    files = {b"%d" % n: bytes([n]) * n for n in range(200)} | {b"sub/x": b"below"}
    assert all(offer(maker, path, data) for path, data in files.items())
    maker.send()
    assert list(maker.finished(wait=True)) == [(path, None) for path in files]
    for path, data in files.items():
        made = folder / os.fsdecode(path)
        assert made.read_bytes() == data
        assert made.stat().st_mtime_ns == MTIME_NS
        assert stat.S_IMODE(made.stat().st_mode) == 0o640
    assert not unfinished(folder)


def test_a_file_is_replaced_and_one_with_a_hole_gets_its_size(folder, maker):
    (folder / "file").write_bytes(b"old and longer")
    node = node_of(b"file", b"", size=1 << 20)
    assert maker.offer(b"tag", b"file", freeze(node), b"new")
    maker.send()
    assert list(maker.finished(wait=True)) == [(b"tag", None)]
    assert (folder / "file").read_bytes() == b"new".ljust(1 << 20, b"\0")


def test_slots_are_used_again_and_again(folder, maker):
    count = 0
    for number in range(40):
        path, data = b"%d" % number, bytes([number]) * (SLOT_BYTES // 2)
        while not offer(maker, path, data):
            maker.send()
            count += len(list(maker.finished(wait=True)))
        if maker.is_busy:
            count += len(list(maker.finished(wait=True)))
    maker.send()
    count += len(list(maker.finished(wait=True)))
    assert count == 40
    assert all(
        (folder / str(n)).read_bytes() == bytes([n]) * (SLOT_BYTES // 2)
        for n in range(40)
    )


def test_what_does_not_fit_into_a_slot_is_not_taken(maker):
    assert not offer(maker, b"large", bytes(SLOT_BYTES))
    assert offer(maker, b"half", bytes(SLOT_BYTES // 2 + 1))
    assert not offer(maker, b"other half", bytes(SLOT_BYTES // 2 + 1))


def test_a_slot_takes_a_bounded_number_of_files(maker):
    taken = sum(offer(maker, b"%d" % number, b"") for number in range(5000))
    assert taken == 4096
    maker.send()
    assert len(list(maker.finished(wait=True))) == taken


def test_what_cannot_be_made_comes_back_with_its_content(folder, maker):
    (folder / "directory" / "below").mkdir(parents=True)
    paths = [b"fine", b"directory", b"missing/file", b"../outside", b"too", b"fine too"]
    for path in paths:
        assert offer(maker, path, b"content of " + path, links=1 + (path == b"too"))
    maker.send()
    back = dict(maker.finished(wait=True))
    expected = {b"fine": None, b"fine too": None}
    assert back == {path: b"content of " + path for path in paths} | expected
    assert (folder / "directory" / "below").is_dir()
    assert not (folder.parent / "outside").exists()
    assert not unfinished(folder)


def test_denied_metadata_are_counted(maker):
    beyond = {"mtime_ns": 2**100}  # no file system has such a time
    assert offer(maker, b"a", b"1", **beyond)
    assert offer(maker, b"b", b"2", **beyond)
    maker.send()
    assert list(maker.finished(wait=True)) == [(b"a", None), (b"b", None)]
    assert maker.denied == {"time": 2}


@pytest.mark.parametrize("is_sent", [False, True])
def test_killed_nothing_is_lost(folder, target, maker, is_sent):
    files = {b"%d" % number: bytes([number]) * 30_000 for number in range(200)}
    for path, data in files.items():
        assert offer(maker, path, data)
    if is_sent:
        maker.send()
    os.kill(maker._process.pid, signal.SIGKILL)
    maker.send()
    back = dict(maker.finished(wait=True))
    assert set(back) == set(files)
    for path, data in back.items():
        target.remove_unfinished(path, maker.temporary)
        assert data in (None, files[path])
        if data is None:
            assert (folder / os.fsdecode(path)).read_bytes() == files[path]
    assert not maker.is_alive
    assert maker.is_busy
    assert not offer(maker, b"more", b"")
    assert not unfinished(folder)


def test_it_ends_when_nobody_is_there_any_more(maker):
    assert offer(maker, b"file", b"content")
    maker.send()
    maker._channel.close()
    assert maker._process.wait(60) in (0, 1)  # 1: there was nobody to answer


def test_told_to_end_it_leaves_nothing_unfinished(folder, maker):
    for number in range(4000):
        assert offer(maker, b"%d" % number, b"content")
    maker.send()
    maker.close()
    maker.close()
    assert not unfinished(folder)
    assert all(path.read_bytes() == b"content" for path in folder.iterdir())


def test_owners_are_numbers_where_that_was_asked_for(folder):
    with (
        Target(os.fsencode(folder), numeric_owner=True) as target,
        target.start_maker() as maker,
    ):
        names = {"user": b"root", "uid": os.geteuid(), "gid": os.getegid()}
        assert offer(maker, b"file", b"", **names)
        maker.send()
        assert list(maker.finished(wait=True)) == [(b"file", None)]
    assert (folder / "file").stat().st_uid == os.geteuid()
