"""Records of the format, drawn by hypothesis, and fixed keys."""

from hypothesis import strategies as st

from chunkvault.format.content import ChunkRef, encode_refs
from chunkvault.format.node import FIRST_TIME_NS, LAST_TIME_NS, Node
from chunkvault.format.snapshot import Snapshot, Totals
from chunkvault.format.subkeys import derive_keyring

REPOSITORY = bytes(range(32))
KEYRING = derive_keyring((bytes(range(32, 64)),), REPOSITORY)
TWO_EPOCHS = derive_keyring((bytes(range(32, 64)), bytes(range(64, 96))), REPOSITORY)

ids = st.binary(min_size=32, max_size=32).filter(any)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
times = st.integers(FIRST_TIME_NS, LAST_TIME_NS)
texts = st.text(max_size=9)

clean = st.binary(max_size=9).map(lambda data: data.replace(b"\0", b""))
names = (
    st.binary(min_size=1, max_size=255)
    .map(lambda data: data.replace(b"\0", b"0").replace(b"/", b"1"))
    .filter(lambda name: name not in (b".", b".."))
)
refs = st.builds(ChunkRef, st.integers(1, 2**56), ids | st.none())
xattrs = st.dictionaries(names, st.binary(max_size=50), max_size=3).map(
    lambda pairs: tuple(sorted(pairs.items()))
)
nodes = st.builds(
    Node,
    name=names,
    kind=st.integers(1, 6),
    mode=st.integers(0, 0o7777),
    uid=u32,
    gid=u32,
    user=clean,
    group=clean,
    mtime_ns=times,
    ctime_ns=times,
    inode=u64,
    device=u64,
    links=u64,
    size=st.integers(0, 2**63 - 1),
    rdev=u64,
    target=clean,
    xattrs=xattrs,
    content=st.lists(refs, max_size=3).map(encode_refs),
    content_list=ids | st.none(),
    subtree=ids | st.none(),
    flags=u32,
)
directories = st.lists(nodes, max_size=20, unique_by=lambda node: node.name).map(sorted)

snapshots = st.builds(
    Snapshot,
    time_ns=st.integers(0, 2**63 - 1),
    host=texts,
    user=texts,
    paths=st.lists(clean.map(lambda data: b"/" + data), max_size=3).map(tuple),
    tree=ids,
    parent=ids | st.none(),
    tags=st.lists(texts, max_size=3).map(tuple),
    program=texts,
    excludes=st.lists(texts, max_size=3).map(tuple),
    totals=st.builds(Totals, files=u32, directories=u32, others=u32, bytes=u64),
)


def named_node(name, **changes):
    """A node in which only the name and what is given differ from the default."""
    empty = (0, 0, b"", b"", 0, 0, 0, 0, 1, 0, 0, b"", (), b"", None, None, 0)
    return Node(name, 1, 0o644, *empty)._replace(**changes)


class BlobBox:
    """Blobs by their id, in memory; counts what is saved and loaded."""

    def __init__(self):
        self.blobs = {}
        self.saved = []
        self.loaded = []

    def save(self, data):
        blob_id = KEYRING.identify(2, data)
        self.blobs[blob_id] = data
        self.saved.append(blob_id)
        return blob_id

    def load(self, blob_id):
        self.loaded.append(blob_id)
        return self.blobs[blob_id]
