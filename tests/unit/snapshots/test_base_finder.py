"""Which old chunk stands for a new one as the base of a delta."""

from hypothesis import given
from hypothesis import strategies as st

from chunkvault.errors import FormatError
from chunkvault.format.content import ChunkRef, ListRef
from chunkvault.snapshots.base_finder import BaseFinder


def chunk(number):
    return number.to_bytes(32, "big")


def finder(*lengths):
    refs = [ChunkRef(length, chunk(n)) for n, length in enumerate(lengths, 1)]
    return BaseFinder(lambda _note: iter(refs))


def test_the_base_is_the_chunk_that_covered_the_place():
    bases = finder(10, 20, 30)
    assert [bases.find(at) for at in (0, 9, 10, 29, 30, 59)] == [
        chunk(n) for n in (1, 1, 2, 2, 3, 3)
    ]
    assert bases.find(60) is None


def test_after_an_insertion_the_distance_is_found_again_by_a_known_chunk():
    bases = finder(10, 20, 30, 40)
    assert bases.find(0) == chunk(1)  # longer by 5 bytes now
    bases.saved(15, chunk(2))
    assert bases.find(35) == chunk(3)


def test_a_hole_is_no_base():
    refs = [ChunkRef(100, None), ChunkRef(10, chunk(1))]
    bases = BaseFinder(lambda _note: iter(refs))
    assert bases.find(50) is None
    assert bases.find(100) == chunk(1)


def test_an_old_version_that_cannot_be_read_gives_no_bases():
    def broken(_note):
        yield ChunkRef(10, chunk(1))
        raise FormatError("a content list is broken")

    bases = BaseFinder(broken)
    assert bases.find(0) in (chunk(1), None)
    assert bases.find(10) is None


def test_the_base_is_the_chunk_that_shares_most_with_the_new_one():
    assert finder(10, 20, 30).find(8, 20) == chunk(2)
    assert finder(10, 20, 30).find(0, 60) == chunk(3)


def test_a_content_list_is_based_on_the_one_of_about_the_same_range():
    def refs(note):
        note(ListRef(400, chunk(90), is_leaf=False))
        for number in range(4):
            note(ListRef(100, chunk(91 + number), is_leaf=True))
            yield from [ChunkRef(10, chunk(10 * number + n)) for n in range(10)]

    bases = BaseFinder(refs)
    assert bases.find_list(0, 100, is_leaf=True) is None
    bases.find(0)
    assert bases.find_list(0, 90, is_leaf=True) == chunk(91)
    assert bases.find_list(90, 120, is_leaf=True) == chunk(92)
    assert bases.find_list(0, 410, is_leaf=False) == chunk(90)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=2_000))
def test_in_step_every_place_finds_its_chunk_and_few_are_held(lengths):
    bases = finder(*lengths)
    offset = 0
    for number, length in enumerate(lengths, 1):
        assert bases.find(offset) == chunk(number)
        bases.saved(offset, chunk(number))
        offset += length
        assert len(bases._window) <= 256 + 1
