"""Names of duplicity's files in three styles, and those it takes by mistake."""

import pytest

from chunkvault.duplicity.names import (
    FileKind,
    FileName,
    Prefixes,
    format_set_time,
    make_name,
    parse_name,
    parse_set_time,
)

T = 1_700_000_000
HOUR = 3600

NAMES = {
    "duplicity-full.20231114T221320Z.vol1.difftar.gpg": FileName(
        FileKind.VOLUME, None, T, 1, ".gpg"
    ),
    "duplicity-full.20231114T221320Z.manifest": FileName(FileKind.MANIFEST, None, T),
    "duplicity-full-signatures.20231114T221320Z.sigtar.gz": FileName(
        FileKind.SIGNATURES, None, T, 0, ".gz"
    ),
    "duplicity-inc.20231114T221320Z.to.20231114T231320Z.vol12.difftar": FileName(
        FileKind.VOLUME, T, T + HOUR, 12
    ),
    "duplicity-inc.20231114T221320Z.to.20231114T231320Z.manifest.gpg": FileName(
        FileKind.MANIFEST, T, T + HOUR, 0, ".gpg"
    ),
    "duplicity-new-signatures.20231114T221320Z.to.20231114T231320Z.sigtar.gpg": (
        FileName(FileKind.SIGNATURES, T, T + HOUR, 0, ".gpg")
    ),
    "duplicity-full.20231114T221320Z.jsonstat.gpg": FileName(
        FileKind.STATISTICS, None, T, 0, ".gpg"
    ),
}
OTHER_STYLES = {
    "df.s44we8.1.dt.g": FileName(FileKind.VOLUME, None, T, 1, ".g"),
    "df.s44we8.m.g": FileName(FileKind.MANIFEST, None, T, 0, ".g"),
    "dfs.s44we8.st.g": FileName(FileKind.SIGNATURES, None, T, 0, ".g"),
    "di.s44we8.s44z68.a.dt.z": FileName(FileKind.VOLUME, T, T + HOUR, 10, ".z"),
    "dns.s44we8.s44z68.st": FileName(FileKind.SIGNATURES, T, T + HOUR),
    "duplicity-full.2023-11-14T22:13:20Z.vol1.difftar.gpg": FileName(
        FileKind.VOLUME, None, T, 1, ".gpg"
    ),
    "duplicity-full.2023-11-14T17_13_20-05_00.manifest.gpg": FileName(
        FileKind.MANIFEST, None, T, 0, ".gpg"
    ),
    "duplicity-full.20231114T221320Z.manifest.part": FileName(
        FileKind.MANIFEST, None, T, 0, "", is_partial=True
    ),
}


@pytest.mark.parametrize(("name", "parsed"), {**NAMES, **OTHER_STYLES}.items())
def test_name_tells_what_the_file_is(name, parsed):
    assert parse_name(name) == parsed


@pytest.mark.parametrize(("name", "parsed"), NAMES.items())
def test_usual_name_is_made_as_duplicity_makes_it(name, parsed):
    assert make_name(parsed) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "readme.txt",
        ".duplicity-full.20231114T221320Z.manifest",
        "duplicity-full.20231314T221320Z.manifest",
        "duplicity-full.yesterday.manifest",
        "duplicity-full.20231114T221320Z.vol.difftar",
        "df..1.dt.g",
        "chunkvault-set.20231114T221320Z." + "0" * 64,
        "x" * 300,
    ],
)
def test_other_files_are_nothing(name):
    assert parse_name(name) is None


def test_name_with_something_behind_is_taken_as_duplicity_takes_it_and_is_a_stray():
    parsed = parse_name("duplicity-full.20231114T221320Z.vol1.difftar.gz.tmp")
    assert parsed is not None
    assert parsed.is_stray
    assert not parsed.is_compressed


def test_prefixes_stand_in_front_of_the_kinds_they_belong_to():
    prefixes = Prefixes("X", "A_", "M_", "S_")
    name = FileName(FileKind.VOLUME, None, T, 1, ".gpg")
    text = make_name(name, prefixes)
    assert text == "XA_duplicity-full.20231114T221320Z.vol1.difftar.gpg"
    assert parse_name(text, prefixes) == name
    assert parse_name(text) is None


@pytest.mark.parametrize("seconds", [0, 1, T, 253402300799])
def test_set_times_are_read_back(seconds):
    text = format_set_time(seconds)
    assert len(text) == 16
    assert parse_set_time(text) == seconds
