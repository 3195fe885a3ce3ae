"""Nodes as bytes, for a moment: in a nameless file or in memory of our own.

In Python's own form, which trusts its input and so is for nothing that was stored
or sent; it takes a fifth of msgpack's time.
"""

import marshal

from chunkvault.format.node import Node

__all__ = ["freeze", "thaw"]


def freeze(node: Node) -> bytes:
    """The node as bytes that only this very version of the program reads."""
    return marshal.dumps(tuple(node))


def thaw(frozen: bytes) -> Node:
    """Undo `freeze`, of bytes that nobody else can have written."""
    return Node._make(marshal.loads(frozen))  # noqa: S302 - see above
