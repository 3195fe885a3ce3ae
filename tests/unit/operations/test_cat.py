import pytest

from chunkvault.errors import DamageError, PathNotInSnapshot, UsageError
from chunkvault.format.node import NodeKind
from chunkvault.operations.cat import cat
from tests.support.trees import make_node, new_repository, reopen, take_snapshot


@pytest.fixture
def repository():
    return new_repository()


@pytest.fixture
def stored(repository):
    files = {
        b"/data/a": b"content",
        b"/data/empty": b"",
        b"/data/large": bytes(range(256)) * 8192,
        b"/data/link": make_node(kind=NodeKind.SYMLINK, target=b"a"),
        b"/data/pipe": make_node(kind=NodeKind.FIFO),
    }
    return take_snapshot(repository, files)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (b"/data/a", b"content"),
        (b"/data/empty", b""),
        (b"/data/large", bytes(range(256)) * 8192),
    ],
)
def test_content_comes_in_pieces(repository, stored, path, content):
    pieces = list(cat(reopen(repository), stored, path))
    assert b"".join(pieces) == content
    assert all(len(piece) <= 1 << 20 for piece in pieces)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (b"/", "a folder"),
        (b"/data", "a folder"),
        (b"/data/link", "a symbolic link"),
        (b"/data/pipe", "a named pipe"),
    ],
)
def test_what_is_no_file_is_refused_by_name(repository, stored, path, what):
    with pytest.raises(UsageError, match=f"{path.decode()} is {what}"):
        cat(repository, stored, path)


def test_absent_path_is_refused_at_once(repository, stored):
    with pytest.raises(PathNotInSnapshot, match="/data/b"):
        cat(repository, stored, b"/data/b")


def test_damage_is_told_and_no_wrong_byte_comes(repository, stored):
    for info in list(repository.backend.list("chunks/")):
        repository.backend.delete(info.name)
    stream = cat(reopen(repository), stored, b"/data/a")
    with pytest.raises(DamageError):
        next(stream)
