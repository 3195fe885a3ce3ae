"""Folders of this machine as a source that changes: real trees, odd objects, edits."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.support.builders import noise, write_tree

__all__ = ["RealTrees", "differences"]

_DOCUMENTS = 120
_EDITS = 40


class RealTrees:
    """A copy of ``/etc`` and of documents, to which something happens step by step.

    Args:
        top: where to make it.
        versions: folders, of which the next takes the place of the last at each step.
    """

    def __init__(self, top: Path, versions: Sequence[Path] = ()) -> None:
        self.top = top
        self._versions = versions

    def begin(self) -> None:
        """The first state."""
        self.top.mkdir(parents=True)
        _copy(Path("/etc"), self.top / "etc")
        documents = sorted(Path("/usr/share/doc").iterdir())[:_DOCUMENTS]
        for folder in documents:
            _copy(folder, self.top / "doc" / folder.name)
        _add_odd_objects(self.top / "odd")
        self._next_version(0)

    def step(self, number: int) -> None:
        """What happens before the state ``number``, from 1."""
        _edit(self.top, random.Random(number))
        happenings: list[Callable[[Path], object]] = [
            _grow, _lose, _swap_kinds, _come_back, lambda top: None,
        ]  # fmt: skip
        happenings[(number - 1) % len(happenings)](self.top)
        self._next_version(number)

    def _next_version(self, number: int) -> None:
        if number < len(self._versions):
            _copy(self._versions[number], self.top / "versions")


def differences(one: Path, other: Path) -> str:
    """What rsync finds to differ, of what duplicity can hold; nothing if equal."""
    # Neither hard links nor attributes nor fractions of seconds, nor times of links.
    command = ["rsync", "-rlptgoDJ", "-nci", "--delete", f"{one}/", f"{other}/"]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode(errors="backslashreplace")


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    command = ["rsync", "-aH", "--delete", f"{source}/", f"{target}/"]
    # 23: what this user may not read stays away.
    assert subprocess.run(command, check=False, capture_output=True).returncode in (
        0,
        23,
    )


def _add_odd_objects(top: Path) -> None:
    deep = "/".join(["a folder with a name of some length"] * 12)
    write_tree(
        top,
        {
            "empty": b"",
            "larger than a volume": noise(3_500_000),
            "d/b": b"in d",
            "d-x/q": b"after d",
            "d.t": b"after d-x",
            "l" * 255: b"long name",
            f"{deep}/end": b"long path",
            os.fsdecode(b"latin-\xe9\xff"): b"no utf-8",
            "two\nlines 'and' \"quotes\" \\": b"n",
            "removed/below/a": b"1",
            "removed/below/b": b"2",
        },
    )
    os.link(top / "d/b", top / "second name")
    os.setxattr(top / "d.t", "user.note", b"x" * 300)
    (top / "link").symlink_to("x" * 150)
    (top / "d.t").chmod(0o4711)
    os.mkfifo(top / "pipe")
    with (top / "sparse").open("wb") as file:
        file.truncate(5_000_000)
        file.seek(2_000_000)
        file.write(b"between holes")
    if os.geteuid() == 0:
        os.mknod(top / "null", 0o20600, os.makedev(1, 3))
        os.mknod(top / "disk", 0o60600, os.makedev(7, 9))
        os.chown(top / "empty", 12345, 54321)


def _files(top: Path) -> list[Path]:
    return sorted(path for path in _walk(top) if not path.is_symlink())


def _walk(top: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(top):
        for name in names:
            if (path := Path(folder, name)).is_file():
                yield path


def _edit(top: Path, draw: random.Random) -> None:
    files = [path for kind in ("etc", "doc") for path in _files(top / kind)]
    for path in draw.sample(files, min(_EDITS, len(files))):
        draw.choice((_insert, _append, _replace, _touch, _rename, _remove))(path, draw)


def _insert(path: Path, draw: random.Random) -> None:
    data = path.read_bytes()
    at = draw.randint(0, len(data))
    path.write_bytes(data[:at] + draw.randbytes(50) + data[at:])


def _append(path: Path, draw: random.Random) -> None:
    with path.open("ab") as file:
        file.write(draw.randbytes(200))


def _replace(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(draw.randint(0, 5000)))


def _touch(path: Path, draw: random.Random) -> None:
    path.chmod(draw.choice((0o600, 0o640, 0o755)))
    second = draw.randint(0, 1_700_000_000)
    os.utime(path, ns=(0, second * 10**9 + 123_456_789))


def _rename(path: Path, draw: random.Random) -> None:
    path.rename(path.with_name(f"renamed {draw.randint(0, 10**9)}"))


def _remove(path: Path, draw: random.Random) -> None:
    del draw
    path.unlink()


def _grow(top: Path) -> None:
    path = top / "odd/larger than a volume"
    data = path.read_bytes()
    path.write_bytes(data[:900_000] + noise(70_000, "more") + data[1_000_000:])
    with (top / "odd/sparse").open("r+b") as file:
        file.seek(4_500_000)
        file.write(b"more")


def _lose(top: Path) -> None:
    shutil.rmtree(top / "odd/removed", ignore_errors=True)
    largest = sorted((top / "doc").iterdir(), key=lambda one: len(list(_walk(one))))
    shutil.rmtree(largest[-1])


def _swap_kinds(top: Path) -> None:
    shutil.rmtree(top / "odd/d")
    (top / "odd/d").write_bytes(b"a file now")
    (top / "odd/d.t").unlink()
    write_tree(top / "odd", {"d.t/x/y": b"a folder now"})
    (top / "odd/link").unlink()
    (top / "odd/link").symlink_to("d")


def _come_back(top: Path) -> None:
    shutil.rmtree(top / "odd")
    _add_odd_objects(top / "odd")
