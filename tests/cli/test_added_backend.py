"""A package adds a kind of storage, as docs/backends.md shows."""

import os

import pytest

from tests.support.command import Program
from tests.support.example_package import install_example


@pytest.fixture
def program(tmp_path):
    program = Program(tmp_path)
    packages = str(install_example(tmp_path / "packages"))
    path = os.pathsep.join([packages, program.environment["PYTHONPATH"]])
    program.environment["PYTHONPATH"] = path
    program.environment["CHUNKVAULT_REPOSITORY"] = f"sqlite:{tmp_path}/backup.db"
    program.environment["CHUNKVAULT_PASSWORD"] = "secret"
    del program.environment["CHUNKVAULT_KEY_FILE"]
    return program


def test_the_documented_package_keeps_a_repository(program, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "letter.txt").write_text("Dear all")
    assert program.run("init").returncode == 0
    done = program.run("backup", source)
    assert done.returncode == 0, done.stderr
    assert "requests" not in done.stdout  # it does not count them
    out = tmp_path / "out"
    assert program.run("restore", "--to", out).returncode == 0
    assert (out / "letter.txt").read_text() == "Dear all"
    assert program.run("check", "--read-data").returncode == 0


def test_a_broken_package_is_named(program, tmp_path):
    (tmp_path / "packages" / "chunkvault_sqlite.py").write_text("import absent_module")
    done = program.run("snapshots")
    assert done.returncode == 2
    assert "package that adds the storage 'sqlite' is broken" in done.stderr
    assert "absent_module" in done.stderr
