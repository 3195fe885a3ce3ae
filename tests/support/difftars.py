"""Archives of duplicity written by hand with Python's ``tarfile``, right or wrong.

``{"snapshot/a": b"data"}`` is a file of that content; `member` says more. A list of
such dictionaries is a list of volumes.
"""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path

from chunkvault.duplicity.folder import LocalFolder
from chunkvault.duplicity.gpg import Gpg, GpgOptions
from chunkvault.duplicity.import_archive import import_archive
from chunkvault.duplicity.import_records import ImportOptions, ImportSummary
from chunkvault.duplicity.names import format_set_time
from chunkvault.report import SilentReporter
from chunkvault.repository import Repository

__all__ = [
    "DIRECTORY",
    "HOST",
    "T0",
    "import_from",
    "member",
    "seal",
    "tar",
    "write_set",
]

T0 = 1_700_000_000
HOST = "archived"

Member = tuple[tarfile.TarInfo, bytes]
Members = Mapping[str, bytes | Member]


def member(
    kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: object
) -> Member:
    """A member of a type; ``fields`` are those of ``tarfile.TarInfo``."""
    info = tarfile.TarInfo()
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.mtime = T0
    for name, value in fields.items():
        setattr(info, name, value)
    return info, data


DIRECTORY = member(tarfile.DIRTYPE)


def tar(members: Members, *, has_end: bool = True, dialect: int = tarfile.PAX_FORMAT):
    """The bytes of a tar archive."""
    out = io.BytesIO()
    for name, value in members.items():
        info, data = value if isinstance(value, tuple) else member(data=value)
        info = deepcopy(info)
        info.name, info.size = name, len(data)
        out.write(info.tobuf(dialect, "utf-8", "surrogateescape"))
        out.write(data + bytes(-len(data) % 512))
    if has_end:
        out.write(bytes(10240 - out.tell() % 10240))
    return out.getvalue()


def write_set(
    folder: Path,
    volumes: Sequence[Members | bytes],
    *,
    start: int | None = None,
    end: int = T0,
    localdir: str | None = "/data",
    signatures: Members | None = None,
    hashes: Sequence[str | None] = (),
    compresses: bool = False,
) -> list[Path]:
    """Write a backup set without encryption; the paths of its volumes."""
    folder.mkdir(exist_ok=True)
    times = format_set_time(end)
    head, new = "duplicity-full", "duplicity-full-signatures"
    if start is not None:
        times = f"{format_set_time(start)}.to.{times}"
        head, new = "duplicity-inc", "duplicity-new-signatures"
    suffix = ".gz" if compresses else ""
    lines = [f"Hostname {HOST}"]
    if localdir is not None:
        lines.append(f"Localdir {localdir}")
    paths = []
    for number, volume in enumerate(volumes, 1):
        data = volume if isinstance(volume, bytes) else tar(volume)
        stored = gzip.compress(data, 1) if compresses else data
        path = folder / f"{head}.{times}.vol{number}.difftar{suffix}"
        path.write_bytes(stored)
        paths.append(path)
        names = ["."] if isinstance(volume, bytes) else [_path(n) for n in volume]
        digest = hashlib.sha1(stored).hexdigest()
        given = hashes[number - 1] if number <= len(hashes) else None
        lines += [
            f"Volume {number}:",
            f"    StartingPath   {names[0] if names else '.'}  ",
            f"    EndingPath     {names[-1] if names else '.'}  ",
            f"    Hash {given or 'SHA1 ' + digest}",
        ]
    if signatures is not None:
        (folder / f"{new}.{times}.sigtar").write_bytes(tar(signatures))
    (folder / f"{head}.{times}.manifest").write_text("\n".join(lines) + "\n")
    return paths


def seal(folder: Path, options: Callable[[str], GpgOptions]) -> None:
    """Encrypt an archive that `write_set` has written.

    Args:
        folder: where it is.
        options: how each file is encrypted, by its name.
    """
    hashes: dict[str, str] = {}
    names = sorted(os.listdir(folder), key=lambda name: "manifest" in name)
    for name in names:
        text = (folder / name).read_bytes()
        for old, new in hashes.items():
            text = text.replace(old.encode(), new.encode())
        with (
            open(folder / f"{name}.gpg", "wb") as file,
            Gpg(options(name)).encrypt(file.write) as out,
        ):
            out.write(text)
        sealed = (folder / f"{name}.gpg").read_bytes()
        hashes[hashlib.sha1(text).hexdigest()] = hashlib.sha1(sealed).hexdigest()
        (folder / name).unlink()


def import_from(
    repository: Repository,
    archive: Path,
    *,
    reporter: SilentReporter | None = None,
    gpg: GpgOptions | None = None,
    **options: object,
) -> ImportSummary:
    """Import an archive as the command does."""
    fields: dict[str, object] = {"default_host": "here", "user": "user", "workers": 0}
    return import_archive(
        repository,
        LocalFolder(os.fsencode(archive)),
        Gpg(gpg or GpgOptions()),
        ImportOptions(**(fields | options)),  # type: ignore[arg-type]
        reporter or SilentReporter(),
    )


def _path(name: str) -> str:
    """The path in the name of a member, as a manifest has it."""
    prefix, _, path = name.partition("/")
    if prefix.startswith("multivol"):
        path = path.rpartition("/")[0]
    return path.rstrip("/") or "."
