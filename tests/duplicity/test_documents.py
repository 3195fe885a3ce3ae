"""What the documents say of duplicity's commands and options, and what it has."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.real_duplicity import VERSIONS

TEXT = Path(__file__).parents[2] / "docs" / "from-duplicity.md"
OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
OWN_HELP = re.compile(r"--help-[a-z-]+")
PLACEHOLDERS = {"--some-option", "--some-", "--rsync-"}
"""Stand in duplicity's help and are no options: "--some-option=value" is one."""


def help_of(version):
    """What all of its pages tell."""
    first = ask(version, "--help")
    others = sorted(set(OWN_HELP.findall(first)))
    return first + "".join(ask(version, option) for option in others)


def ask(version, option):
    command = [VERSIONS[version], option]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_every_option_of_duplicity_is_told_about(version):
    found = {one for one in OPTION.findall(help_of(version)) if one[:2] == "--"}
    told = set(OPTION.findall(TEXT.read_text()))
    assert len(found) > 100
    missing = found - told - PLACEHOLDERS
    assert not {one for one in missing if not OWN_HELP.fullmatch(one)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_command_of_duplicity_is_told_about(version):
    usage = ask(version, "--help").partition("\nBackends")[0]
    found = set(re.findall(r"^ *(?:usage: )?duplicity ([a-z-]+) ", usage, re.MULTILINE))
    told = set(re.findall(r"`(?:duplicity )?([a-z-]+)", TEXT.read_text()))
    assert found <= told
