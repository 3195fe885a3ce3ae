"""Pieces of files in any order, with few of the files kept open."""

import errno
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from chunkvault.ids import BlobId
from chunkvault.localfs.apply import Target
from chunkvault.operations.restore.assembly import Assembly
from chunkvault.operations.restore.plan import Piece, Plan
from tests.support.trees import make_node

FILES = 40
PIECES = 5
PIECE_BYTES = 3


@pytest.fixture
def target(tmp_path):
    with Target(os.fsencode(tmp_path)) as target:
        yield target


def pieces_of(files, count):
    """As the plan gives them, one group after the other."""
    plan = Plan()
    for number in range(files):
        plan.begin_file()
        for piece in range(count):
            plan.add_local(piece * PIECE_BYTES, BlobId(bytes(32)), PIECE_BYTES)
        path = b"%02d" % number
        plan.finish_file(path, make_node(path, size=count * PIECE_BYTES), 0)
    pieces = [piece for group in plan.groups() for piece in group.pieces]
    plan.close()
    return pieces


def data_of(piece: Piece) -> bytes:
    return b"%s%d" % (piece.path, piece.offset // PIECE_BYTES)


def expected(files=FILES):
    return {
        b"%02d" % number: b"".join(b"%02d%d" % (number, n) for n in range(PIECES))
        for number in range(files)
    }


def found(folder):
    return {os.fsencode(path.name): path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("max_open", [1, 7, 200])
def test_files_are_whole_however_few_stay_open(tmp_path, target, max_open, threads):
    assembly = Assembly(target, may_replace=True, max_open=max_open)
    pieces = pieces_of(FILES, PIECES)
    random.Random(1).shuffle(pieces)
    with ThreadPoolExecutor(threads) as pool:
        ends = list(pool.map(lambda piece: assembly.add(piece, data_of(piece)), pieces))
    assert sum(ends) == FILES
    assert found(tmp_path) == expected()


def test_waiting_files_hold_no_more_descriptors_than_allowed(tmp_path, target):
    assembly = Assembly(target, may_replace=True, max_open=3)
    before = len(os.listdir("/proc/self/fd"))
    for piece in pieces_of(FILES, PIECES):
        if piece.offset == 0:
            assembly.add(piece, data_of(piece))
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    assert len(os.listdir(tmp_path)) == FILES


def test_lost_file_is_told_once_and_later_pieces_do_not_bring_it_back(tmp_path, target):
    assembly = Assembly(target, may_replace=True)
    first, second, *rest = pieces_of(1, PIECES)
    assembly.add(first, data_of(first))
    assert assembly.give_up(second)
    assert not any(assembly.add(piece, data_of(piece)) for piece in rest)
    assert not assembly.give_up(rest[-1])
    assert found(tmp_path) == {}


def test_unfinished_files_go_when_the_target_is_closed(tmp_path):
    with Target(os.fsencode(tmp_path)) as target:
        assembly = Assembly(target, may_replace=True, max_open=1)
        for piece in pieces_of(3, PIECES)[:-1]:
            assembly.add(piece, data_of(piece))
    assert found(tmp_path) == {
        path: data for path, data in expected(3).items() if path != b"02"
    }


def test_file_that_could_not_be_suspended_fails_with_its_own_next_piece(
    tmp_path, target, monkeypatch
):
    assembly = Assembly(target, may_replace=True, max_open=1)
    pieces = pieces_of(2, 2)
    first, other = (
        next(piece for piece in pieces if (piece.path, piece.offset) == (path, 0))
        for path in (b"00", b"01")
    )
    assembly.add(first, data_of(first))
    real = os.close

    def failing(descriptor):
        real(descriptor)
        monkeypatch.undo()
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "close", failing)
    assert not assembly.add(other, data_of(other))
    last = next(piece for piece in pieces if (piece.path, piece.offset) == (b"00", 3))
    with pytest.raises(OSError, match="input/output error"):
        assembly.add(last, data_of(last))


def test_a_directory_that_came_meanwhile_makes_way(tmp_path, target):
    [piece] = pieces_of(1, 1)
    (tmp_path / "00" / "below").mkdir(parents=True)
    assert Assembly(target, may_replace=True).add(piece, b"000")
    assert found(tmp_path) == {b"00": b"000"}
