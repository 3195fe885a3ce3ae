"""A directory of so many entries that its tree has parts, of which some get lost."""

from chunkvault.errors import DamageError
from chunkvault.format.tree import ChildTree, decode_tree
from chunkvault.ids import BlobId
from chunkvault.repository import Repository
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.trees import make_node, new_repository, take_snapshot

__all__ = ["NAMES", "Lacking", "LargeDirectory", "spoil_tree"]

NAMES = [b"%05d" % number for number in range(5_000)]


class Lacking:
    """A reader that does not find some blobs."""

    def __init__(self, reader) -> None:
        self._reader = reader
        self.lost = set()

    def __getattr__(self, name):
        return getattr(self._reader, name)

    def load(self, kind, blob_id):
        """As the reader does, but for what is lost."""
        if blob_id in self.lost:
            raise DamageError("it is gone", object_name="trees/x")
        return self._reader.load(kind, blob_id)


class LargeDirectory:
    """``/data`` with a file for each of `NAMES`.

    Attributes:
        files: its entries by path, to make other snapshots of.
        parts: the first names and ids of its parts.
        trees: a reader that remembers nothing yet.
    """

    def __init__(self, repository: Repository | None = None) -> None:
        self.repository = repository or new_repository()
        self.files = {b"/data/" + name: make_node() for name in NAMES}
        self.stored = take_snapshot(self.repository, self.files)
        self.repository.reader = self.reader = Lacking(self.repository.reader)
        self.tree, self.parts = self.parts_of(self.stored)
        self.trees = TreeReader(self.reader)

    def parts_of(self, stored) -> tuple[BlobId, list[ChildTree]]:
        """The tree of ``/data`` in a snapshot, and what it is made of."""
        trees = TreeReader(self.reader)
        tree = trees.lookup(stored.snapshot.tree, b"/data").subtree
        return tree, decode_tree(trees.load(tree))

    def lose(self, *numbers: int) -> list[bytes]:
        """Lose parts; the names that are left."""
        self.reader.lost = {self.parts[number].blob_id for number in numbers}
        left = []
        bounds = [part.first_name for part in self.parts] + [b"x"]
        kept = set(range(len(self.parts))) - {n % len(self.parts) for n in numbers}
        for number in sorted(kept):
            first, end = bounds[number], bounds[number + 1]
            left += [name for name in NAMES if first <= name < end]
        return left


def spoil_tree(repository: Repository, tree: BlobId) -> str:
    """Change a byte of the frame that holds a tree; the name of the object."""
    frame = repository.reader.locate(tree).frame
    data = bytearray(repository.backend.get(frame.object_name))
    data[frame.offset + 5] ^= 1
    repository.backend.delete(frame.object_name)
    repository.backend.put(frame.object_name, bytes(data))
    return frame.object_name
