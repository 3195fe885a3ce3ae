"""Manifests: written as duplicity reads them, read as any version writes them."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.duplicity.manifest import (
    Manifest,
    ManifestDecoder,
    VolumeRecord,
    decode_manifest,
    encode_change,
    encode_manifest,
    quote,
    unquote,
)
from chunkvault.errors import FormatError

REAL = b"""\
Hostname vm
Localdir /home/me/src
Volume 1:
    StartingPath   .  \n\
    EndingPath     big3m.bin 16
    Hash SHA1 b8759681b8a10d09740a14a6425b049b16126bde
Volume 2:
    StartingPath   big3m.bin 17
    EndingPath     "with\\x20space"  \n\
    Hash SHA1 d0d1d2298f13368342c69376dce4852c5a25a902
Filelist 3
    new      almost64k
    changed  "with\\x20space"
    deleted  dir/gone
"""
FIRST = bytes.fromhex("b8759681b8a10d09740a14a6425b049b16126bde")
SECOND = bytes.fromhex("d0d1d2298f13368342c69376dce4852c5a25a902")
VOLUME = b"Volume 1:\n StartingPath .\n EndingPath z\n Hash SHA1 " + b"00" * 20 + b"\n"


def test_real_manifest_is_understood():
    assert decode_manifest(REAL) == Manifest(
        host=b"vm",
        folder=b"/home/me/src",
        volumes=(
            VolumeRecord(1, b".", None, b"big3m.bin", 16, FIRST),
            VolumeRecord(2, b"big3m.bin", 17, b"with space", None, SECOND),
        ),
    )


def test_own_lines_are_read_back_and_stand_where_duplicity_passes_over_them():
    manifest = Manifest(
        host=b"vm",
        folder=b"/a b",
        snapshot=bytes(range(32)),
        earlier=((1_700_000_000, bytes(32)), (1_700_000_001, b"\1" * 32)),
        lost=(b"dir/it's lost", b"x"),
        volumes=(VolumeRecord(1, b".", None, b"z", 3, FIRST),),
    )
    lines = [encode_change("new", b"f"), encode_change("deleted", b"a\nb")]
    text = encode_manifest(manifest, lines, 2)
    assert text.index(b"Snapshot") < text.index(b"Hostname")
    assert decode_manifest(text) == manifest
    assert b'Filelist 2\n    new      f\n    deleted  "a\\x0ab"\n' in text


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pieces_of_any_size_say_the_same(size):
    decoder = ManifestDecoder()
    for start in range(0, len(REAL), size):
        decoder.feed(REAL[start : start + size])
    assert decoder.finish() == decode_manifest(REAL)


def test_the_list_of_files_takes_no_memory():
    """A tenth of the list would be more than that."""
    decoder = ManifestDecoder()
    decoder.feed(VOLUME + b"Filelist 20000\n")
    tracemalloc.start()
    try:
        for number in range(20_000):
            decoder.feed(encode_change("changed", b"a folder/%050d" % number))
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()
    assert len(decoder.finish().volumes) == 1


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_list_of_another_length_than_it_says_hides_no_volume(count):
    listed = b"Filelist %d\n    new      a\n    new      b\n" % count
    assert len(decode_manifest(listed + VOLUME).volumes) == 1


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_any_path_is_quoted_into_one_word(path):
    quoted = quote(path)
    assert not set(quoted) & set(b" \t\n\r\x0b\x0c")
    if path[:1] not in (b'"', b"'"):
        assert unquote(quoted) == path


def test_volume_named_twice_counts_as_named_last_and_ends_the_list():
    again = VOLUME.replace(b"00", b"11")
    third = VOLUME.replace(b"Volume 1", b"Volume 3")
    decoded = decode_manifest(VOLUME + third + again)
    assert [(one.number, one.sha1) for one in decoded.volumes] == [(1, b"\x11" * 20)]


def test_md5_alone_is_taken():
    text = VOLUME.replace(b"SHA1 " + b"00" * 20, b"MD5 " + b"22" * 16)
    [volume] = decode_manifest(text).volumes
    assert (volume.sha1, volume.md5) == (None, b"\x22" * 16)


@pytest.mark.parametrize(
    "text",
    [
        VOLUME.replace(b"EndingPath", b"Ending"),
        VOLUME.replace(b"SHA1", b"SHA256"),
        VOLUME.replace(b"00" * 20, b"00" * 19),
        VOLUME.replace(b"00" * 20, b"zz" * 20),
        VOLUME.replace(b"StartingPath .", b"StartingPath . x"),
        VOLUME.replace(b"StartingPath .", b'StartingPath "'),
        b"Filelist many\n",
    ],
)
def test_manifest_that_makes_no_sense_is_damage(text):
    with pytest.raises(FormatError):
        decode_manifest(text)
