"""Damage in a part of a large directory hides what is in it, and nothing else."""

import pytest

from chunkvault.errors import DamageError
from chunkvault.operations.diff import diff
from chunkvault.operations.find import find
from tests.support.large_directory import NAMES, LargeDirectory
from tests.support.trees import make_node, take_snapshot

CHANGED = [b"00000", b"01234", b"02500", b"03999", b"04999"]


class Pair(LargeDirectory):
    """Two snapshots: of some names there is another version in the second one."""

    def __init__(self):
        super().__init__()
        for name in CHANGED:
            self.files[b"/data/" + name] = make_node(mode=0o600)
        self.files |= {b"/data/more": make_node(), b"/other/x": make_node()}
        self.second = take_snapshot(self.repository, self.files, at=2)
        _, self.second_parts = self.parts_of(self.second)
        self.told = []

    def tell(self, path, error):
        assert isinstance(error, DamageError)
        self.told.append(path)

    def lose_old(self, name):
        """Lose the part of the first snapshot that has the name; names around it."""
        return self._lose(self.parts, name)

    def lose_new(self, name):
        return self._lose(self.second_parts, name)

    def _lose(self, parts, name):
        [*_, at] = [n for n, part in enumerate(parts) if part.first_name <= name]
        self.reader.lost.add(parts[at].blob_id)
        last = parts[at + 1].first_name if at + 1 < len(parts) else b"x"
        return parts[at].first_name, last

    def differences(self, old, new):
        found = diff(self.repository, old, new, on_damage=self.tell)
        return [(one.path, one.change) for one in found]

    def changes(self):
        return self.differences(self.stored, self.second)

    def found(self, pattern):
        snapshots = [self.stored, self.second]
        matches = find(self.repository, snapshots, pattern, self.tell)
        return [(path, len(holders)) for path, _, holders in matches]


@pytest.fixture
def pair():
    return Pair()


def expected(first, end):
    """The differences but for the names from ``first`` up to ``end``."""
    left = [name for name in CHANGED if not first <= name < end]
    changed = [(b"/data/" + name, "metadata") for name in left]
    came = [(b"/data/more", "added"), (b"/other", "added"), (b"/other/x", "added")]
    return changed + [one for one in came if not first <= one[0][6:] < end]


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("side", ["old", "new"])
def test_diff_says_nothing_of_names_in_a_gap_and_goes_on(pair, name, side):
    whole = pair.changes()
    assert len(whole) == len(CHANGED) + 3
    gap = pair.lose_old(name) if side == "old" else pair.lose_new(name)
    assert pair.changes() == expected(*gap) != whole
    assert pair.told == [b"/data"]


def test_diff_passes_over_a_directory_that_cannot_be_read_at_all(pair):
    pair.reader.lost = {pair.tree}
    assert pair.changes() == [(b"/other", "added"), (b"/other/x", "added")]
    assert pair.told == [b"/data"]
    pair.differences(pair.second, pair.stored)
    assert pair.told == [b"/data"] * 2


def test_diff_with_gaps_in_both_tells_of_both(pair):
    first = pair.lose_old(b"00000")
    second = pair.lose_new(b"04999")
    assert set(pair.changes()) == set(expected(*first)) & set(expected(*second))
    assert pair.told == [b"/data", b"/data"]


def test_find_goes_on_behind_a_gap(pair):
    assert pair.found(b"*") != []
    first, end = pair.lose_old(b"02500")
    names = [name for name in NAMES if name not in CHANGED]
    holders = {b"/data/" + name: 1 if first <= name < end else 2 for name in names}
    found = dict(pair.found(b"*"))
    assert {path: found[path] for path in holders} == holders
    assert found[b"/data/more"] == found[b"/other/x"] == 1
    assert pair.told == [b"/data"]


@pytest.mark.parametrize("operation", ["diff", "find"])
def test_without_anybody_to_tell_damage_is_raised(pair, operation):
    pair.lose_old(b"02500")
    if operation == "diff":
        found = diff(pair.repository, pair.stored, pair.second)
    else:
        found = find(pair.repository, [pair.stored], b"*")
    with pytest.raises(DamageError, match="it is gone"):
        list(found)
