"""Nodes to restore: owned by whoever runs the test, so that nothing is denied."""

import os
from collections.abc import Callable
from pathlib import Path

from chunkvault.format.node import Node, NodeKind
from chunkvault.localfs.apply import Target
from tests.support.trees import make_node

__all__ = ["NOBODY", "directory_node", "file_node", "link_node", "restore", "run_as"]

NOBODY = 65534
"""A user without rights."""


def file_node(size: int = 0, **fields: object) -> Node:
    """A regular file of ours."""
    ours = {"uid": os.geteuid(), "gid": os.getegid(), "mtime_ns": 10**18 + 1}
    return make_node(**({"size": size} | ours | fields))


def directory_node(**fields: object) -> Node:
    """A directory of ours."""
    return file_node(**({"kind": NodeKind.DIRECTORY, "mode": 0o755} | fields))


def link_node(points_to: bytes, **fields: object) -> Node:
    """A symbolic link of ours."""
    kind = {"kind": NodeKind.SYMLINK, "mode": 0o777, "target": points_to}
    return file_node(**(kind | fields))


def restore(
    target: Target, path: bytes, content: bytes = b"", **fields: object
) -> Node:
    """Restore one file; returns its node."""
    node = file_node(len(content), **fields)
    with target.create_file(path, len(content)) as file:
        if content:
            file.write_at(0, content)
        file.commit(node)
    return node


def run_as(user: int, folder: Path, action: Callable[[], None]) -> None:
    """Run an action in a process of another user, with ``folder`` as its directory.

    The way to the folder may be barred for that user. A failure of the action is a
    failure here.
    """
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        failure = b""
        try:
            os.chdir(folder)
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            action()
        except BaseException as error:  # noqa: BLE001 - told by the parent
            failure = repr(error).encode()
        os.write(sender, failure)
        os._exit(bool(failure))
    os.close(sender)
    failure = os.read(receiver, 65536)
    os.close(receiver)
    _, status = os.waitpid(child, 0)
    assert status == 0, failure.decode()
