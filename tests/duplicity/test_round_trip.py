"""Export, and import again: the same trees, by their ids."""

import os

import pytest

from chunkvault.duplicity.export import ExportOptions, FullEvery, export_archive
from chunkvault.duplicity.folder import LocalFolder
from chunkvault.duplicity.gpg import Gpg, GpgOptions
from chunkvault.report import SilentReporter
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import back_up, create_small, snapshots_of
from tests.support.difficult_source import Source
from tests.support.difftars import import_from
from tests.support.real_duplicity import PASSPHRASE


def make_history(tmp_path, repository):
    """Snapshots of what duplicity can hold, and of what it cannot."""
    source = Source(tmp_path / "source")
    for number, step in enumerate(Source.steps):
        step(source)
        if not number:
            os.link(source.top / "a" / "x", source.top / "a" / "same")
            os.setxattr(source.top / "big", "user.note", b"kept \xff")
            with open(source.top / "sparse", "wb") as file:
                file.truncate(300_000)
                file.write(b"begin")
                file.seek(400_000)
                file.write(b"end")
        back_up(repository, source.top, at=number)
    return source


def export(repository, archive, *, gpg=None, sets=3):
    options = ExportOptions(
        snapshots=tuple(snapshots_of(repository)),
        volume_bytes=1 << 20,
        full_every=FullEvery(sets=sets),
    )
    folder = LocalFolder(os.fsencode(archive))
    return export_archive(repository, folder, gpg, options, SilentReporter())


def roots(repository, host):
    """The node of the folder in each snapshot of a machine."""
    trees = TreeReader(repository.reader)
    return [
        trees.lookup(one.snapshot.tree, one.snapshot.paths[0])
        for one in snapshots_of(repository)
        if one.snapshot.host == host
    ]


@pytest.mark.parametrize("is_encrypted", [True, False])
def test_an_export_comes_back_as_the_same_trees(tmp_path, is_encrypted):
    repository = create_small()
    make_history(tmp_path, repository)
    options = GpgOptions(passphrase=PASSPHRASE.encode(), s2k_count=65536)
    gpg = Gpg(options) if is_encrypted else None
    export(repository, tmp_path / "archive", gpg=gpg)
    summary = import_from(
        repository, tmp_path / "archive", gpg=options, host="imported"
    )
    assert summary.sets_imported == len(Source.steps)
    assert roots(repository, "imported") == roots(repository, "host")


def test_what_was_exported_from_here_is_not_imported_again(tmp_path):
    repository = create_small()
    make_history(tmp_path, repository)
    export(repository, tmp_path / "archive")
    summary = import_from(repository, tmp_path / "archive")
    assert (summary.sets_imported, summary.sets_known) == (0, len(Source.steps))
