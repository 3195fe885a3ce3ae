"""The trees that are backed up: a folder as given, or the source of Linux 6.1."""

import os
import shutil
import subprocess
from pathlib import Path

LINUX_PACKAGE = "linux-source-6.1"
LINUX_TARBALL = Path("/usr/src/linux-source-6.1.tar.xz")
UNPACKED_BYTES = 2 << 30
SHARED_MEMORY = Path("/dev/shm")


def linux_source(folder: Path) -> Path:
    """The source tree that Debian packages, unpacked into ``folder``."""
    if not LINUX_TARBALL.exists():
        print(f"installing {LINUX_PACKAGE} with apt")
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        subprocess.run(["apt-get", "-qq", "install", "-y", LINUX_PACKAGE], check=True)
    print(f"unpacking {LINUX_TARBALL} into {folder}")
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-C", folder, "-xf", LINUX_TARBALL], check=True)
    return folder / LINUX_PACKAGE


def scratch_parent(given: Path | None) -> Path:
    """Where to work: as given, in memory if there is room, else on the disk."""
    if given is not None:
        return given
    if SHARED_MEMORY.is_dir() and (
        shutil.disk_usage(SHARED_MEMORY).free > 3 * UNPACKED_BYTES
    ):
        return SHARED_MEMORY
    return Path(os.environ.get("TMPDIR", "/var/tmp"))


def read_all(source: Path) -> tuple[int, int]:
    """Read every file once, so that all rounds find the same warm page cache.

    Returns:
        How many files there are, and how many bytes they hold.
    """
    files = total = 0
    for parent, _, names in os.walk(source):
        for name in names:
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                files += 1
                total += _read_through(path)
    return files, total


def _read_through(path: Path) -> int:
    length = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            length += len(piece)
    return length
