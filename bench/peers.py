"""The programs that are compared, and how each is told to do the same thing.

Each keeps its own defaults for safety; where it compresses nothing by default, or
badly, it is told to use zstd level 3, and its name says so. All know the password.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.results import OURS

__all__ = [
    "PASSWORD",
    "PROJECT",
    "Peer",
    "chunkvault",
    "counted_chunkvault",
    "find_peers",
    "install_missing",
    "snapshot_moment",
]

PASSWORD = "benchmark"
PROJECT = Path(__file__).resolve().parent.parent

_FIRST_DAY = datetime(2020, 1, 1, 12, tzinfo=UTC)
_PACKAGES = {
    "restic": "restic",
    "borg": "borgbackup",
    "duplicity": "duplicity",
    "gpg": "gnupg",
    "zstd": "zstd",
    "mkfs.ext4": "e2fsprogs",
}
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A program and its words for what all of them do. Empty: it cannot.

    In commands and variables these are replaced: ``{repository}``, ``{source}``,
    ``{target}``, ``{scratch}`` (a folder of its own, for caches), ``{path}``
    (absolute, of a file or folder), ``{rootless}`` (without its first slash),
    ``{relative}`` (below the source), ``{name}`` (its last part), ``{number}``,
    ``{date}``, ``{iso}`` and ``{seconds}`` of a snapshot, ``{snapshot}`` and
    ``{older}`` (as the program calls them).

    Attributes:
        name: as the table calls it.
        create: makes a repository; never measured.
        backup: first backup and all that follow.
        restore: a whole snapshot to ``{target}``.
        restore_path: a folder of one.
        cat: one file of a snapshot, to standard output.
        ls: all names of a snapshot.
        diff: what changed from ``{older}`` to ``{snapshot}``.
        find: a name in all snapshots.
        history: all versions of a path.
        help: what it shows of itself.
        snapshot: what ``{snapshot}`` and ``{older}`` stand for; empty where they
            are asked for with ``listing``.
        listing: prints all snapshots.
        ids: what to take from it, oldest first.
        variables: environment it needs.
        rescan: the backup with nothing changed; empty where it is ``backup``.
        is_floor: no backup program, but what the work takes at least: there are
            no versions.
        is_slow: takes part in few versions only where there are hundreds.
    """

    name: str
    create: tuple[str, ...] = ()
    backup: tuple[str, ...] = ()
    rescan: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    restore_path: tuple[str, ...] = ()
    cat: tuple[str, ...] = ()
    ls: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    find: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    snapshot: str = ""
    listing: tuple[str, ...] = ()
    ids: Callable[[str], list[str]] | None = None
    variables: tuple[tuple[str, str], ...] = ()
    is_floor: bool = False
    is_slow: bool = False


def snapshot_moment(number: int) -> datetime:
    """When the snapshot of this number was taken, as every program is told."""
    return _FIRST_DAY + timedelta(days=number)


def chunkvault(command: Sequence[str], name: str = OURS) -> Peer:
    """This project, run by ``command``."""
    return Peer(
        name=name,
        create=(*command, "init"),
        backup=(*command, "backup", "--time", "{seconds}", "{source}"),
        restore=(*command, "restore", "--at", "{seconds}", "--to", "{target}"),
        restore_path=(
            *(*command, "restore", "{path}", "--at", "{seconds}"),
            *("--to", "{target}"),
        ),
        cat=(*command, "cat", "{path}", "--at", "{seconds}"),
        ls=(*command, "ls", "-R", "--at", "{seconds}"),
        diff=(*command, "diff", "latest~1", "latest"),
        find=(*command, "find", "{name}"),
        history=(*command, "history", "{path}"),
        help=(*command, "--help"),
        snapshot="{seconds}",
        listing=(*command, "snapshots"),
        variables=(
            ("CHUNKVAULT_REPOSITORY", "{repository}"),
            ("CHUNKVAULT_PASSWORD", PASSWORD),
            ("CHUNKVAULT_CACHE_DIR", "{scratch}"),
            ("PYTHONPATH", str(PROJECT)),
        ),
    )


def counted_chunkvault() -> Peer:
    """This project in a process that counts what goes to and from the store.

    The counts go to ``{scratch}.counts``. Not for timing.
    """
    peer = chunkvault([sys.executable, "-m", "bench.counted"])
    counts = ("CHUNKVAULT_BENCH_COUNTS", "{scratch}.counts")
    return replace(peer, variables=(*peer.variables, counts))


def restic(program: str, name: str) -> Peer:
    """restic; a rewrite that keeps its command line would do as well."""
    return Peer(
        name=name,
        create=(program, "init"),
        backup=(program, "backup", "--time", "{date}", "{source}"),
        restore=(program, "restore", "{snapshot}", "--target", "{target}"),
        restore_path=(
            *(program, "restore", "{snapshot}", "--include", "{path}"),
            *("--target", "{target}"),
        ),
        cat=(program, "dump", "{snapshot}", "{path}"),
        ls=(program, "ls", "{snapshot}"),
        diff=(program, "diff", "{older}", "{snapshot}"),
        find=(program, "find", "{name}"),
        help=(program, "--help"),
        listing=(program, "snapshots", "--json"),
        ids=lambda text: _by_time(json.loads(text)),
        variables=(
            ("RESTIC_REPOSITORY", "{repository}"),
            ("RESTIC_PASSWORD", PASSWORD),
            ("RESTIC_CACHE_DIR", "{scratch}"),
            ("TZ", "UTC"),
        ),
    )


def rustic(program: str, name: str) -> Peer:
    """rustic, which has restic's format and words of its own."""
    return Peer(
        name=name,
        create=(program, "init"),
        backup=(program, "backup", "--time", "{date}", "{source}"),
        restore=(program, "restore", "{snapshot}", "{target}"),
        restore_path=(program, "restore", "{snapshot}:{path}", "{target}"),
        cat=(program, "dump", "{snapshot}:{path}"),
        ls=(program, "ls", "{snapshot}"),
        diff=(program, "diff", "{older}", "{snapshot}"),
        help=(program, "--help"),
        listing=(program, "snapshots", "--json"),
        ids=_rustic_ids,
        variables=(
            ("RUSTIC_REPOSITORY", "{repository}"),
            ("RUSTIC_PASSWORD", PASSWORD),
            ("RUSTIC_CACHE_DIR", "{scratch}"),
            ("RUSTIC_NO_PROGRESS", "true"),
            ("TZ", "UTC"),
        ),
    )


def kopia(program: str, name: str) -> Peer:
    """kopia, told to compress, which it does not by default."""
    create = (
        f"{program} repository create filesystem --path '{{repository}}' &&"
        f" {program} policy set --global --compression zstd"
    )
    return Peer(
        name=f"{name} (zstd)",
        create=("sh", "-c", create),
        backup=(program, "snapshot", "create", "{source}"),
        restore=(program, "restore", "{snapshot}", "{target}"),
        restore_path=(program, "restore", "{snapshot}/{relative}", "{target}"),
        cat=(program, "show", "{snapshot}/{relative}"),
        ls=(program, "ls", "-r", "{snapshot}"),
        diff=(program, "diff", "{older}", "{snapshot}"),
        help=(program, "--help"),
        listing=(program, "snapshot", "list", "--all", "--json"),
        ids=lambda text: [one["rootEntry"]["obj"] for one in json.loads(text)],
        variables=(
            ("KOPIA_PASSWORD", PASSWORD),
            ("KOPIA_CONFIG_PATH", "{scratch}/kopia.config"),
            ("KOPIA_CACHE_DIRECTORY", "{scratch}/cache"),
            ("KOPIA_LOG_DIR", "{scratch}/logs"),
            ("KOPIA_CHECK_FOR_UPDATES", "false"),
        ),
    )


def borg(program: str, name: str) -> Peer:
    """The program borg with zstd level 3, as its goal says; its default is lz4."""
    archive = "::v{number}"
    return Peer(
        name=f"{name} (zstd 3)",
        create=(program, "init", "--encryption", "repokey-blake2"),
        backup=(
            *(program, "create", "--compression", "zstd,3"),
            *("--timestamp", "{iso}", archive, "{source}"),
        ),
        restore=("sh", "-c", f"cd '{{target}}' && {program} extract {archive}"),
        restore_path=(
            *("sh", "-c"),
            f"cd '{{target}}' && {program} extract {archive} '{{rootless}}'",
        ),
        cat=(program, "extract", "--stdout", archive, "{rootless}"),
        ls=(program, "list", "--short", archive),
        diff=(program, "diff", "::{older}", "{snapshot}"),
        help=(program, "--help"),
        snapshot="v{number}",
        variables=(
            ("BORG_REPO", "{repository}"),
            ("BORG_PASSPHRASE", PASSWORD),
            ("BORG_BASE_DIR", "{scratch}"),
            ("TZ", "UTC"),
        ),
    )


def duplicity(program: str, name: str) -> Peer:
    """duplicity: one full backup, then increments, encrypted by gpg."""
    common = ("--archive-dir", "{scratch}", "--no-print-statistics")
    at = ("--time", "{seconds}")
    url = "file://{repository}"
    return Peer(
        name=name,
        backup=(
            *(program, *common, "--current-time", "{seconds}"),
            *("--allow-source-mismatch", "{source}", url),
        ),
        restore=(program, "restore", "--force", *common, *at, url, "{target}"),
        restore_path=(
            *(program, "restore", "--force", *common, *at),
            *("--file-to-restore", "{relative}", url, "{target}/restored"),
        ),
        cat=(
            *("sh", "-c"),
            f"{program} restore --force {' '.join((*common, *at))} --file-to-restore"
            f" '{{relative}}' '{url}' '{{target}}/file' >&2 && cat '{{target}}/file'",
        ),
        ls=(program, "list-current-files", *common, *at, url),
        help=(program, "--help"),
        snapshot="{seconds}",
        variables=(("PASSPHRASE", PASSWORD),),
        is_slow=True,
    )


def find_peers(ours: str | None, names: Sequence[str]) -> list[Peer]:
    """Those that are there, ours first; only ``names`` if there are any.

    Of restic, which distributions keep old, every different one on PATH.
    """
    found = [chunkvault(_chunkvault_command(ours))]
    for program, make in (
        ("restic", restic),
        ("rustic", rustic),
        ("kopia", kopia),
        ("borg", borg),
        ("duplicity", duplicity),
    ):
        found += [
            make(path, f"{program} {_version(path)}".strip())
            for path in _all_on_path(program)
            if not names or program in names
        ]
    return found if not names or OURS in names else found[1:]


def install_missing() -> list[str]:
    """Install with apt what is not there; gives the packages, also if that failed."""
    missing = [
        package
        for program, package in _PACKAGES.items()
        if not shutil.which(program, path=_search_path())
    ]
    if missing and shutil.which("apt-get"):
        print(f"installing with apt: {' '.join(missing)}", file=sys.stderr)
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        lock = ["-o", "DPkg::Lock::Timeout=300"]
        install = ["install", "-y", "--no-install-recommends", *missing]
        for words in (["update"], install):
            command = [*root, "apt-get", "-qq", *lock, *words]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return missing


def _chunkvault_command(given: str | None) -> list[str]:
    """As given, or of the environment that this runs in."""
    if given is not None:
        return shlex.split(given)
    program = Path(sys.executable).parent / "chunkvault"
    return [str(program)] if program.exists() else [sys.executable, "-m", "chunkvault"]


def _search_path() -> str:
    """PATH, and where mkfs and its like are kept from ordinary users."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _all_on_path(program: str) -> list[str]:
    """Every different program of this name on PATH."""
    found: dict[Path, str] = {}
    for folder in os.environ.get("PATH", "").split(":"):
        path = Path(folder) / program
        if path.is_file() and os.access(path, os.X_OK):
            found.setdefault(path.resolve(), str(path))
    return list(found.values())


def _version(path: str) -> str:
    for word in ("--version", "version"):
        done = subprocess.run([path, word], capture_output=True, text=True, check=False)
        found = _VERSION.search(done.stdout)
        if done.returncode == 0 and found:
            return found[0]
    return ""


def _by_time(snapshots: list[dict[str, str]]) -> list[str]:
    return [one["id"] for one in sorted(snapshots, key=lambda one: one["time"])]


def _rustic_ids(text: str) -> list[str]:
    """Of all groups; some versions list pairs, others records."""
    snapshots: list[dict[str, str]] = []
    for group in json.loads(text):
        snapshots += group["snapshots"] if isinstance(group, dict) else group[1]
    return _by_time(snapshots)
