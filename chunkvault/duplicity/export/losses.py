"""What duplicity cannot hold: counted while it is written, told once at the end."""

from chunkvault.format.node import Node, NodeKind

__all__ = ["count_losses"]

_NS = 10**9


def count_losses(counts: dict[str, int], node: Node, *, is_sparse: bool) -> None:
    """Add what an entry has that duplicity loses."""
    if node.kind != NodeKind.DIRECTORY and node.links > 1:
        _add(counts, "hard links")
    if node.xattrs:
        _add(counts, "extended attributes")
    if is_sparse:
        _add(counts, "holes")
    if node.mtime_ns % _NS:
        _add(counts, "fractions of seconds")
    if node.mtime_ns < 0:
        _add(counts, "times before 1970")


def _add(counts: dict[str, int], what: str) -> None:
    counts[what] = counts.get(what, 0) + 1
