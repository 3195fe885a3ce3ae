"""Trees (chapter 7)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.packing import pack, unpack
from chunkvault.errors import ChunkvaultError, DamageError, FormatError
from chunkvault.format.blob import MAX_BLOB_BYTES
from chunkvault.format.tree import (
    MAX_LEAF_NODES,
    TreeBuilder,
    decode_tree,
    encode_leaf,
    find_node,
    is_node_name,
    iterate_nodes,
)
from tests.support.format_strategies import BlobBox, directories, named_node, names

COUNTS = [0, 1, 100, MAX_LEAF_NODES, MAX_LEAF_NODES + 1, 3000, 5000]


def random_nodes(count, seed=1):
    draw = random.Random(seed)
    drawn = {b"%x" % draw.getrandbits(60) for _ in range(count)}
    return [named_node(name, size=len(name)) for name in sorted(drawn)]


def build(box, nodes):
    builder = TreeBuilder(lambda data, _first_name: box.save(data))
    for node in nodes:
        builder.add(node)
    return builder.finish()


@given(directories)
def test_leaf_comes_back(nodes):
    assert decode_tree(encode_leaf(nodes)) == nodes


@given(directories)
def test_directory_comes_back_and_every_node_is_found(nodes):
    box = BlobBox()
    tree = build(box, nodes)
    assert list(iterate_nodes(tree, box.load)) == nodes
    for node in nodes:
        assert find_node(tree, node.name, box.load) == node


@pytest.mark.parametrize("count", COUNTS)
def test_directory_of_any_size_comes_back(count):
    box, nodes = BlobBox(), random_nodes(count)
    tree = build(box, nodes)
    assert list(iterate_nodes(tree, box.load)) == nodes
    assert len(box.loaded) == len(set(box.loaded)) == len(box.blobs)
    assert (len(box.blobs) == 1) == (count <= MAX_LEAF_NODES)


@pytest.mark.parametrize("count", COUNTS)
def test_equal_directories_are_equal_blobs(count):
    first, second, nodes = BlobBox(), BlobBox(), random_nodes(count)
    assert build(first, nodes) == build(second, list(nodes))
    assert first.blobs == second.blobs


@pytest.mark.parametrize("count", COUNTS)
def test_nodes_are_found_by_name_in_few_reads(count):
    box, nodes = BlobBox(), random_nodes(count)
    tree = build(box, nodes)
    for node in nodes[:: max(1, count // 20)]:
        box.loaded.clear()
        assert find_node(tree, node.name, box.load) == node
        assert len(box.loaded) <= 2
    for name in (b"", b"\1", b"\xff", b"no such name", b"."):
        assert find_node(tree, name, box.load) is None


@pytest.mark.parametrize("place", [0, 2500, 4999])
@pytest.mark.parametrize("edit", ["change", "add", "remove"])
def test_an_edit_of_a_large_directory_changes_few_blobs(place, edit):
    box, nodes = BlobBox(), random_nodes(5000)
    build(box, nodes)
    before = set(box.blobs)
    if edit == "change":
        nodes[place] = nodes[place]._replace(size=1)
    elif edit == "add":
        nodes.insert(place, named_node(nodes[place].name[:-1] + b"\1"))
        nodes.sort()
    else:
        del nodes[place]
    build(box, nodes)
    assert len(before) > 10
    assert len(set(box.blobs) - before) <= 4


def test_names_that_never_cut_are_cut_by_number():
    box = BlobBox()
    nodes = random_nodes(9000)
    uncut = [node for node in nodes if not cuts(node.name)][:8600]
    tree = build(box, uncut)
    assert list(iterate_nodes(tree, box.load)) == uncut
    assert 3 <= len(box.blobs) <= 5


def cuts(name):
    from chunkvault.codec.hashing import content_hash

    return content_hash(name)[0] == 0


def test_names_that_always_cut_make_trees_of_trees_of_trees():
    draw = random.Random(3)
    drawn = (b"%x" % draw.getrandbits(60) for _ in range(400_000))
    nodes = [named_node(name) for name in sorted(filter(cuts, drawn))]
    box = BlobBox()
    tree = build(box, nodes)
    assert len(nodes) > MAX_LEAF_NODES
    assert list(iterate_nodes(tree, box.load)) == nodes
    assert find_node(tree, nodes[700].name, box.load) == nodes[700]


def test_nodes_with_large_attributes_still_fit_into_blobs():
    box = BlobBox()
    value = ((b"user.large", bytes(64_000)),)
    nodes = [node._replace(xattrs=value) for node in random_nodes(600)]
    tree = build(box, nodes)
    assert max(map(len, box.blobs.values())) < MAX_BLOB_BYTES / 2
    assert list(iterate_nodes(tree, box.load)) == nodes


def test_columns_that_say_nothing_are_left_out():
    nodes = [named_node(b"a", uid=7, size=1), named_node(b"b", uid=7, size=2)]
    _, _, columns = unpack(encode_leaf(nodes))
    assert columns == {"name": [b"a", b"b"], "uid": [7], "size": [1, 2]}


@given(st.binary(max_size=9) | names)
def test_tree_takes_exactly_the_names_that_are_node_names(name):
    data = pack([1, 1, {"name": [name]}])
    if is_node_name(name):
        assert decode_tree(data)[0].name == name
    else:
        with pytest.raises(FormatError):
            decode_tree(data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_tree(data):
    with pytest.raises(ChunkvaultError):
        decode_tree(data)


@given(directories.filter(bool), st.data())
def test_mutated_tree_is_a_tree_or_refused(nodes, data):
    mutated = bytearray(encode_leaf(nodes))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        mutated[place] = data.draw(st.integers(0, 255))
    try:
        found = decode_tree(bytes(mutated))
    except FormatError:
        return
    assert all(is_node_name(node.name) for node in found)
    assert [node.name for node in found] == sorted({node.name for node in found})


scalars = st.none() | st.integers() | st.binary(max_size=9) | st.text(max_size=9)
columns = st.dictionaries(
    st.sampled_from(named_node(b"a")._fields),
    st.lists(scalars | st.lists(scalars, max_size=2), max_size=3) | scalars,
)


@given(st.integers(-1, 3), columns)
def test_columns_of_anything_are_nodes_or_refused(count, fields):
    try:
        data = pack([1, count, fields])
    except OverflowError:
        return
    try:
        found = decode_tree(data)
    except FormatError:
        return
    assert decode_tree(encode_leaf(found)) == found


def test_trees_that_contain_each_other_are_refused():
    inner = pack([2, [[b"a", b"x" * 32]]])
    with pytest.raises(DamageError, match="deep"):
        list(iterate_nodes(b"x" * 32, lambda _: inner))
    with pytest.raises(DamageError, match="deep"):
        find_node(b"x" * 32, b"b", lambda _: inner)


def test_parts_that_overlap_are_refused():
    leaf = encode_leaf([named_node(b"a"), named_node(b"z")])
    inner = pack([2, [[b"a", b"1" * 32], [b"m", b"2" * 32]]])
    load = {b"i" * 32: inner, b"1" * 32: leaf, b"2" * 32: leaf}.get
    with pytest.raises(DamageError, match="order"):
        list(iterate_nodes(b"i" * 32, load))
