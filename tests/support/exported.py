"""Exports for tests, and what stands in the archives."""

import os
import tarfile
from pathlib import Path

from chunkvault.duplicity.export import (
    ExportOptions,
    ExportSummary,
    export_archive,
)
from chunkvault.duplicity.folder import ArchiveFolder, LocalFolder
from chunkvault.duplicity.gpg import Gpg, GpgOptions
from chunkvault.duplicity.tar_writer import header_mtime
from chunkvault.report import SilentReporter
from chunkvault.repository import Repository
from tests.support.builders import read_tree, snapshots_of

__all__ = ["cheap_gpg", "export_to", "files_in", "members_of", "seen_by_duplicity"]


def cheap_gpg(passphrase: bytes = b"pass phrase", **options: object) -> Gpg:
    """gpg as the program runs it, without the cost of stretching a passphrase."""
    fields: dict[str, object] = {
        "passphrase": passphrase,
        "s2k_count": 65536,
        "adds_literal": False,
        "compress": False,
    }
    return Gpg(GpgOptions(**(fields | options)))  # type: ignore[arg-type]


def export_to(
    place: Path | ArchiveFolder,
    repository: Repository,
    gpg: Gpg | None = None,
    reporter: SilentReporter | None = None,
    **options: object,
) -> ExportSummary:
    """Export all snapshots, unless others are given; small volumes, plain files."""
    folder = LocalFolder(os.fsencode(place)) if isinstance(place, Path) else place
    fields: dict[str, object] = {
        "snapshots": tuple(snapshots_of(repository)),
        "volume_bytes": 1 << 20,
        "compress": False,
    }
    chosen = ExportOptions(**(fields | options))  # type: ignore[arg-type]
    return export_archive(repository, folder, gpg, chosen, reporter or SilentReporter())


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file of an archive."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def members_of(folder: Path, ending: str) -> list[str]:
    """Names of the members of the plain tar whose file name ends so."""
    [path] = [path for path in folder.iterdir() if path.name.endswith(ending)]
    with tarfile.open(path, errors="surrogateescape") as archive:
        return [info.name for info in archive]


def seen_by_duplicity(top: Path) -> dict[bytes, tuple[object, ...]]:
    """What of a tree duplicity can hold, by path."""
    return {
        path: (
            entry.kind,
            entry.mode,
            0 if entry.kind == "link" else header_mtime(entry.mtime_ns),
            entry.content,
        )
        for path, entry in read_tree(top).items()
    }
