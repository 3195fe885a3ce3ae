"""Signatures for an increment whose export was killed right before it stored them.

An increment gets its manifest before its signatures (see `SetWriter.finish`), so there
is a moment at which it has the one and not the others. To duplicity it is not there
then. Its other files are right, and may be known to caches; so only what is missing is
written.
"""

from chunkvault.duplicity.chains import BackupSet, Chain
from chunkvault.duplicity.export.changes import OldTreeUnreadableError, walk_changes
from chunkvault.duplicity.export.signature_writer import SignatureWriter
from chunkvault.duplicity.export.source import root_of
from chunkvault.errors import DamageError
from chunkvault.format.node import NodeKind
from chunkvault.format.snapshot import StoredSnapshot
from chunkvault.snapshots.tree_reader import TreeReader

__all__ = ["unsigned_set", "write_signatures"]


def unsigned_set(chain: Chain | None) -> BackupSet | None:
    """The newest set, if it lacks the signatures that the one before it has."""
    if chain is None or len(chain.sets) < 2:
        return None
    before, newest = chain.sets[-2:]
    is_signed = newest.signatures is not None or before.signatures is None
    return None if is_signed else newest


def write_signatures(
    writer: SignatureWriter,
    trees: TreeReader,
    snapshots: tuple[StoredSnapshot, StoredSnapshot],
    lost: set[bytes],
) -> bool:
    """Write those of the increment between two snapshots.

    Args:
        writer: just begun; it is finished here.
        trees: reads the snapshots.
        snapshots: of the set before, and of this one.
        lost: paths that may not be in the set, having been damaged. Saying of one
            that it is gone has duplicity back it up again.

    Returns:
        False where a snapshot is damaged, and nothing was written.
    """
    old, new = (root_of(trees, one.snapshot) for one in snapshots)
    try:
        for path, before, node in walk_changes(trees, (old, new), _pass_over):
            if node is None or path in lost:
                if before is not None:
                    writer.add_deleted(path)
            elif node.kind == NodeKind.FILE:
                writer.add_file(path, node)
            else:
                writer.add_object(path, node)
    except (OldTreeUnreadableError, DamageError):
        return False
    writer.finish()
    return True


def _pass_over(path: bytes, error: DamageError) -> None:
    """The export that wrote the set has told of it."""
