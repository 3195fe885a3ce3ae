"""Which requests fail, and how."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Fault", "Request", "Rule"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to a request, in this order.

    Attributes:
        delay_s: it is only passed on after so long.
        stall: no answer comes until the proxy ends, and nothing is passed on.
        reset_before: the connection is reset, and nothing is passed on.
        status: the answer, with ``body``; nothing is passed on.
        retry_after: header of that answer.
        body: of that answer.
        etag: header of that answer.
        swallow: it is passed on and carried out, then the connection is reset.
        status_after: it is passed on and carried out, then this is the answer.
        cut_at: so many bytes of the answer's body come, then the connection ends.
        reset_at: the same with a reset.
        stall_at: the same, but nothing more happens.
        corrupt_at: this byte of the answer's body has a flipped bit.
        date: header of the answer that comes back, so that the server's clock seems
            to be another.
    """

    delay_s: float = 0.0
    stall: bool = False
    reset_before: bool = False
    status: int = 0
    retry_after: str = ""
    body: bytes = b""
    etag: str = ""
    swallow: bool = False
    status_after: int = 0
    cut_at: int | None = None
    reset_at: int | None = None
    stall_at: int | None = None
    corrupt_at: int | None = None
    date: str = ""


@dataclass(kw_only=True)
class Rule:
    """Which requests get a fault: of those that fit, counted from 1, some.

    Attributes:
        fault: what happens to them.
        method: only these requests; empty for all.
        path: only where this expression is found in path and query.
        first: the number of the first one.
        every: and from then on every n-th.
        times: but no more than so many; ``None`` for no end.
    """

    fault: Fault
    method: str = ""
    path: str = ""
    first: int = 1
    every: int = 1
    times: int | None = 1
    seen: int = field(default=0, init=False)
    applied: int = field(default=0, init=False)

    def takes(self, method: str, path: str) -> bool:
        """Whether the next request is one; counts it."""
        if self.method not in ("", method) or not re.search(self.path, path):
            return False
        self.seen += 1
        since = self.seen - self.first
        if since < 0 or since % self.every or self.applied == self.times:
            return False
        self.applied += 1
        return True


class Request(NamedTuple):
    """One request that came.

    Attributes:
        method: such as ``PUT``.
        path: with the query.
        fault: what was done to it; ``None`` for nothing.
        sent: bytes of its body.
    """

    method: str
    path: str
    fault: Fault | None
    sent: int
