"""What has to be right before anything of an archive is imported."""

from chunkvault.duplicity.archive_reader import ArchiveReader
from chunkvault.duplicity.chains import ArchiveListing
from chunkvault.duplicity.folder import ArchiveFolder
from chunkvault.duplicity.names import Prefixes, parse_name
from chunkvault.errors import ChunkvaultError

__all__ = ["require_sets", "unlock"]

_TRIED_CHAINS = 6


def unlock(archive: ArchiveReader, listing: ArchiveListing, prefixes: Prefixes) -> None:
    """Find out whether the passphrase or key is right, and ask for it if need be.

    A few manifests are tried: one may be damaged, and chains may have passphrases
    of their own.

    Raises:
        WrongKey: none of them opens.
    """
    sets = listing.sets
    ends = [chain.sets[-1] for chain in listing.chains[-_TRIED_CHAINS:]]
    tried = [*reversed(ends), *sets[-2:-1], *sets[:1]]
    names = dict.fromkeys(one.manifest for one in tried if one.manifest)
    parsed = [(name, parse_name(name, prefixes)) for name in names]
    archive.unlock((name, known) for name, known in parsed if known)


def require_sets(listing: ArchiveListing, folder: ArchiveFolder) -> None:
    """Refuse a place where there is nothing of duplicity's at all.

    Raises:
        ChunkvaultError: it is such a place.
    """
    if listing.sets or listing.incomplete or listing.orphaned:
        return
    if not folder.is_there:
        raise ChunkvaultError(
            f"there is no folder {folder.place}",
            hint="name the one that holds the files of duplicity",
        )
    has_files = listing.foreign or listing.strays or listing.partial
    raise ChunkvaultError(
        f"there is no archive of duplicity in {folder.place}",
        hint="if its files have a prefix, name it with --file-prefix"
        if has_files
        else "it holds no files; folders in it are not looked into",
    )
