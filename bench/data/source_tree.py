"""Trees of source code: Linux in the versions that apt has, or made from a seed."""

import filecmp
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from bench.data.mail import make_words

__all__ = ["LinuxTree", "MadeTree", "fetch_versions", "make_like", "parse_madison"]

PACKAGE = "linux-source-6.1"
_EDITED_FILES = 0.01
_LINES_EACH = 3


class LinuxTree:
    """One Linux tree that goes through versions; unchanged files stay untouched.

    Attributes:
        file: one that changes with every version.
        versions: what apt had, oldest first.
        notes: what who reads the results must know.
    """

    def __init__(self, folder: Path, cache: Path, wanted: int) -> None:
        self.file = folder / "Makefile"
        self.versions = fetch_versions(cache, wanted)
        self.notes = [f"Linux trees: {', '.join(path.name for path in self.versions)}."]
        self._folder = folder
        self._source = random.Random(17)
        if len(self.versions) < wanted:
            self.notes.append(
                f"apt offers {len(self.versions)} of {wanted} versions of {PACKAGE}: "
                f"the others are made up, {_EDITED_FILES:.0%} of the files edited in "
                f"{_LINES_EACH} places each. These are no real history."
            )

    def advance(self, number: int) -> None:
        """Bring the tree to its next version."""
        if number < len(self.versions):
            make_like(self._folder, self.versions[number])
        else:
            edit_tree(self._source, self._folder)

    def content(self) -> bytes:
        """Of `file`."""
        return self.file.read_bytes()


class MadeTree:
    """Small files of words in nested folders, from a seed; a hundredth is edited.

    Attributes:
        file: one that changes with every version.
        notes: what who reads the results must know.
    """

    def __init__(self, folder: Path, files: int, seed: int = 19) -> None:
        self.file = folder / "Makefile"
        self.notes = [f"The tree of small files is made from a seed: {files:,} files."]
        self._folder = folder
        self._files = files
        self._source = random.Random(seed)

    def advance(self, number: int) -> None:
        """Make the tree, or edit it."""
        if number == 0:
            self._make()
        else:
            edit_tree(self._source, self._folder)
        self.file.write_text(f"VERSION = {number}\n")

    def content(self) -> bytes:
        """Of `file`."""
        return self.file.read_bytes()

    def _make(self) -> None:
        words = make_words(self._source)
        for number in range(self._files):
            folder = self._folder / f"part{number % 7}" / f"topic{number % 91:02}"
            folder.mkdir(parents=True, exist_ok=True)
            lines = max(1, int(self._source.lognormvariate(4.5, 1.2)))
            text = "\n".join(
                " ".join(self._source.choices(words[:900], k=7)) for _ in range(lines)
            )
            (folder / f"file{number:05}.c").write_text(text + "\n")


def edit_tree(source: random.Random, folder: Path) -> None:
    """Change lines in a few of the files of a tree, as a new version does."""
    paths = sorted(
        Path(parent) / name for parent, _, names in os.walk(folder) for name in names
    )
    paths = [path for path in paths if path.is_file() and not path.is_symlink()]
    for path in source.sample(paths, max(1, int(len(paths) * _EDITED_FILES))):
        lines = path.read_bytes().split(b"\n")
        for _ in range(_LINES_EACH):
            place = source.randrange(len(lines))
            lines[place] = b"changed to " + source.randbytes(12).hex().encode()
        path.write_bytes(b"\n".join(lines))


def make_like(folder: Path, wanted: Path) -> None:
    """Make a folder equal to another one; equal files are not touched."""
    folder.mkdir(parents=True, exist_ok=True)
    there, here = set(os.listdir(wanted)), set(os.listdir(folder))
    for name in here - there:
        _remove(folder / name)
    for name in there:
        source, target = wanted / name, folder / name
        if source.is_dir() and not source.is_symlink():
            if name in here and (target.is_symlink() or not target.is_dir()):
                _remove(target)
            make_like(target, source)
        elif not _is_same(source, target):
            _remove(target)
            shutil.copy2(source, target, follow_symlinks=False)


def _is_same(source: Path, target: Path) -> bool:
    if source.is_symlink():
        return target.is_symlink() and source.readlink() == target.readlink()
    if target.is_symlink() or not target.is_file():
        return False
    return filecmp.cmp(source, target, shallow=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def fetch_versions(cache: Path, wanted: int) -> list[Path]:
    """Unpacked trees of the newest versions that apt has, oldest first."""
    done = subprocess.run(
        ["apt-cache", "madison", PACKAGE], capture_output=True, text=True, check=False
    )
    versions = parse_madison(done.stdout)[:wanted]
    trees = [_fetch(cache / "linux", version) for version in reversed(versions)]
    found = [tree for tree in trees if tree is not None]
    if not found:
        raise SystemExit(f"bench: apt could not fetch any version of {PACKAGE}")
    return found


def parse_madison(text: str) -> list[str]:
    """The versions in the output of ``apt-cache madison``, newest first, each once."""
    columns = [line.split("|") for line in text.splitlines()]
    return list(dict.fromkeys(one[1].strip() for one in columns if len(one) == 3))


def _fetch(cache: Path, version: str) -> Path | None:
    """The tree of one version; None if it cannot be had."""
    tree = cache / version
    if tree.exists():
        return tree
    print(f"fetching {PACKAGE} {version} with apt", file=sys.stderr)
    work = cache / "unpacking"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    name = f"{PACKAGE}={version}"
    command = ["apt-get", "-qq", "download", name]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False, cwd=work)
    if done.returncode:
        print(f"apt could not fetch {name}", file=sys.stderr)
        return None
    for package in list(work.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, work], check=True)
        package.unlink()
    [tarball] = (work / "usr" / "src").glob("*.tar.*")
    subprocess.run(["tar", "-C", work, "-xf", tarball], check=True)
    (work / PACKAGE).rename(tree)
    shutil.rmtree(work)
    return tree
