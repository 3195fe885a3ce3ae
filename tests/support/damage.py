"""A repository to be damaged, and what each of its files needs."""

from pathlib import Path
from typing import NamedTuple

from chunkvault.backends.base import ObjectInfo
from chunkvault.backends.memory import MemoryBackend
from chunkvault.format import names
from chunkvault.format.blob import PREFIX_BYTES
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.repository.directories import list_volumes, read_directory
from chunkvault.snapshots.content import file_refs
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import (
    CHEAP,
    PASSWORD,
    back_up,
    contents,
    create_small,
    noise,
    objects_of,
    open_small,
    read_back,
    snapshots_of,
    write_tree,
)

__all__ = ["FOLDERS", "Original", "build_original", "damaged"]

FOLDERS = {
    "config": "config",
    "key slot": names.KEYS,
    "chunk volume": "chunks/",
    "tree volume": "trees/",
    "index run": names.INDEX,
    "snapshot": names.SNAPSHOTS,
}


class Original(NamedTuple):
    """A repository that is whole, and what it holds.

    Attributes:
        objects: of the repository.
        foreign: of another one with the same key and the same files.
        source: the tree as it was when the newest snapshot was taken.
        files: content by snapshot (oldest first) and absolute path.
        needs: names of the volumes that a file needs, by snapshot and path.
    """

    objects: dict[str, bytes]
    foreign: dict[str, bytes]
    source: Path
    files: list[dict[bytes, bytes]]
    needs: list[dict[bytes, set[str]]]

    def of_kind(self, kind: str, *, foreign: bool = False) -> list[str]:
        """Names of the objects of a kind."""
        objects = self.foreign if foreign else self.objects
        return sorted(name for name in objects if name.startswith(FOLDERS[kind]))


def _fill(source: Path) -> Repository:
    repository = create_small()
    repository.add_slot(PASSWORD, "", 0, CHEAP)
    files = {f"a/{n:02}": noise(800 + 200 * n, n) for n in range(12)}
    files |= {f"b/{n}/text": b"line %d\n" % n * 40 for n in range(8)}
    files["large"] = noise(60_000, "large")
    write_tree(source, files)
    back_up(repository, source, at=1)
    write_tree(source, {f"c/{n}": noise(2_000, f"c{n}") for n in range(8)})
    write_tree(source, {"a/03": noise(1_000, "new"), "b/1/text": b"new"})
    back_up(repository, source, at=2)
    return repository


def build_original(top: Path) -> Original:
    """Build it, and a foreign one beside it."""
    repository = _fill(top / "source")
    foreign = _fill(top / "foreign")
    again = open_small(repository.backend)
    return Original(
        objects_of(repository.backend),
        objects_of(foreign.backend),
        top / "source",
        [contents(read_back(again, one)) for one in snapshots_of(again)],
        [_needs(again, one) for one in snapshots_of(again)],
    )


def _needs(repository: Repository, stored: StoredSnapshot) -> dict[bytes, set[str]]:
    """The volumes on the way to each file, and those of its content."""
    places: dict[bytes, set[str]] = {}
    bases: dict[bytes, bytes] = {}
    by_prefix: dict[bytes, str] = {}
    for name, size in list_volumes(repository.backend).items():
        info = ObjectInfo(name, size)
        _, blobs = read_directory(repository.backend, repository._keyring, info)
        places |= {blob.prefix: {name} for blob in blobs}
        bases |= {blob.prefix: blob.base for blob in blobs if blob.base}
        by_prefix |= {blob.prefix: name for blob in blobs}
    for prefix, base in bases.items():
        places[prefix].add(by_prefix[base])
    loaded: list[str] = []

    class Reader(TreeReader):
        def load(self, blob_id: BlobId) -> bytes:
            loaded.extend(places[blob_id[:PREFIX_BYTES]])
            return super().load(blob_id)

    needs = {}
    for path, node in TreeReader(repository.reader).walk(stored.snapshot.tree):
        if node.size:
            loaded.clear()
            Reader(repository.reader).lookup(stored.snapshot.tree, path)
            refs = file_refs(repository.reader, node)
            chunks = {
                name
                for ref in refs
                if ref.blob_id
                for name in places[ref.blob_id[:PREFIX_BYTES]]
            }
            lists: set[str] = set()
            if node.content_list is not None:
                lists = {
                    name for name in by_prefix.values() if name.startswith("trees/")
                }
            needs[path] = {*loaded, *chunks, *lists}
    return needs


def damaged(original: Original, changes: dict[str, bytes | None]) -> MemoryBackend:
    """A backend on which some objects have other bytes; None for no object."""
    objects = original.objects | changes
    return MemoryBackend({n: data for n, data in objects.items() if data is not None})
