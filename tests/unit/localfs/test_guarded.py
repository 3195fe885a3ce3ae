"""The repository's own folder survives every restore."""

import os

import pytest

from chunkvault.errors import SafetyStop
from chunkvault.localfs.apply import Target
from chunkvault.localfs.guarded import Guarded


@pytest.fixture
def own(tmp_path):
    """A repository two folders below the target."""
    folder = tmp_path / "target" / "disk" / "repository"
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(b"precious")
    return folder


@pytest.fixture
def target(tmp_path, own):
    guarded = Guarded((os.fsencode(own),))
    with Target(os.fsencode(tmp_path / "target"), guarded=guarded) as target:
        yield target


@pytest.mark.parametrize("path", [b"disk", b"disk/repository"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_neither_it_nor_what_holds_it_is_removed(tmp_path, own, path, dry_run):
    guarded = Guarded((os.fsencode(own),))
    top = os.fsencode(tmp_path / "target")
    with (
        Target(top, guarded=guarded, dry_run=dry_run) as target,
        pytest.raises(SafetyStop, match="left alone"),
    ):
        target.remove(path)
    assert (own / "config").read_bytes() == b"precious"


def test_it_is_known_through_a_link(tmp_path, own):
    (tmp_path / "link").symlink_to(own)
    guarded = Guarded((os.fsencode(tmp_path / "link"),))
    with (
        Target(os.fsencode(tmp_path / "target"), guarded=guarded) as target,
        pytest.raises(SafetyStop),
    ):
        target.remove(b"disk")


def test_what_is_beside_it_is_removed(target, own):
    (own.parent / "beside").mkdir()
    assert target.remove(b"disk/beside") == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_goes_into_it(tmp_path, own, dry_run):
    guarded = Guarded((os.fsencode(own),))
    top = os.fsencode(tmp_path / "target")
    with Target(top, guarded=guarded, dry_run=dry_run) as target:
        assert not target.make_directory(b"disk", replace=True)
        with pytest.raises(SafetyStop):
            target.make_directory(b"disk/repository", replace=True)


@pytest.mark.parametrize("below", ["", "new/folder", "../repository"])
def test_it_is_no_target_nor_is_what_is_in_it(own, below):
    guarded = Guarded((os.fsencode(own),))
    with pytest.raises(SafetyStop, match="is in the repository or its cache"):
        Target(os.fsencode(own / below), guarded=guarded)
    assert os.listdir(own) == ["config"]


def test_what_is_not_there_guards_nothing(tmp_path):
    guarded = Guarded((os.fsencode(tmp_path / "none"),))
    guarded.check_removal(os.stat(tmp_path))
    guarded.check_entering(None)
    guarded.check_target(os.fsencode(tmp_path / "none"))
