from itertools import pairwise

import pytest

from chunkvault.ids import BlobId, VolumeId
from chunkvault.operations.restore.plan import Plan, PlannedDirectory, PlannedLink
from chunkvault.repository import BlobLocation, FrameLocation
from tests.support.trees import make_node


class Volume:
    """As much of a volume's record as a plan asks for."""

    def __init__(self, name):
        self.volume_id = VolumeId(name)


VOLUME = Volume(b"v")


def location(frame, offset=0, volume=VOLUME, base=None):
    place = FrameLocation(volume, frame, 1000 * frame, 1000, 5000, 1)
    return BlobLocation(place, offset, 10, 10, base)


@pytest.fixture
def plan():
    plan = Plan()
    yield plan
    plan.close()


def add_file(plan, path, *locations):
    number = plan.begin_file()
    for index, found in enumerate(locations):
        plan.add_stored(index * 10, BlobId(b"%032d" % index), found)
    plan.finish_file(path, make_node(path), 0)
    return number


def test_each_frame_comes_once_in_the_order_of_first_use(plan):
    add_file(plan, b"a", location(7), location(2))
    add_file(plan, b"b", location(2, 10), location(7, 10), location(5))
    groups = list(plan.groups())
    assert [group.frame.number for group in groups] == [7, 2, 5]
    found = [[piece.path for piece in group.pieces] for group in groups]
    assert found == [[b"a", b"b"], [b"a", b"b"], [b"b"]]


def test_frames_of_one_number_in_two_volumes_are_two_frames(plan):
    add_file(plan, b"a", location(1), location(1, volume=Volume(b"w")))
    assert len(list(plan.groups())) == 2


def test_pieces_of_a_frame_come_in_the_order_of_its_content(plan):
    for number, offset in enumerate((30, 10, 20, 0)):
        add_file(plan, b"%d" % number, location(1, offset))
    [group] = plan.groups()
    assert [piece.start for piece in group.pieces] == [0, 10, 20, 30]


def test_piece_leads_back_to_its_place_and_node(plan):
    number = add_file(plan, b"a", location(1, 40))
    [group] = plan.groups()
    [piece] = group.pieces
    assert (piece.file, piece.pieces, piece.offset) == (number, 1, 0)
    assert piece.location(group.frame) == location(1, 40)
    assert (piece.delta, piece.body) == (None, None)
    assert piece.node == make_node(b"a")


def test_deltas_are_gathered_first_and_come_with_the_frame_of_their_base(plan):
    plan.begin_file()
    plan.add_stored(0, BlobId(bytes(32)), location(8, 3, base=b"base"), location(1, 40))
    plan.add_stored(9, BlobId(bytes(32)), location(8, 5, base=b"gone"))
    plan.finish_file(b"a", make_node(b"a"), 0)
    [group] = plan.deltas()
    assert group.frame.number == 8
    assert [start for _, start, _ in group.deltas] == [3, 5]
    plan.gather([(group.deltas[0][0], b"the delta")])
    found = {
        (group.frame.number, piece.start, piece.body)
        for group in plan.groups()
        for piece in group.pieces
        if piece.delta is not None
    }
    assert found == {(1, 40, b"the delta"), (8, 5, None)}


def test_node_comes_back_as_it_was(plan):
    node = make_node(
        b"\xff\n",
        inode=2**64 - 1,
        mtime_ns=-(2**63),
        xattrs=((b"user.a", b"\0"),),
        content_list=BlobId(bytes(32)),
    )
    plan.begin_file()
    plan.finish_file(b"p", node, 0)
    [group] = plan.groups()
    assert group.pieces[0].node == node


def test_file_without_content_has_one_piece_of_no_length(plan):
    add_file(plan, b"empty")
    [group] = plan.groups()
    assert group.frame is None
    assert [(piece.path, piece.length) for piece in group.pieces] == [(b"empty", 0)]


def test_file_that_was_not_finished_is_not_planned(plan):
    plan.begin_file()
    plan.add_stored(0, BlobId(bytes(32)), location(1))
    add_file(plan, b"b", location(2))
    assert [group.frame.number for group in plan.groups()] == [2]
    assert (plan.files, plan.new_bytes) == (1, 10)


def test_frame_with_very_many_pieces_comes_in_several_groups(plan):
    for number in range(10_000):
        add_file(plan, b"%d" % number, location(1))
    sizes = [len(group.pieces) for group in plan.groups()]
    assert sum(sizes) == 10_000
    assert all(size >= after for size, after in pairwise(sizes))
    assert max(sizes) < 5_000


def test_second_name_of_an_inode_becomes_a_link(plan):
    node = make_node(inode=2**64 - 1, device=2**64 - 1, links=2)
    assert plan.first_name(node, b"first", 3) is None
    link = plan.first_name(node, b"second", 4)
    assert link == PlannedLink(b"second", b"first", 3)
    plan.add_link(link)
    assert list(plan.links()) == [link]
    assert plan.first_name(node._replace(inode=1), b"other", 5) is None


def test_name_that_could_not_be_made_is_no_first_name(plan):
    node = make_node(inode=7, device=1, links=2)
    assert plan.first_name(node, b"first", 0) is None
    plan.forget_first_name(node)
    assert plan.first_name(node, b"second", 0) is None
    assert plan.first_name(node, b"third", 0) == PlannedLink(b"third", b"second", 0)


def test_directories_come_back_with_content_before_parents(plan):
    node = make_node(b"d")
    for path in (b"", b"d", b"d/e"):
        plan.add_directory(PlannedDirectory(path, BlobId(bytes(32)), True, node))
    plan.add_directory(PlannedDirectory(b"way", None, False, None))
    found = list(plan.directories())
    assert [directory.path for directory in found] == [b"way", b"d/e", b"d", b""]
    assert (found[0].node, found[1].node) == (None, node)
