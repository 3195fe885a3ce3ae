"""The programs that are compared, each with its own defaults."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "benchmark"
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A program and how it is told to do the same things as the others.

    In the commands and variables ``{repository}``, ``{source}``, ``{target}`` and
    ``{scratch}`` (a folder of its own, for caches) are replaced.

    Attributes:
        name: as the table calls it.
        create: makes a repository; not measured; empty where there is none.
        backup: first backup and, run again, the one with nothing changed.
        restore: the whole snapshot to ``{target}``; empty where not compared.
        variables: environment it needs.
        repeats: whether a second backup means anything.
    """

    name: str
    create: tuple[str, ...] = ()
    backup: tuple[str, ...]
    restore: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    repeats: bool = True


def chunkvault(command: Sequence[str]) -> Contestant:
    """This project, run by ``command``."""
    return Contestant(
        name="chunkvault",
        create=(*command, "init"),
        backup=(*command, "backup", "{source}"),
        restore=(*command, "restore", "--to", "{target}"),
        variables=(
            ("CHUNKVAULT_REPOSITORY", "{repository}"),
            ("CHUNKVAULT_PASSWORD", PASSWORD),
            ("CHUNKVAULT_CACHE_DIR", "{scratch}"),
            ("PYTHONPATH", str(PROJECT)),
        ),
    )


RESTIC = Contestant(
    name="restic",
    create=("restic", "init"),
    backup=("restic", "backup", "{source}"),
    restore=("restic", "restore", "latest", "--target", "{target}"),
    variables=(
        ("RESTIC_REPOSITORY", "{repository}"),
        ("RESTIC_PASSWORD", PASSWORD),
        ("RESTIC_CACHE_DIR", "{scratch}"),
    ),
)

BORG = Contestant(
    name="borg (zstd 3)",
    create=("borg", "init", "--encryption", "repokey-blake2"),
    backup=("borg", "create", "--compression", "zstd,3", "::{{now:%s.%f}}", "{source}"),
    variables=(
        ("BORG_REPO", "{repository}"),
        ("BORG_PASSPHRASE", PASSWORD),
        ("BORG_BASE_DIR", "{scratch}"),
    ),
)

TAR = Contestant(
    name="tar | zstd -3 -T2",
    backup=(
        "sh",
        "-c",
        "mkdir -p {repository};"
        " tar -C {source} -c . | zstd -q -3 -T2 -o {repository}/tar",
    ),
    repeats=False,
)


def available(chunkvault_command: str | None, names: Sequence[str]) -> list[Contestant]:
    """Those that are installed, chunkvault first; only ``names`` if there are any."""
    found = [
        contestant
        for contestant, program in (
            (chunkvault(_chunkvault_command(chunkvault_command)), None),
            (RESTIC, "restic"),
            (BORG, "borg"),
            (TAR, "zstd"),
        )
        if program is None or shutil.which(program)
    ]
    if not names:
        return found
    return [one for one in found if one.name.split()[0] in names]


def _chunkvault_command(given: str | None) -> list[str]:
    """As given, or of an environment that tools/quickstart or tools/test made."""
    if given is not None:
        return shlex.split(given)
    for environment in (".venv", ".venv-test"):
        program = PROJECT / environment / "bin" / "chunkvault"
        if program.exists():
            return [str(program)]
    return [sys.executable, "-m", "chunkvault"]
