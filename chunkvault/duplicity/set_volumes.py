"""The volumes of one backup set, as its manifest has them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from chunkvault.duplicity.archive_reader import ArchiveReader
from chunkvault.duplicity.chains import BackupSet
from chunkvault.duplicity.entries import Path, PlainStream, VolumeSource, parse_path
from chunkvault.duplicity.manifest import Manifest, VolumeRecord
from chunkvault.duplicity.names import Prefixes, parse_name
from chunkvault.errors import DamageError

__all__ = ["missing_volumes", "set_volumes"]


def set_volumes(
    archive: ArchiveReader,
    one: BackupSet,
    manifest: Manifest,
    prefixes: Prefixes,
    *,
    is_checked: bool,
) -> Iterator[VolumeSource]:
    """Each volume in its turn; those that are missing as ones that do not open.

    Args:
        archive: where they are.
        one: the set.
        manifest: of the set.
        prefixes: of the names of files.
        is_checked: volumes are hashed before they are used, see `ArchiveReader`.
    """
    expected = 1
    for record in manifest.volumes:
        if record.number > expected:
            yield _Unnamed(expected, record.number - 1)
        name = one.volumes.get(record.number, "")
        yield _Volume(archive, name, record, prefixes, is_checked=is_checked)
        expected = record.number + 1
    if one.volumes and max(one.volumes) >= expected:
        yield _Unnamed(expected, max(one.volumes), is_surplus=True)


def missing_volumes(one: BackupSet, manifest: Manifest) -> list[int]:
    """The numbers of the volumes that the manifest names and that are not there."""
    numbers = (record.number for record in manifest.volumes)
    return [number for number in numbers if number not in one.volumes]


class _Volume:
    """A volume that the manifest names."""

    is_surplus = False

    def __init__(
        self,
        archive: ArchiveReader,
        file_name: str,
        record: VolumeRecord,
        prefixes: Prefixes,
        *,
        is_checked: bool,
    ) -> None:
        self.number = record.number
        self.file_name = file_name
        self.start: Path | None = parse_path(record.first)
        self.end: Path | None = parse_path(record.last)
        self._archive = archive
        self._record = record
        self._prefixes = prefixes
        self._is_checked = is_checked

    def open(self) -> AbstractContextManager[PlainStream]:
        """Its content; see `ArchiveReader.open_volume` for when it may be trusted."""
        parsed = parse_name(self.file_name, self._prefixes)
        if parsed is None:
            raise DamageError(f"volume {self.number} is missing")
        return self._archive.open_volume(
            self.file_name, parsed, self._record, is_checked=self._is_checked
        )


@dataclass(slots=True)
class _Unnamed:
    """Volumes of which the manifest should say something, and does not."""

    number: int
    last: int
    file_name: str = ""
    start: Path | None = None
    end: Path | None = None
    is_surplus: bool = False

    @contextmanager
    def open(self) -> Iterator[PlainStream]:
        """Never opens: nobody knows its hash."""
        numbers = f"volume {self.number}"
        if self.last > self.number:
            numbers = f"volumes {self.number} to {self.last}"
        raise DamageError(f"the manifest does not name {numbers}")
        yield  # pragma: no cover - what makes it a context manager
