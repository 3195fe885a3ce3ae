"""What is new is based on what it is probably a version of."""

import os
import random

import pytest

from chunkvault.snapshots.content import file_refs
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import back_up, create_small, noise, snapshots_of


@pytest.fixture
def repository():
    return create_small()


def edited(content, seed=1):
    place = random.Random(seed).randrange(len(content) - 10)
    return content[:place] + b"an edit" + content[place + 7 :]


def deltas(repository, path):
    """Of a file's chunks in the newest snapshot: how many are deltas, and all."""
    trees = TreeReader(repository.reader)
    tree = snapshots_of(repository)[-1].snapshot.tree
    node = trees.lookup(tree, os.fsencode(path))
    locations = [
        repository.reader.locate(ref.blob_id)
        for ref in file_refs(repository.reader, node)
    ]
    return sum(one.base is not None for one in locations), len(locations)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "project-1.0" / "src").mkdir(parents=True)
    (folder / "project-1.0" / "src" / "main.c").write_bytes(noise(900, "main"))
    (folder / "dump-2026-11-20.sql").write_bytes(noise(900, "dump"))
    (folder / "a-draft").write_bytes(noise(900, "draft"))
    return folder


def test_a_neighbour_with_a_similar_name_is_the_base(repository, source):
    back_up(repository, source, at=1)
    today = source / "dump-2026-11-21.sql"
    today.write_bytes(edited(noise(900, "dump")))
    back_up(repository, source, at=2)
    assert deltas(repository, today) == (1, 1)


def test_a_file_that_was_renamed_and_changed_has_its_old_self_as_base(
    repository, source
):
    back_up(repository, source, at=1)
    (source / "a-draft").rename(source / "thesis")
    with (source / "thesis").open("r+b") as file:
        file.seek(100)
        file.write(b"in place")
    back_up(repository, source, at=2)
    assert deltas(repository, source / "thesis") == (1, 1)


def test_a_new_version_of_a_folder_is_based_on_the_old_one(repository, source):
    back_up(repository, source, at=1)
    new = source / "project-1.1" / "src"
    new.mkdir(parents=True)
    (new / "main.c").write_bytes(edited(noise(900, "main")))
    back_up(repository, source, at=2)
    assert deltas(repository, new / "main.c") == (1, 1)


def test_a_similar_name_never_makes_a_file_unchanged(repository, source):
    back_up(repository, source, at=1)
    old, new = source / "dump-2026-11-20.sql", source / "dump-2026-11-21.sql"
    os.link(old, new)  # the same inode, size and times
    summary = back_up(repository, source, at=2)
    assert summary.files_new == 1
    assert summary.read_bytes >= 900
