"""duplicity's own functional tests, as they are in the source of its version 0.8.22.

``tools/test --slow`` fetches that source, of which only ``testing/`` is used; nothing
of it is part of this project. Later versions are published without their tests, so
these are run with newer programs, too.
"""

import ast
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.support.duplicity_stand_in import stand_in
from tests.support.real_duplicity import VERSIONS

__all__ = ["Outcome", "names_of_tests", "run_tests"]

_TOP = Path(__file__).resolve().parents[2]
_SOURCE = _TOP / ".venv-duplicity" / "duplicity-0.8.22.tar.gz"
_PLACE = "duplicity-0.8.22/"
_PYTHON = "/usr/bin/python3"  # that of Debian's duplicity, which the tests import
_RESTORE_OPTIONS = {"0.8": "--file-to-restore", "3.2": "--path-to-restore"}


class Outcome:
    """How some tests went.

    Attributes:
        count: of those that were run.
        passed: there were some, none was skipped, and all found nothing wrong.
        exported: the kinds of backups that chunkvault made for them.
        output: what they said.
    """

    def __init__(self, done, exported):
        found = re.search(r"^Ran (\d+) test", done.stdout, re.MULTILINE)
        self.count = int(found[1]) if found else 0
        self.passed = self.count > 0 and done.stdout.endswith("\nOK\n")
        self.exported = exported
        self.output = done.stdout[-4000:]


def names_of_tests():
    """All functional tests: ``test_final.FinalTest.test_basic_cycle``."""
    names = []
    with tarfile.open(_SOURCE) as archive:
        for member in archive.getmembers():
            path = Path(member.name)
            if path.match("testing/functional/test_*.py"):
                text = archive.extractfile(member).read().decode()
                names += [f"{path.stem}.{name}" for name in _tests_in(text)]
    return names


def run_tests(name, version, makes):
    """Run one of them, or a class.

    Args:
        name: as in `names_of_tests`, or its beginning.
        version: of the real program, a key of ``VERSIONS``.
        makes: the kinds of backups that chunkvault makes.
    """
    with _unpacked() as top:
        exported = top / "exported"
        real = (VERSIONS[version], _RESTORE_OPTIONS[version])
        stand_in(top / "bin/duplicity", real, makes, exported)
        (top / "run").mkdir()
        # Half of the time would go into hashing the passphrase.
        with (top / "testing/gnupg/gpg.conf").open("a") as file:
            file.write("\ns2k-count 65536\n")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(top),
            "TMPDIR": str(top / "run"),
        }
        done = subprocess.run(
            [_PYTHON, "-W", "ignore", "-m", "unittest", f"testing.functional.{name}"],
            cwd=top,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )
        kinds = exported.read_text().split() if exported.exists() else []
        return Outcome(done, kinds)


@contextmanager
def _unpacked():
    """A folder with ``testing/`` in it."""
    # Not below the folders of pytest: the socket of the agent wants a short path.
    top = Path(tempfile.mkdtemp(prefix="dup"))
    try:
        with tarfile.open(_SOURCE) as archive:
            members = archive.getmembers()
            wanted = [one for one in members if one.name.startswith(f"{_PLACE}testing")]
            archive.extractall(top, wanted, filter="data")
        (top / _PLACE / "testing").rename(top / "testing")
        yield top
    finally:
        home = str(top / "testing/gnupg")
        kill = ["gpgconf", "--homedir", home, "--kill", "gpg-agent"]
        subprocess.run(kill, check=False, capture_output=True)
        shutil.rmtree(top, ignore_errors=True)


def _tests_in(text):
    """Of each class, also those that it has from another one of its file."""
    classes = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            names = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            inherited = [classes.get(base.id, []) for base in node.bases]
            classes[node.name] = [n for n in names if n.startswith("test")]
            classes[node.name] += [n for more in inherited for n in more]
    return [f"{name}.{test}" for name, tests in classes.items() for test in tests]
