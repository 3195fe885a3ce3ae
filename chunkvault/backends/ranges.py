"""Ranges of HTTP: what to ask for, and what an answer really holds (RFC 9110, 14)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Extent", "parse_content_range", "range_header", "read_range"]

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Extent:
    """What a ``Content-Range`` says: first byte, length, and the whole's size.

    Attributes:
        offset: of the first byte that came.
        length: how many came.
        total: size of the object; ``None`` if the server does not say.
    """

    offset: int
    length: int
    total: int | None

    def answers(self, offset: int, length: int | None) -> bool:
        """Whether this is what was asked for, as far as the object reaches."""
        if self.offset != offset:
            return False
        rest = None if self.total is None else self.total - offset
        wanted = rest if length is None else length
        if wanted is None:
            return True
        return self.length == (wanted if rest is None else min(wanted, rest))


def read_range(
    fetch: Callable[[int, int | None], bytes], offset: int, length: int | None
) -> bytes:
    """A range of an object: of no bytes it is only seen whether the object is there.

    Args:
        fetch: given offset and length; it cannot be asked for nothing.
        offset: of the range.
        length: of the range; None for all from there on.
    """
    if length == 0:
        fetch(0, 1)
        return b""
    return fetch(offset, length)


def range_header(offset: int, length: int | None) -> str:
    """The value of ``Range``; empty for all of it. A length is not 0."""
    if length is None:
        return f"bytes={offset}-" if offset else ""
    return f"bytes={offset}-{offset + length - 1}"


def parse_content_range(text: str) -> Extent | None:
    """Read a ``Content-Range``; ``None`` for one that makes no sense."""
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    if last < first or (total is not None and last >= total):
        return None
    return Extent(first, last - first + 1, total)
