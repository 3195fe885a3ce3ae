"""What went over the wire: requests by kind, and bytes both ways."""

from collections import Counter
from threading import Lock

__all__ = ["Traffic"]


class Traffic:
    """Counters that every thread of a backend may add to.

    Attributes:
        requests: how many of each kind, under the words a store bills them by:
            ``"put"``, ``"get"``, ``"head"``, ``"list"``, ``"delete"``, ``"other"``.
        sent_bytes: content sent, without headers.
        received_bytes: content received, without headers.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.sent_bytes = 0
        self.received_bytes = 0
        self._lock = Lock()

    def count(self, kind: str, *, sent: int = 0, received: int = 0) -> None:
        """One request of a kind, whether it succeeded or not."""
        with self._lock:
            self.requests[kind] += 1
            self.sent_bytes += sent
            self.received_bytes += received
