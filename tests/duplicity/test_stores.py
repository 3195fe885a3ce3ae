"""Archives on stores: what is put there is what the real duplicity restores."""

import os
import shutil
from pathlib import Path

import pytest

from chunkvault.backends.location import open_backend
from chunkvault.backends.options import StorageOptions
from tests.support.builders import noise, read_tree, write_tree
from tests.support.command import Program
from tests.support.real_duplicity import PASSPHRASE, VERSIONS, Duplicity
from tests.support.stores.static_web import write_listing

SECRET = "CHUNKVAULT_DUPLICITY_PASSPHRASE"


@pytest.fixture(params=["radosgw", pytest.param("sshd", marks=pytest.mark.slow)])
def store(request, tmp_path):
    """A location on a server, and the variables that open it."""
    server = request.getfixturevalue(request.param)
    if request.param == "sshd":
        return server.location(tmp_path / "far" / "archive"), {}
    return server.location("private", str(tmp_path).strip("/")), server.environment


@pytest.fixture
def source(tmp_path):
    files = {"a/b": b"1", "big": noise(3_000_000), "gone": b"2"}
    return write_tree(tmp_path / "source", files)


def machine(home, environment, **variables):
    """A program with an empty repository."""
    home.mkdir()
    program = Program(home)
    key = program.environment.pop("CHUNKVAULT_KEY_FILE")
    program.environment.update(environment, **variables)
    program.environment["CHUNKVAULT_PASSWORD"] = "correct horse"
    run(program, "init")
    run(program, "key", "add", "--device", key)
    del program.environment["CHUNKVAULT_PASSWORD"]
    program.environment["CHUNKVAULT_KEY_FILE"] = key
    return program


def run(program, *words, code=0):
    done = program.run(*words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def copy_objects(location, environment, folder):
    """As ``rclone copy`` would."""
    folder.mkdir(parents=True)
    options = StorageOptions(environment={**os.environ, **environment})
    backend = open_backend(location, options)
    for info in backend.list(""):
        (folder / info.name).write_bytes(backend.get(info.name))
    backend.close()


def assert_restored(folder, source):
    assert read_tree(folder) == read_tree(source)


def test_exported_to_a_store_copied_and_restored_by_duplicity(store, source, tmp_path):
    location, environment = store
    program = machine(tmp_path / "one", environment, **{SECRET: PASSPHRASE})
    run(program, "backup", source)
    export = ("export", "duplicity", location, "--all", "--volsize", "1")
    said = run(program, *export)
    assert "1 full" in said
    assert " put" in said
    write_tree(source, {"a/b": b"changed"})
    (source / "gone").unlink()
    run(program, "backup", source)
    assert "1 incremental, 1 there already" in run(program, *export)

    duplicity = Duplicity(VERSIONS["3.2"], tmp_path / "run")
    copy_objects(location, environment, duplicity.archive)
    assert len(list(duplicity.archive.glob("*.difftar.gpg"))) > 2
    duplicity.run("restore", "URL", str(tmp_path / "restored"))
    restored = tmp_path / "restored"
    assert (restored / "a/b").read_bytes() == b"changed"
    assert (restored / "big").read_bytes() == noise(3_000_000)
    assert not (restored / "gone").exists()

    other = machine(tmp_path / "two", environment, **{SECRET: PASSPHRASE})
    assert "2 imported" in run(other, "import", "duplicity", location)
    run(other, "restore", "--to", tmp_path / "again")
    assert_restored(tmp_path / "again", source)


def test_imported_from_a_web_server_and_not_exported_to_it(web, source, tmp_path):
    program = machine(tmp_path / "one", {})
    run(program, "backup", source)
    place = tmp_path / "archive"
    plain = ("--no-encryption", "--all")
    run(program, "export", "duplicity", place, *plain)
    write_listing(place)
    location = web.location(place)
    other = machine(tmp_path / "two", {})
    assert "1 imported" in run(other, "import", "duplicity", location)
    run(other, "restore", "--to", tmp_path / "again")
    assert_restored(tmp_path / "again", source)

    shutil.rmtree(place)
    write_listing(place)
    said = run(program, "export", "duplicity", location, *plain, code=1)
    assert "a web server is only read from" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["import", "export"])
def test_location_that_is_refused_is_told_as_that_of_a_repository(
    sshd, command, source, tmp_path
):
    program = machine(tmp_path / "one", {})
    run(program, "backup", source)
    configuration = sshd.configure(tmp_path, identity=sshd.folder / "other-key")
    location = sshd.location(Path("/nowhere"), configuration)
    options = ("--no-encryption",) if command == "export" else ()
    done = program.run(command, "duplicity", location, *options)
    of_repository = program.run("-r", location, "snapshots")
    assert "the server accepts none of the keys" in done.stderr
    assert (done.returncode, done.stderr) == (
        of_repository.returncode,
        of_repository.stderr,
    )


def test_volumes_for_a_store_have_to_fit_into_memory(tmp_path, source):
    program = machine(tmp_path / "one", {})
    words = ("export", "duplicity", "s3:bucket", "--volsize", "1025")
    assert "from 1 to 1,024" in run(program, *words, code=2)
