"""What an archive is the history of: one machine, and one folder or several.

An archive of duplicity holds one source. Its manifests name the machine and the folder,
so that duplicity notices when it is asked to go on with something else.
"""

import re
from collections.abc import Sequence

from chunkvault.duplicity.export.archive_state import ArchiveState
from chunkvault.duplicity.export.changes import Root
from chunkvault.duplicity.manifest import Manifest
from chunkvault.errors import SafetyStop, UsageError
from chunkvault.format.node import EMPTY_DIRECTORY, NodeKind
from chunkvault.format.snapshot import Snapshot, StoredSnapshot
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = [
    "folder_of",
    "host_of",
    "require_one_series",
    "require_same_source",
    "root_of",
]

_WHITESPACE = re.compile(rb"\s")
_ROOTS = (NodeKind.DIRECTORY, NodeKind.FILE)

_Source = tuple[bytes | None, bytes]


def require_one_series(snapshots: Sequence[StoredSnapshot]) -> None:
    """An archive holds the history of one thing.

    Raises:
        UsageError: the snapshots are of several machines or of other folders.
    """
    series = {(one.snapshot.host, one.snapshot.paths) for one in snapshots}
    if len(series) > 1:
        shown = "; ".join(sorted(_describe(*one) for one in series)[:4])
        raise UsageError(
            f"the snapshots are of {len(series)} different sources: {shown}",
            hint="a folder of duplicity holds one: choose with --host, --path or"
            " --tag, and export the others to folders of their own",
        )


def folder_of(trees: TreeReader, snapshot: Snapshot) -> bytes:
    """What an archive shows as ``.``: what was backed up, or ``/`` for several.

    Raises:
        DamageError: the snapshot's trees cannot be read.
    """
    if len(snapshot.paths) != 1:
        return b"/"
    node = trees.lookup(snapshot.tree, snapshot.paths[0])
    return snapshot.paths[0] if node is not None and node.kind in _ROOTS else b"/"


def root_of(trees: TreeReader, snapshot: Snapshot) -> Root:
    """The folder, or the file, that becomes the root of the archive.

    Raises:
        DamageError: the snapshot's trees cannot be read.
    """
    node = trees.lookup(snapshot.tree, folder_of(trees, snapshot))
    if node is None:
        return Root(EMPTY_DIRECTORY, snapshot.tree)
    return Root(node._replace(name=b""), node.subtree)


def host_of(snapshot: Snapshot) -> bytes | None:
    """The machine, as a manifest can name it."""
    host = snapshot.host.encode("utf-8", "surrogateescape")
    try:
        host.decode("utf-8")
    except UnicodeDecodeError:
        return None  # duplicity could not read the manifest
    return None if not host or _WHITESPACE.search(host) else host


def require_same_source(
    trees: TreeReader, snapshot: Snapshot, state: ArchiveState
) -> None:
    """Refuse to mix two sources in one archive.

    What duplicity itself has added may be of any folder: it goes on from wherever the
    files were restored to. Then the newest set that an export wrote decides.

    Raises:
        SafetyStop: the archive is of another machine or folder.
    """
    source = host_of(snapshot), folder_of(trees, snapshot)
    manifest = state.manifest
    if (
        manifest is not None
        and manifest.snapshot is None
        and not _fits(manifest, source)
    ):
        manifest = state.origins.newest_own() or manifest
    if manifest is None or _fits(manifest, source):
        return
    old = _describe_bytes(manifest.host, manifest.folder)
    new = _describe_bytes(*source)
    raise SafetyStop(
        f"the archive is of {old}, the snapshots are of {new}",
        hint="name another folder: duplicity keeps one source in each",
    )


def _fits(manifest: Manifest, source: _Source) -> bool:
    host, folder = source
    return manifest.host in (None, host) and manifest.folder in (None, folder)


def _describe(host: str, paths: tuple[bytes, ...]) -> str:
    shown = ", ".join(path.decode(errors="backslashreplace") for path in paths)
    return f"{shown} of {host}"


def _describe_bytes(host: bytes | None, folder: bytes | None) -> str:
    name = (host or b"an unknown machine").decode(errors="backslashreplace")
    path = (folder or b"an unknown folder").decode(errors="backslashreplace")
    return f"{path} of {name}"
