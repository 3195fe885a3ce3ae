"""From a list of files to backup sets and chains, as duplicity would see them.

A set is a full backup or an increment: volumes, a manifest, signatures. A chain is a
full set with the increments that follow it, tied together by nothing but the times
in the names: an increment starts at the very second at which the set before ends.
Source: ``dup_collections.py`` of duplicity.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chunkvault.duplicity.names import (
    NO_PREFIXES,
    FileKind,
    FileName,
    Prefixes,
    parse_name,
)

__all__ = ["ArchiveListing", "BackupSet", "Chain", "sort_files"]


@dataclass(slots=True)
class BackupSet:
    """The files of one backup.

    Attributes:
        start: time of the set that it continues, None for a full one; seconds
            since the epoch.
        end: its own time.
        volumes: their files by number.
        manifest: its file; without one the set is incomplete.
        signatures: its file; needed to list and to continue, not to restore.
    """

    start: int | None
    end: int
    volumes: dict[int, str] = field(default_factory=dict)
    manifest: str | None = None
    signatures: str | None = None
    statistics: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether it needs no other set."""
        return self.start is None

    @property
    def is_complete(self) -> bool:
        """Whether duplicity got as far as the manifest, which it writes last."""
        return self.manifest is not None

    @property
    def files(self) -> list[str]:
        """All of its files, the manifest first: without it the rest is nothing."""
        kept = (self.manifest, self.signatures, self.statistics)
        return [*filter(None, kept), *self.volumes.values()]


@dataclass(frozen=True, slots=True)
class Chain:
    """A full set and its increments, oldest first."""

    sets: list[BackupSet]

    @property
    def start(self) -> int:
        """Time of the full set."""
        return self.sets[0].end

    @property
    def end(self) -> int:
        """Time of the newest set."""
        return self.sets[-1].end


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveListing:
    """What an archive holds.

    Attributes:
        chains: oldest first.
        incomplete: sets without a manifest: a backup was interrupted.
        orphaned: increments that continue no set that is there, oldest first.
        doubled: files that stand for the same as another one; duplicity fails
            wherever there are any.
        strays: files that duplicity takes for its own, and whose names it never
            writes.
        partial: files that duplicity was still writing.
        foreign: everything else.
    """

    chains: list[Chain]
    incomplete: list[BackupSet]
    orphaned: list[BackupSet]
    doubled: list[str]
    strays: list[str]
    partial: list[str]
    foreign: list[str]

    @property
    def newest(self) -> Chain | None:
        """The chain that ends last."""
        return max(self.chains, key=lambda chain: chain.end, default=None)

    @property
    def sets(self) -> list[BackupSet]:
        """The complete sets of all chains."""
        return [one for chain in self.chains for one in chain.sets]


def sort_files(
    names: Iterable[str], prefixes: Prefixes = NO_PREFIXES
) -> ArchiveListing:
    """Sort the files of an archive into sets and chains."""
    sets: dict[tuple[int | None, int], BackupSet] = {}
    listing = ArchiveListing(
        chains=[],
        incomplete=[],
        orphaned=[],
        doubled=[],
        strays=[],
        partial=[],
        foreign=[],
    )
    for name in sorted(names):
        parsed = parse_name(name, prefixes)
        if parsed is None:
            listing.foreign.append(name)
        elif parsed.is_stray:
            listing.strays.append(name)
        elif parsed.is_partial:
            listing.partial.append(name)
        else:
            key = (parsed.start, parsed.end)
            one = sets.setdefault(key, BackupSet(*key))
            if not _add(one, parsed, name):
                listing.doubled.append(name)
    _link(list(sets.values()), listing)
    return listing


def _add(one: BackupSet, parsed: FileName, name: str) -> bool:
    """Put a file into its set; False if the place is taken."""
    if parsed.kind is FileKind.VOLUME:
        return one.volumes.setdefault(parsed.volume, name) == name
    slot = parsed.kind.value
    if getattr(one, slot) is not None:
        return False
    setattr(one, slot, name)
    return True


def _link(sets: list[BackupSet], listing: ArchiveListing) -> None:
    # Of two increments with one start duplicity keeps the one that ends later.
    in_order = sorted(sets, key=lambda one: (one.end, one.start or 0))
    ends: dict[int, Chain] = {}
    longest = _longest(in_order)
    for one in in_order:
        if not one.is_complete:
            listing.incomplete.append(one)
        elif one.start is None:
            chain = Chain([one])
            listing.chains.append(chain)
            ends[one.end] = chain
        elif (chain_before := ends.get(one.start)) and longest[one.start] is one:
            chain_before.sets.append(one)
            ends[one.end] = ends.pop(one.start)
        else:
            listing.orphaned.append(one)


def _longest(in_order: list[BackupSet]) -> dict[int, BackupSet]:
    """Of the complete increments with the same start, the one that ends last."""
    return {
        one.start: one for one in in_order if one.start is not None and one.is_complete
    }
