"""Whatever is done to files between backups: every version comes back exactly."""

import os
import random
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from chunkvault.backends.memory import MemoryBackend
from tests.support.builders import (
    back_up,
    contents,
    create_small,
    open_small,
    read_back,
    run_check,
    snapshots_of,
)

SOURCE = random.Random(9)
WORDS = [SOURCE.randbytes(3).hex().encode() for _ in range(300)]


def text(source, length):
    """Compressible, and unlike any other."""
    return b" ".join(source.choices(WORDS, k=length // 7 + 1))[:length]


def edited(content, edit, source):
    place = source.randrange(len(content) + 1)
    length = source.choice([1, 10, 300, 3_000])
    new = text(source, length)
    return {
        "insert": content[:place] + new + content[place:],
        "remove": content[:place] + content[place + length :],
        "overwrite": (content[:place] + new)[: len(content)]
        + content[place + length :],
        "append": content + new,
        "truncate": content[:place],
        "replace": text(source, source.choice([0, 500, 20_000])),
        "repeat": content[:20_000] * 2,
        "keep": content,
    }[edit]


EDITS = ["insert", "remove", "overwrite", "append", "truncate", "replace", "repeat"]
MOVES = ["rename", "copy", "delete", "rename directory"]
steps = st.lists(
    st.tuples(st.sampled_from([*EDITS * 2, *MOVES]), st.integers(0, 2**32)),
    min_size=1,
    max_size=4,
)


def move(folder, path, how, source):
    other = path.with_name(f"{path.name}-{source.randrange(3)}")
    if how == "rename directory":
        target = folder / f"folder-{source.randrange(3)}"
        if not target.exists():
            path.parent.rename(target)
    elif how == "delete":
        path.unlink()
    elif how == "copy":
        shutil.copyfile(path, other)
    else:
        path.rename(other)


def change(folder, step):
    """One step of a history: an edit or a move of one file."""
    what, seed = step
    source = random.Random(seed)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if not paths:
        (folder / "folder-0").mkdir(exist_ok=True)
        (folder / "folder-0" / "again").write_bytes(text(source, 5_000))
        return
    path = source.choice(paths)
    if what in MOVES:
        move(folder, path, what, source)
    else:
        path.write_bytes(edited(path.read_bytes(), what, source))


def read_files(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {os.fsencode(path): path.read_bytes() for path in files}


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, min_size=1, max_size=8), st.integers(0, 2**32))
def test_every_version_of_any_history_comes_back(history, seed):
    source = random.Random(seed)
    backend = MemoryBackend()
    versions = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "source"
        (folder / "folder-0").mkdir(parents=True)
        (folder / "folder-0" / "large").write_bytes(text(source, 60_000))
        (folder / "folder-0" / "small").write_bytes(text(source, 700))
        repository = create_small(backend)
        for number, changes in enumerate([[], *history]):
            for step in changes:
                change(folder, step)
            back_up(repository, folder, at=number + 1)
            versions.append(read_files(folder))
        repository = open_small(backend)
        for stored, expected in zip(snapshots_of(repository), versions, strict=True):
            assert contents(read_back(repository, stored)) == expected
    assert run_check(backend).exit_code == 0
