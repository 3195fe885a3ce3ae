"""Archives made wrong on purpose, and right in all that the mistake does not touch."""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from chunkvault.duplicity.tar_writer import end_of_archive

__all__ = [
    "Member",
    "edit_manifest",
    "one_file",
    "rewrite_signatures",
    "rewrite_volume",
]


class Member(NamedTuple):
    """A member of a tar: its whole name, and all of its blocks as they were."""

    name: str
    blocks: bytes

    @property
    def path(self) -> str:
        """Without ``snapshot/`` and the like; the root is empty."""
        path = self.name.partition("/")[2].rstrip("/")
        return "" if path == "." else path


Change = Callable[[list[Member]], list[Member]]


def one_file(archive: Path, part: str) -> Path:
    """The file of a plain archive that has this in its name."""
    [path] = [path for path in archive.iterdir() if part in path.name]
    return path


def rewrite_volume(archive: Path, set_name: str, change: Change) -> None:
    """Change the members of a set's only volume, and its hash in the manifest."""
    path = one_file(archive, f"{set_name}.vol1.")
    old = _sha1(path)
    _rewrite(path, change)
    edit_manifest(archive, set_name, old, _sha1(path))


def rewrite_signatures(archive: Path, set_name: str, change: Change) -> None:
    """Change the members of a set's signatures."""
    _rewrite(one_file(archive, f"{set_name}.sigtar"), change)


def edit_manifest(archive: Path, set_name: str, old: str, new: str) -> None:
    """Replace what a pattern finds in a manifest, which must be there once at least."""
    path = one_file(archive, f"{set_name}.manifest")
    text, count = re.subn(old.encode(), new.encode(), path.read_bytes())
    assert count, f"no {old} in {path.name}"
    path.write_bytes(text)


def _rewrite(path: Path, change: Change) -> None:
    members = change(_members(path.read_bytes()))
    data = b"".join(one.blocks for one in members)
    path.write_bytes(data + end_of_archive(len(data)))


def _members(data: bytes) -> list[Member]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        found = list(archive)
    starts = [info.offset for info in found]
    ends = [*starts[1:], archive.offset]
    return [
        Member(info.name, data[start:end])
        for info, start, end in zip(found, starts, ends, strict=True)
    ]


def _sha1(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
