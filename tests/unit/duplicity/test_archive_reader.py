import gzip
import hashlib
import os

import pytest

from chunkvault.duplicity import archive_reader
from chunkvault.duplicity.archive_reader import ArchiveReader
from chunkvault.duplicity.folder import LocalFolder
from chunkvault.duplicity.gpg import Gpg, GpgOptions
from chunkvault.duplicity.manifest import Manifest, VolumeRecord
from chunkvault.duplicity.names import parse_name
from chunkvault.errors import DamageError, WrongKey
from tests.unit.duplicity.test_gpg import OLD

MANIFEST = "duplicity-full.20231114T221320Z.manifest"
VOLUME = "duplicity-full.20231114T221320Z.vol1.difftar"


def reader(tmp_path, *, ask=None, **options):
    folder = LocalFolder(os.fsencode(tmp_path))
    return ArchiveReader(folder, Gpg(GpgOptions(**options)), ask)


@pytest.fixture(params=[False, True], ids=["used on trust", "checked first"])
def is_checked(request):
    return request.param


def read_volume(tmp_path, name, is_checked, **hashes):
    record = VolumeRecord(1, b".", None, b".", None, **({"sha1": None} | hashes))
    archive = reader(tmp_path)
    parsed = parse_name(name)
    with archive.open_volume(name, parsed, record, is_checked=is_checked) as stream:
        data = b"".join(iter(lambda: stream.read(1000), b""))
        stream.finish()
        return data


def sealed(tmp_path, name, data=b"Hostname vm", passphrase=b"x"):
    options = GpgOptions(passphrase=passphrase, s2k_count=65536)
    with open(tmp_path / name, "wb") as file, Gpg(options).encrypt(file.write) as out:
        out.write(data)
    return name, parse_name(name)


def test_the_passphrase_is_asked_for_once_and_only_if_it_is_needed(tmp_path):
    asked = []
    archive = reader(tmp_path, ask=lambda: asked.append(1) or b"x")
    (tmp_path / MANIFEST).write_bytes(b"Hostname plain")
    assert archive.read_manifest(MANIFEST, parse_name(MANIFEST)).host == b"plain"
    assert not asked
    for _ in range(2):
        assert archive.read_manifest(*sealed(tmp_path, f"{MANIFEST}.gpg")).host == b"vm"
    assert asked == [1]


@pytest.mark.parametrize("options", [{}, {"passphrase": b"wrong"}])
def test_a_key_that_does_not_fit_is_told_with_the_file(tmp_path, options):
    archive = reader(tmp_path, **options)
    with pytest.raises(WrongKey, match=r"manifest\.gpg: gpg"):
        archive.read_manifest(*sealed(tmp_path, f"{MANIFEST}.gpg"))


def test_an_archive_from_before_2003_is_read(tmp_path):
    name = f"{MANIFEST}.gpg"
    (tmp_path / name).write_bytes(OLD)
    archive = reader(tmp_path, passphrase=b"x")
    assert archive.read_manifest(name, parse_name(name)) == Manifest()
    assert archive.has_decrypted


def test_a_manifest_that_expands_without_end_is_left(tmp_path):
    name = f"{MANIFEST}.gz"
    (tmp_path / name).write_bytes(gzip.compress(b"\n" * 30_000_000))
    with pytest.raises(DamageError, match="larger than 1000000 bytes"):
        reader(tmp_path).read_manifest(name, parse_name(name), limit=1_000_000)


def test_a_line_without_end_is_not_held(tmp_path):
    name = f"{MANIFEST}.gz"
    (tmp_path / name).write_bytes(gzip.compress(bytes(30_000_000)))
    with pytest.raises(DamageError, match=r"manifest\.gz: .* a line that is too long"):
        reader(tmp_path).read_manifest(name, parse_name(name))


def test_a_volume_that_expands_without_end_is_left(tmp_path, monkeypatch, is_checked):
    monkeypatch.setattr(archive_reader, "_MAX_STREAM_BYTES", 1_000_000)
    name = f"{VOLUME}.gz"
    data = gzip.compress(bytes(30_000_000))
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DamageError, match="more than any volume"):
        read_volume(tmp_path, name, is_checked, sha1=hashlib.sha1(data).digest())


@pytest.mark.parametrize("kind", ["sha1", "md5"])
def test_nothing_of_a_volume_with_another_hash_is_used(tmp_path, kind, is_checked):
    (tmp_path / VOLUME).write_bytes(b"data" * 1000)
    right = hashlib.new(kind, b"data" * 1000).digest()
    assert read_volume(tmp_path, VOLUME, is_checked, **{kind: right}) == b"data" * 1000
    with pytest.raises(DamageError, match=f"its {kind.upper()} is not that"):
        read_volume(tmp_path, VOLUME, is_checked, **{kind: right[::-1]})


def test_a_missing_volume_is_damage_that_names_it(tmp_path, is_checked):
    with pytest.raises(DamageError, match="is missing") as caught:
        read_volume(tmp_path, VOLUME, is_checked, sha1=bytes(20))
    assert caught.value.object_name == VOLUME


@pytest.mark.parametrize("change", [lambda data: data[:-5], lambda data: b"no gzip"])
def test_broken_gzip_is_damage_and_stays_so(tmp_path, change, is_checked):
    name = f"{VOLUME}.gz"
    data = change(gzip.compress(b"data" * 1000))
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DamageError, match=r"difftar\.gz: gzip cannot expand"):
        read_volume(tmp_path, name, is_checked, sha1=hashlib.sha1(data).digest())
