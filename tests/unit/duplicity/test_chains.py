"""From file names to sets and chains, whole and broken."""

from chunkvault.duplicity.chains import sort_files
from chunkvault.duplicity.names import FileKind, FileName, make_name

T = 1_700_000_000


def files(start, end, *, volumes=1, manifest=True, signatures=True):
    """The names of one set's files."""
    names = [
        make_name(FileName(FileKind.VOLUME, start, end, number + 1))
        for number in range(volumes)
    ]
    if manifest:
        names.append(make_name(FileName(FileKind.MANIFEST, start, end)))
    if signatures:
        names.append(make_name(FileName(FileKind.SIGNATURES, start, end)))
    return names


def times(chain):
    return [(one.start, one.end) for one in chain.sets]


def test_increments_follow_the_set_whose_time_they_start_at():
    listing = sort_files(
        [
            *files(T + 2, T + 3),
            *files(None, T),
            *files(T, T + 2, volumes=3),
            *files(None, T + 9),
        ]
    )
    assert [times(chain) for chain in listing.chains] == [
        [(None, T), (T, T + 2), (T + 2, T + 3)],
        [(None, T + 9)],
    ]
    assert sorted(listing.chains[0].sets[1].volumes) == [1, 2, 3]
    assert listing.newest is listing.chains[1]
    assert (listing.chains[0].start, listing.chains[0].end) == (T, T + 3)


def test_increment_that_is_off_by_a_second_is_orphaned():
    listing = sort_files([*files(None, T), *files(T + 1, T + 2)])
    assert [(one.start, one.end) for one in listing.orphaned] == [(T + 1, T + 2)]


def test_set_without_manifest_is_incomplete():
    listing = sort_files([*files(None, T), *files(T, T + 1, manifest=False)])
    assert [one.end for one in listing.incomplete] == [T + 1]
    assert len(listing.chains[0].sets) == 1


def test_of_two_increments_with_one_start_the_longer_one_counts():
    listing = sort_files([*files(None, T), *files(T, T + 1), *files(T, T + 5)])
    assert times(listing.chains[0]) == [(None, T), (T, T + 5)]
    assert [one.end for one in listing.orphaned] == [T + 1]


def test_doubled_stray_partial_and_foreign_files_are_told_apart():
    [volume, manifest, signatures] = files(None, T)
    listing = sort_files(
        [
            volume,
            manifest,
            signatures,
            f"{volume}.gz",
            f"{volume}.gz.tmp",
            f"{manifest}.part",
            "notes.txt",
        ]
    )
    assert listing.doubled == [f"{volume}.gz"]
    assert listing.strays == [f"{volume}.gz.tmp"]
    assert listing.partial == [f"{manifest}.part"]
    assert listing.foreign == ["notes.txt"]


def test_empty_folder_has_no_chains():
    assert sort_files([]).newest is None
