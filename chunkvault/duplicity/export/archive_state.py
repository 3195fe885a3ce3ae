"""What the archive holds already, and where an export goes on.

The sets tell which snapshots they were made from: their manifests say so, or, where
these are encrypted to a key whose secret part is elsewhere, marker files beside them.
Such a one has a name that duplicity passes over::

    chunkvault-set.20231114T221320Z.<64 hex digits: the snapshot>
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from chunkvault.duplicity.archive_reader import ArchiveReader
from chunkvault.duplicity.chains import ArchiveListing, BackupSet, Chain, sort_files
from chunkvault.duplicity.export.origins import SetOrigins
from chunkvault.duplicity.export.signature_writer import SetTimes
from chunkvault.duplicity.folder import ArchiveFolder
from chunkvault.duplicity.gpg import Gpg, GpgOptions
from chunkvault.duplicity.manifest import Manifest
from chunkvault.duplicity.names import (
    FileKind,
    FileName,
    Prefixes,
    format_set_time,
    parse_name,
    parse_set_time,
)
from chunkvault.errors import ObjectExists, SafetyStop, WrongKey

__all__ = [
    "ArchiveFiles",
    "ArchiveState",
]

_REMOVAL = sorted(
    FileKind,
    key=lambda kind: (kind is not FileKind.MANIFEST, kind is not FileKind.SIGNATURES),
)
"""Without its manifest the rest is nothing; signatures alone would be in the way."""

_MARKED = re.compile(r"(\d{8}T\d{6}Z)\.([0-9a-f]{64})")
_MARKER_TEXT = b"chunkvault exported a snapshot to this set. duplicity ignores this.\n"


class ArchiveState(NamedTuple):
    """Where an export goes on.

    Attributes:
        listing: all that is there.
        chain: the newest one; None in an empty archive.
        manifest: of its newest set; None if it cannot be read here.
        origins: which snapshots the sets were made from.
        is_encrypted: whether the newest set is.
    """

    listing: ArchiveListing
    origins: SetOrigins
    chain: Chain | None = None
    manifest: Manifest | None = None
    is_encrypted: bool = False

    @property
    def end(self) -> int | None:
        """Time of the newest set, of a chain or not: what is added comes after it."""
        sets = (*self.listing.sets, *self.listing.orphaned)
        return max((one.end for one in sets), default=None)

    @property
    def snapshot(self) -> bytes | None:
        """That the newest set was made from; None if not ours, or nobody knows."""
        return None if self.chain is None else self.origins.at(self.chain.end)


class ArchiveFiles:
    """The files of an archive as an export finds and leaves them.

    Args:
        folder: where it is.
        gpg: what its files are to be encrypted with.
        prefixes: what stands in front of their names.
    """

    def __init__(
        self, folder: ArchiveFolder, gpg: Gpg | None, prefixes: Prefixes
    ) -> None:
        self._folder = folder
        self._gpg = gpg
        self._prefixes = prefixes
        self._marker = f"{prefixes.of(FileKind.MANIFEST)}chunkvault-set"

    def read_state(self) -> ArchiveState:
        """Look at the archive.

        Raises:
            SafetyStop: there are files at which duplicity would fail.
            WrongKey: the archive is encrypted with another passphrase.
            DamageError: the newest manifest is damaged.
        """
        names = (entry.name for entry in self._folder.list())
        listing = sort_files(names, self._prefixes)
        if bad := [*listing.strays, *listing.doubled]:
            raise SafetyStop(
                f"{self._folder.place} holds {bad[0]}, at which duplicity fails",
                hint="remove it if nothing else needs it",
            )
        origins = SetOrigins(listing.sets, self._marked(listing), self._read_manifest)
        chain = listing.newest
        if chain is None:
            return ArchiveState(listing, origins)
        newest = chain.sets[-1]
        manifest = self._read_manifest(newest)
        if manifest is not None:
            origins.learn(newest.end, manifest)
        is_encrypted = self._manifest_name(newest).is_encrypted
        return ArchiveState(listing, origins, chain, manifest, is_encrypted)

    def add_marker(self, end: int, snapshot: bytes) -> None:
        """Say in a file's name which snapshot a set is made from."""
        try:
            with self._folder.create(self._marker_name(end, snapshot)) as file:
                file.write(_MARKER_TEXT)
        except ObjectExists:
            return  # of an export that was interrupted right after

    def remove_marker(self, end: int, snapshot: bytes) -> None:
        """Take back what `add_marker` said, if it did."""
        self._folder.delete(self._marker_name(end, snapshot))

    def remove_stale_markers(self, listing: ArchiveListing) -> None:
        """Remove the markers whose sets duplicity has removed."""
        ends = {one.end for one in (*listing.sets, *listing.orphaned)}
        for name, end in self._marker_names(listing):
            if end not in ends:
                self._folder.delete(name)

    def remove_set(self, times: SetTimes) -> int:
        """Remove all files of a set that is not complete; how many there were."""
        names = [entry.name for entry in self._folder.list()]
        parsed = [(parse_name(name, self._prefixes), name) for name in names]
        files = [
            (_REMOVAL.index(one.kind), name)
            for one, name in parsed
            if one is not None and (one.start, one.end) == times
        ]
        for _, name in sorted(files):
            self._folder.delete(name)
        return len(files)

    def _read_manifest(self, one: BackupSet) -> Manifest | None:
        """The manifest of a set; None if it is encrypted to somebody else's key."""
        parsed, gpg = self._manifest_name(one), self._gpg
        if parsed.is_encrypted and gpg is None:
            return None
        reader = ArchiveReader(self._folder, gpg or Gpg(GpgOptions()))
        try:
            return reader.read_manifest(one.manifest or "", parsed)
        except WrongKey as error:
            assert gpg is not None, "without gpg nothing is decrypted"
            if gpg.options.recipients or gpg.options.hidden_recipients:
                return None
            raise WrongKey(
                f"the passphrase is not that of the archive in {self._folder.place}",
                hint="duplicity wants one passphrase for all files of an archive:"
                " give that one, or name another folder",
            ) from error

    def _manifest_name(self, one: BackupSet) -> FileName:
        assert one.manifest is not None, "a chain has complete sets only"
        parsed = parse_name(one.manifest, self._prefixes)
        assert parsed is not None, "it was parsed before"
        return parsed

    def _marker_name(self, end: int, snapshot: bytes) -> str:
        return f"{self._marker}.{format_set_time(end)}.{snapshot.hex()}"

    def _marked(self, listing: ArchiveListing) -> Iterator[tuple[int, bytes]]:
        for name, end in self._marker_names(listing):
            yield end, bytes.fromhex(name.rpartition(".")[2])

    def _marker_names(self, listing: ArchiveListing) -> Iterator[tuple[str, int]]:
        for name in listing.foreign:
            head, _, rest = name.partition(f"{self._marker}.")
            match = None if head else _MARKED.fullmatch(rest)
            end = parse_set_time(match[1]) if match else None
            if end is not None:
                yield name, end
