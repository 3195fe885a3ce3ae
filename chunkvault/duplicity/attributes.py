"""From the header of a member to the node of a tree."""

import os

from chunkvault.duplicity.own_records import decode_own_records
from chunkvault.duplicity.tar_reader import TarMember
from chunkvault.format.node import EMPTY_DIRECTORY, Node, NodeKind

__all__ = ["make_node"]

_LINK_MODE = 0o777
_DEVICES = (NodeKind.CHARACTER_DEVICE, NodeKind.BLOCK_DEVICE)


def make_node(member: TarMember) -> tuple[Node, tuple[tuple[int, int], ...]]:
    """The attributes that a member gives to what it names; no name, no content.

    Returns:
        The node, and the holes (offset, length) of a file. Both have what our own
        export carries in records that duplicity does not know.

    Raises:
        FormatError: one of these records makes no sense.
    """
    is_link = member.kind == NodeKind.SYMLINK
    rdev = os.makedev(*member.device) if member.kind in _DEVICES else 0
    node = EMPTY_DIRECTORY._replace(
        kind=member.kind,
        mode=_LINK_MODE if is_link else member.mode,
        uid=member.uid,
        gid=member.gid,
        user=member.user,
        group=member.group,
        mtime_ns=member.mtime_ns,
        rdev=rdev,
        target=member.target if is_link else b"",
    )
    own = decode_own_records(member.records)
    if own is None:
        return node, ()
    known = own._asdict()
    holes = known.pop("holes")
    return node._replace(**known), holes
