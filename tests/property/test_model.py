"""Change a folder in any way, back up now and then: every version restores.

The model is the plainest one there is: what the folder looked like when each
backup was made.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from chunkvault.backends.memory import MemoryBackend
from tests.support.builders import (
    back_up,
    create_small,
    noise,
    open_small,
    read_tree,
    restore_all,
    run_check,
    snapshots_of,
)

FOLDERS = [b".", b"d", b"d/e", b"d/e/f", b"\xff\n"]
NAMES = [b"a", b"b", b"c", b"d", b"e", b"z\xe9", b"new\nline"]

folders = st.sampled_from(FOLDERS)
names = st.sampled_from(NAMES)
contents = st.one_of(
    st.binary(max_size=40),
    st.builds(noise, st.integers(0, 20_000), st.integers(0, 3)),
    st.builds(bytes, st.integers(1, 30_000)),
)
targets = st.sampled_from([b"a", b"/", b"../x", b"\xfe"])
numbers = st.integers(0, 99)
modes = st.sampled_from([0o644, 0o600, 0o755, 0o444, 0o000, 0o4755, 0o1777])


class Folder(RuleBasedStateMachine):
    """A folder that changes, a repository, and a second folder to restore into."""

    def __init__(self):
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="model-"))
        self.source = self.top / "source"
        self.source.mkdir()
        self.backend = MemoryBackend()
        self.versions = []

    def teardown(self):
        try:
            for number in range(len(self.versions)):
                self.compare(number, self.top / "fresh" / str(number))
            if self.versions:
                checked = run_check(self.backend)
                assert (checked.damage, checked.notes) == ((), ())
        finally:
            shutil.rmtree(self.top)

    def path(self, folder, name):
        return os.path.join(os.fsencode(self.source), folder, name)

    def files(self):
        found = read_tree(self.source)
        return sorted(path for path, one in found.items() if one.kind == "file")

    def some_file(self, number):
        files = self.files()
        if not files:
            return None
        return os.path.join(os.fsencode(self.source), files[number % len(files)])

    @initialize(seed=numbers)
    def create(self, seed):
        create_small(self.backend)
        for number, folder in enumerate(FOLDERS):
            os.makedirs(self.path(folder, b""), exist_ok=True)
            self.write(folder, NAMES[number], noise(90 * seed, number))

    @rule(folder=folders)
    def make_folder(self, folder):
        path = self.path(folder, b"")
        if not lies_below_something_else(path):
            os.makedirs(path, exist_ok=True)

    @rule(folder=folders, name=names, content=contents)
    def write(self, folder, name, content):
        path = self.path(folder, name)
        if os.path.isdir(os.path.dirname(path)) and is_free_or_file(path):
            with open(path, "wb") as file:
                file.write(content)

    @rule(number=numbers, place=numbers, data=st.binary(max_size=9))
    def change(self, number, place, data):
        path = self.some_file(number)
        if path is not None:
            with open(path, "r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(size * place // 100)
                file.write(data)

    @rule(number=numbers, percent=st.integers(0, 150))
    def truncate(self, number, percent):
        path = self.some_file(number)
        if path is not None:
            os.truncate(path, os.path.getsize(path) * percent // 100)

    @rule(folder=folders, name=names)
    def delete(self, folder, name):
        path = self.path(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)

    @rule(folder=folders, name=names, to_folder=folders, to_name=names)
    def rename(self, folder, name, to_folder, to_name):
        old, new = self.path(folder, name), self.path(to_folder, to_name)
        if os.path.lexists(old) and os.path.isdir(os.path.dirname(new)):
            try:
                os.rename(old, new)
            except OSError:
                return  # into itself, or onto a folder that is not empty

    @rule(folder=folders, name=names, to=targets)
    def link(self, folder, name, to):
        path = self.path(folder, name)
        if os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path):
            os.symlink(to, path)

    @rule(number=numbers, folder=folders, name=names)
    def link_hard(self, number, folder, name):
        old, new = self.some_file(number), self.path(folder, name)
        is_free = os.path.isdir(os.path.dirname(new)) and not os.path.lexists(new)
        if old is not None and is_free:
            os.link(old, new)

    @rule(folder=folders, name=names, mode=modes)
    def change_mode(self, folder, name, mode):
        path = self.path(folder, name)
        if os.path.lexists(path) and not os.path.islink(path):
            # Others than root need access to their own files.
            os.chmod(path, mode | (0o700 if os.geteuid() else 0))

    @rule(workers=st.sampled_from([0, 2]))
    def back_up(self, workers):
        self.versions.append(read_tree(self.source))
        at = len(self.versions)
        summary = back_up(open_small(self.backend), self.source, at=at, workers=workers)
        assert (summary.failed, summary.vanished) == (0, 0)

    @precondition(lambda self: self.versions)
    @rule(number=numbers)
    def restore_over_another_version(self, number):
        """Into a folder that holds whatever was restored there before."""
        number %= len(self.versions)
        self.compare(number, self.top / "target", delete=True)

    def compare(self, number, target, **options):
        repository = open_small(self.backend)
        snapshot = snapshots_of(repository)[number]
        summary = restore_all(repository, snapshot, target, **options)
        assert summary.failed == 0
        assert read_tree(target) == self.versions[number]


def lies_below_something_else(path):
    while path not in (b"", b"/"):
        if os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path)):
            return True
        path = os.path.dirname(path)
    return False


def is_free_or_file(path):
    return not os.path.lexists(path) or (
        os.path.isfile(path) and not os.path.islink(path)
    )


TestFolder = Folder.TestCase
TestFolder.settings = settings(max_examples=100, stateful_step_count=30)


class Deep(Folder):
    """The same for hundreds of long histories."""


TestDeep = pytest.mark.slow(Deep.TestCase)
TestDeep.settings = settings(
    max_examples=400, stateful_step_count=70, derandomize=False
)
