"""librsync deltas: the bytes of its format, and deltas made from chunk lists."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.duplicity.delta import (
    Copy,
    Literal,
    copy_command,
    literal_command,
    read_delta,
)
from chunkvault.duplicity.export import runs as runs_module
from chunkvault.duplicity.export.runs import delta_parts, match_runs
from chunkvault.errors import FormatError
from chunkvault.format.content import ChunkRef
from chunkvault.ids import BlobId


def apply(delta, old):
    """The new file."""
    out = []
    for command in read_delta(io.BytesIO(delta).read, len(old)):
        if isinstance(command, Literal):
            out.append(command.data)
        else:
            out.append(old[command.offset : command.offset + command.length])
    return b"".join(out)


def refs_of(file):
    """References to the chunks of a list; None is a hole of ten bytes."""
    return [
        ChunkRef(10, None) if one is None else ChunkRef(len(one), BlobId(one))
        for one in file
    ]


def content(file):
    return b"".join(bytes(10) if one is None else one for one in file)


def delta_of(old, new):
    parts = delta_parts(match_runs(refs_of(old), refs_of(new)))
    return b"".join(p if isinstance(p, bytes) else bytes(p.blob_id) for p in parts)


@pytest.mark.parametrize(
    ("delta", "commands"),
    [
        ("7273023605 68656c6c6f 00", [Literal(b"hello")]),
        ("72730236 46 00 03e8 00", [Copy(0, 1000)]),
        ("72730236 4d 00011170 05 00", [Copy(70000, 5)]),
        ("72730236 41 02 6869 00", [Literal(b"hi")]),
        ("72730236 00", []),
    ],
)
def test_known_deltas_are_read(delta, commands):
    read = io.BytesIO(bytes.fromhex(delta)).read
    assert list(read_delta(read, 100_000)) == commands


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 1000, "460003e8"), (70000, 5, "4d0001117005"), (2**40, 1, None)],
)
def test_copy_commands_take_as_few_bytes_as_they_can(offset, length, expected):
    command = copy_command(offset, length)
    if expected is not None:
        assert command == bytes.fromhex(expected)
    delta = b"rs\x026" + command + b"\0"
    read = io.BytesIO(delta).read
    assert list(read_delta(read, 2**50)) == [Copy(offset, length)]


@pytest.mark.parametrize("length", [1, 64, 65, 255, 256, 65535, 65536, 3 << 20])
def test_literals_of_any_length_are_read_back(length):
    data = random.Random(length).randbytes(length)
    delta = b"rs\x026" + literal_command(length) + data + b"\0"
    assert apply(delta, b"") == data


@pytest.mark.parametrize(
    "delta",
    [
        "",
        "72730136 00",
        "72730236",
        "72730236 05 6869",
        "72730236 00 00",
        "72730236 46 00 03e9 00",
        "72730236 55 00",
        "72730236 44 ffffffffffffffff 00",
    ],
)
def test_hostile_delta_is_refused(delta):
    with pytest.raises(FormatError):
        list(read_delta(io.BytesIO(bytes.fromhex(delta)).read, 1000))


CHUNKS = st.lists(st.sampled_from([b"a" * 7, b"bb", b"c" * 30, b"dddd", None]))


@given(CHUNKS, CHUNKS)
def test_delta_of_chunk_lists_makes_the_new_file_of_the_old_one(old, new):
    assert apply(delta_of(old, new), content(old)) == content(new)


def test_only_what_is_new_is_literal_and_copies_in_a_row_are_one():
    old = [b"a" * 50, b"b" * 60, b"c" * 70]
    found = list(match_runs(refs_of(old), refs_of([*old[:2], b"new", old[2]])))
    assert found == [Copy(0, 110), ChunkRef(3, BlobId(b"new")), Copy(110, 70)]


def test_new_hole_is_copied_from_any_old_one():
    found = list(match_runs(refs_of([None, b"x"]), refs_of([b"x", None, None])))
    assert all(isinstance(run, Copy) for run in found)


def test_memory_is_bounded_by_a_window_that_moves_along(monkeypatch):
    monkeypatch.setattr(runs_module, "_WINDOW_REFS", 4)
    old = [bytes([number]) * 3 for number in range(100)]
    found = list(match_runs(refs_of(old), refs_of([b"new", *old])))
    assert found == [ChunkRef(3, BlobId(b"new")), Copy(0, 300)]
    moved = list(match_runs(refs_of(old), refs_of([*old[50:], *old[:50]])))
    assert sum(run.length for run in moved) == 300
    assert apply(delta_of(old, [*old[50:], *old[:50]]), content(old)) == content(
        [*old[50:], *old[:50]]
    )
