from dataclasses import replace

import pytest

from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.errors import DamageError, SnapshotNotFound, UsageError
from chunkvault.format.names import snapshot_name
from chunkvault.ids import SnapshotId
from chunkvault.snapshots.catalog import Catalog, SnapshotQuery
from tests.support.trees import SECOND, new_repository, take_snapshot


@pytest.fixture
def repository():
    return new_repository()


def take_series(repository, count=4, **options):
    return [
        take_snapshot(repository, {}, at=at, **options) for at in range(1, count + 1)
    ]


def damage(repository, stored):
    data = repository.backend.get(stored.object_name)
    repository.backend.delete(stored.object_name)
    repository.backend.put(stored.object_name, data[:-1] + bytes([data[-1] ^ 1]))


def test_all_gives_every_snapshot_oldest_first(repository):
    newer = take_snapshot(repository, {}, at=9)
    older = take_snapshot(repository, {}, at=2)
    assert Catalog(repository).all() == [older, newer]


def test_all_filters_by_host_tags_paths_and_date(repository):
    plain = take_snapshot(repository, {}, at=1)
    tagged = take_snapshot(repository, {}, at=2, tags=("a", "b"))
    other_host = take_snapshot(repository, {}, at=3, host="other", tags=("a",))
    other_path = take_snapshot(repository, {}, at=4, paths=(b"/x", b"/y"))
    catalog = Catalog(repository)
    assert catalog.all(SnapshotQuery(host="other")) == [other_host]
    assert catalog.all(SnapshotQuery(tags=("a",))) == [tagged, other_host]
    assert catalog.all(SnapshotQuery(tags=("a", "b"))) == [tagged]
    assert catalog.all(SnapshotQuery(paths=(b"/y", b"/x"))) == [other_path]
    assert catalog.all(SnapshotQuery(at_ns=2 * SECOND)) == [plain, tagged]
    assert catalog.all(SnapshotQuery(holding=b"/x/deep")) == [other_path]


def test_find_without_wishes_gives_the_newest(repository):
    newest = take_series(repository)[-1]
    assert Catalog(repository).find() == newest


def test_find_latest_with_steps_goes_back(repository):
    series = take_series(repository)
    catalog = Catalog(repository)
    assert catalog.find(SnapshotQuery(snapshot="latest")) == series[3]
    assert catalog.find(SnapshotQuery(snapshot="latest~0")) == series[3]
    assert catalog.find(SnapshotQuery(snapshot="latest~3")) == series[0]


def test_find_latest_with_too_many_steps_is_not_found(repository):
    take_series(repository)
    with pytest.raises(SnapshotNotFound, match="not enough snapshots for latest~4"):
        Catalog(repository).find(SnapshotQuery(snapshot="latest~4"))


def test_find_steps_back_count_only_what_fits(repository):
    ours = take_series(repository, host="ours")
    take_snapshot(repository, {}, at=8, host="theirs")
    found = Catalog(repository).find(SnapshotQuery(snapshot="latest~1", host="ours"))
    assert found == ours[2]


@pytest.mark.parametrize("word", ["latest~", "latest~x", "latest~-1", "latest~²"])
def test_find_refuses_steps_that_are_no_number(repository, word):
    take_series(repository)
    with pytest.raises(UsageError, match="names no snapshot"):
        Catalog(repository).find(SnapshotQuery(snapshot=word))


@pytest.mark.parametrize("word", ["abc", "yesterday", "0x12"])
def test_find_refuses_what_is_no_id(repository, word):
    take_series(repository)
    with pytest.raises(UsageError, match="names no snapshot") as caught:
        Catalog(repository).find(SnapshotQuery(snapshot=word))
    assert "4 hex digits" in caught.value.hint


def test_find_takes_the_beginning_of_an_id(repository):
    series = take_series(repository)
    digits = series[1].snapshot_id.hex()
    catalog = Catalog(repository)
    assert catalog.find(SnapshotQuery(snapshot=digits)) == series[1]
    assert catalog.find(SnapshotQuery(snapshot=digits[:8].upper())) == series[1]


def test_find_lists_the_candidates_of_an_ambiguous_id(repository):
    for last in (1, 2):
        name = snapshot_name(
            last * SECOND, bytes(8), SnapshotId(bytes(31) + bytes([last]))
        )
        repository.backend.put(name, b"never read")
    with pytest.raises(UsageError, match="several snapshots") as caught:
        Catalog(repository).find(SnapshotQuery(snapshot="0000"))
    assert "1970-01-01 00:00:02 UTC" in str(caught.value)


def test_find_says_that_no_snapshot_has_an_id(repository):
    take_snapshot(repository, {})
    with pytest.raises(SnapshotNotFound, match="no snapshot 00000000"):
        Catalog(repository).find(SnapshotQuery(snapshot="00000000"))


def test_find_at_a_time_gives_the_newest_not_after_it(repository):
    series = take_series(repository)
    catalog = Catalog(repository)
    assert catalog.find(SnapshotQuery(at_ns=3 * SECOND)) == series[2]
    assert catalog.find(SnapshotQuery(at_ns=3 * SECOND - 1)) == series[1]


def test_find_before_the_first_snapshot_names_its_time(repository):
    take_snapshot(repository, {}, at=86_400, host="a")
    take_snapshot(repository, {}, at=2 * 86_400, host="b")
    catalog = Catalog(repository)
    with pytest.raises(SnapshotNotFound, match="1970-01-02 00:00:00 UTC"):
        catalog.find(SnapshotQuery(at_ns=1))
    with pytest.raises(SnapshotNotFound, match="1970-01-03 00:00:00 UTC"):
        catalog.find(SnapshotQuery(at_ns=1, host="b"))


def test_find_in_an_empty_repository_says_how_to_begin(repository):
    with pytest.raises(SnapshotNotFound) as caught:
        Catalog(repository).find()
    assert "chunkvault backup" in caught.value.hint


def test_find_names_the_filter_that_nothing_fits(repository):
    take_snapshot(repository, {})
    query = SnapshotQuery(host="nowhere", tags=("t",), holding=b"/p")
    with pytest.raises(SnapshotNotFound, match="host nowhere, tag t, path /p"):
        Catalog(repository).find(query)


def test_find_passes_over_damage_and_keeps_it(repository):
    series = take_series(repository)
    damage(repository, series[3])
    catalog = Catalog(repository)
    assert catalog.find() == series[2]
    assert [error.object_name for error in catalog.damaged] == [series[3].object_name]
    assert catalog.all() == series[:3]
    assert len(catalog.damaged) == 1


def test_find_by_id_does_not_pass_over_damage(repository):
    stored = take_series(repository)[2]
    damage(repository, stored)
    with pytest.raises(DamageError) as caught:
        Catalog(repository).find(SnapshotQuery(snapshot=stored.snapshot_id.hex()))
    assert caught.value.object_name == stored.object_name


def test_find_says_that_all_are_damaged(repository):
    damage(repository, take_snapshot(repository, {}))
    with pytest.raises(SnapshotNotFound, match="every snapshot is damaged"):
        Catalog(repository).find()


@pytest.mark.parametrize(
    "query",
    [
        SnapshotQuery(),
        SnapshotQuery(at_ns=20 * SECOND),
        SnapshotQuery(snapshot="latest~17"),
        SnapshotQuery(host="host", paths=(b"/data",), at_ns=9 * SECOND),
    ],
)
def test_find_costs_one_listing_and_one_read(query):
    backend = CountingBackend(MemoryBackend())
    repository = new_repository(backend)
    take_series(repository, 40)
    take_snapshot(repository, {}, at=50, host="later")
    before = replace(backend.counts)
    Catalog(repository).find(query)
    after = backend.counts
    assert (after.lists - before.lists, after.gets - before.gets) == (1, 1)


def test_snapshots_are_listed_once_however_many_are_looked_for():
    backend = CountingBackend(MemoryBackend())
    repository = new_repository(backend)
    take_series(repository)
    before = backend.counts.lists
    catalog = Catalog(repository)
    for word in ("latest", "latest~1"):
        catalog.find(SnapshotQuery(snapshot=word))
    catalog.all()
    assert backend.counts.lists - before == 1


def test_find_reads_one_of_each_set_that_does_not_fit():
    backend = CountingBackend(MemoryBackend())
    repository = new_repository(backend)
    wanted = take_snapshot(repository, {}, at=1, paths=(b"/wanted",))
    for at in range(2, 30):
        take_snapshot(repository, {}, at=at, paths=(b"/other",))
    before = backend.counts.gets
    assert Catalog(repository).find(SnapshotQuery(holding=b"/wanted/file")) == wanted
    assert backend.counts.gets - before == 2


def test_parent_is_the_newest_of_the_same_host_and_paths(repository):
    ours = take_series(repository)
    take_snapshot(repository, {}, at=8, host="other")
    take_snapshot(repository, {}, at=9, paths=(b"/data", b"/more"))
    catalog = Catalog(repository)
    assert catalog.parent_for("host", [b"/data"]) == ours[3]
    assert catalog.parent_for("host", [b"/elsewhere"]) is None
    damage(repository, ours[3])
    assert catalog.parent_for("host", [b"/data"]) == ours[2]
