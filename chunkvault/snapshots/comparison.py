"""When two nodes are the same version of a file, and what differs if not.

ctime, inode, device and link count are left out: they tell a scan whether a file
has to be read, and change without anything worth a version (a restore, a move to
another disk, a second name).
"""

from chunkvault.format.node import Node

__all__ = ["own_version", "same_content", "same_metadata", "same_version"]


def same_content(old: Node, new: Node) -> bool:
    """Whether both are of one kind and hold the same.

    That is the bytes of a file, the target of a symbolic link, the number of a
    device. The entries of a directory are nodes of their own and do not count.
    """
    return _content(old) == _content(new)


def same_metadata(old: Node, new: Node) -> bool:
    """Whether owner, permissions, time and extended attributes are the same."""
    return _metadata(old) == _metadata(new)


def same_version(old: Node, new: Node) -> bool:
    """Whether a person would call both the same version.

    For a directory that includes everything below it.
    """
    return (
        same_content(old, new)
        and same_metadata(old, new)
        and old.subtree == new.subtree
    )


def own_version(node: Node) -> tuple[object, ...]:
    """Equal for nodes of one version; what is below a directory does not count."""
    return _content(node) + _metadata(node)


def _content(node: Node) -> tuple[object, ...]:
    return (
        node.kind,
        node.size,
        node.content,
        node.content_list,
        node.target,
        node.rdev,
    )


def _metadata(node: Node) -> tuple[object, ...]:
    return (
        node.mtime_ns,
        node.mode,
        node.uid,
        node.gid,
        node.user,
        node.group,
        node.xattrs,
    )
