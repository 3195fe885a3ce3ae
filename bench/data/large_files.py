"""Large files of every kind: media, archives, a file system image, logs."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.data.mail import make_words

__all__ = ["make_large_files"]

_PIECE = 4 << 20
_SMALLEST_IMAGE = 8 << 20
_BLOCK = 4096
_MOST_FILES = 20_000
_UUID = "5eed0000-0000-4000-8000-000000000001"


def make_large_files(folder: Path, total_bytes: int, tree: Path) -> None:
    """Fill a folder; made from a seed and, for the image and archive, from a tree.

    Two fifths are incompressible media, a fifth each a compressed archive cut to
    size, an ext4 image that a tree was copied into, and logs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    share = total_bytes // 5
    source = random.Random(23)
    for number in range(4):
        _write_noise(source, folder / f"film-{number}.mkv", share // 2)
    _write_archive(folder / "archive.tar.zst", tree, share)
    _write_image(folder / "disk.ext4", tree, max(share, _SMALLEST_IMAGE))
    _write_log(source, folder / "server.log", share)


def _write_noise(source: random.Random, path: Path, length: int) -> None:
    with path.open("wb") as file:
        while length > 0:
            file.write(source.randbytes(min(length, _PIECE)))
            length -= _PIECE


def _write_archive(path: Path, tree: Path, length: int) -> None:
    """An archive as it comes; of a small tree it is smaller than asked for."""
    words = f"tar -C '{tree}' -c . | zstd -q -3 | head -c {length} > '{path}'"
    subprocess.run(["sh", "-c", words], check=True)


def _write_image(path: Path, tree: Path, length: int) -> None:
    """A file system with as much of the tree as fits into two thirds of it."""
    chosen = path.with_suffix(".tree")
    chosen.mkdir()
    for name, content in _some_files(tree, length * 2 // 3):
        (chosen / name).write_bytes(content)
    with path.open("wb") as image:
        image.truncate(length)
    command = ["mkfs.ext4", "-q", "-F", "-U", _UUID, "-E", f"hash_seed={_UUID}"]
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run([*command, "-d", chosen, path], check=True, env=environment)
    shutil.rmtree(chosen)


def _some_files(tree: Path, length: int) -> Iterator[tuple[str, bytes]]:
    """Files of a tree, up to a number and to a length that they occupy in blocks."""
    paths = (path for path in sorted(tree.rglob("*")) if path.is_file())
    for number, path in enumerate(paths):
        content = b"" if path.is_symlink() else path.read_bytes()
        length -= max(len(content), _BLOCK)
        if length < 0 or number == _MOST_FILES:
            return
        yield f"{number:06}-{path.name}", content


def _write_log(source: random.Random, path: Path, length: int) -> None:
    words = make_words(source)
    written = 0
    with path.open("wb") as file:
        while written < length:
            lines = [
                f"2020-01-01T00:00:{number % 60:02} host daemon[{number}]: "
                + " ".join(source.choices(words, k=8))
                for number in range(10_000)
            ]
            written += file.write("\n".join(lines).encode())
