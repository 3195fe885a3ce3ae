"""A folder with all that archives find difficult, and how it changes."""

import os
import random
import shutil
import stat

from tests.support.builders import read_tree

__all__ = ["T0", "Source", "look"]

T0 = 1_700_000_000


class Source:
    """A folder with all that is difficult, and how it changes."""

    def __init__(self, top):
        self.top = top
        self.chance = random.Random(1)
        self.big = self.chance.randbytes(1_500_000)
        self._writes = 0

    def write(self, name, data):
        path = os.path.join(os.fsencode(self.top), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        # To duplicity a file that was written twice in a second has not changed.
        self._writes += 1
        os.utime(path, (T0 + self._writes, T0 + self._writes))
        return path

    def remove(self, name):
        path = self.top / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def begin(self):
        self.write(b"a/x", b"hello")
        self.write(b"a/empty", b"")
        self.write(b"big", self.big)
        self.write(b"exactly", bytes(65536))
        self.write(b"latin\xe9\xff", b"not UTF-8")
        self.write("umläut ☃".encode(), b"UTF-8")
        self.write(b'new\nline "quotes" \\ ', b"strange")
        self.write(b"L" * 200 + b"/" + b"M" * 220, b"long")
        for name in (b"d/b", b"d-x/q", b"d.t", b"gone/1/2", b"tofile/1/2", b"todir"):
            self.write(name, name)
        os.symlink("target/x", self.top / "link")
        os.symlink("L" * 150, self.top / "long link")
        os.mkfifo(self.top / "fifo")
        os.mkdir(self.top / "nothing", 0o1700)
        os.chmod(self.top / "a/x", 0o4755)
        if os.geteuid() == 0:
            os.mknod(self.top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            os.lchown(self.top / "d.t", 1234, 3_000_000)

    def change(self):
        self.big = (
            self.big[:9000] + b"more" + self.big[9000:700_000] + self.big[700_100:]
        )
        self.write(b"big", self.big)
        self.write(b"a/x", b"hello again" * 9000)
        for name in ("gone", "tofile", "todir"):
            self.remove(name)
        self.write(b"tofile", b"a file now")
        self.write(b"todir/in/side", b"a folder now")
        self.remove("link")
        os.symlink("elsewhere", self.top / "link")

    def touch(self):
        os.chmod(self.top / "a/empty", 0o600)
        os.utime(self.top / "d", (T0, T0))

    def rest(self):
        """Nothing changes."""

    def grow(self):
        self.big += self.chance.randbytes(70_000)
        self.write(b"big", self.big)
        self.write(b"a/x", b"short")

    steps = (begin, change, touch, rest, grow)


def look(top):
    """What there is, as far as duplicity can keep it."""
    found = {}
    for path, entry in read_tree(top).items():
        status = os.lstat(os.path.join(os.fsencode(top), path))
        seconds = 0 if entry.kind == "link" else entry.mtime_ns // 10**9
        owner = (status.st_uid, status.st_gid, status.st_rdev)
        found[path] = (entry.kind, entry.mode, seconds, entry.content, *owner)
    return found
