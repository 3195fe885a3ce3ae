"""Connections that threads share, each of them used by one thread at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Generic, Protocol, TypeVar

__all__ = ["Connection", "ConnectionPool"]


class Connection(Protocol):
    """What a pool needs to know of a connection."""

    def end_turn(self) -> bool:
        """Its borrower is done, whatever came of it; True if another may use it."""

    def is_alive(self) -> bool:
        """False if the other side has hung up meanwhile; asks without waiting."""

    def close(self) -> None:
        """End it, in whatever state it is; may be called again."""


_Connection = TypeVar("_Connection", bound=Connection)


class ConnectionPool(Generic[_Connection]):
    """At most so many connections, opened when they are needed.

    The one that was used last is used next, so that those not needed stay idle.
    When one breaks, the idle ones are closed too: they took the same road.
    """

    def __init__(self, connect: Callable[[], _Connection], limit: int) -> None:
        self._connect = connect
        self._places = BoundedSemaphore(limit)
        self._idle: list[_Connection] = []
        self._lock = Lock()

    @contextmanager
    def borrow(self) -> Iterator[_Connection]:
        """A connection for this thread alone, until the block ends.

        Waits while all are in use. What `connect` raises is passed on, and the
        next one who borrows tries again.
        """
        with self._places:
            connection = self._take_idle() or self._connect()
            is_reusable = False
            try:
                try:
                    yield connection
                finally:
                    is_reusable = connection.end_turn()
            finally:
                if is_reusable:
                    self._give_back(connection)
                else:
                    connection.close()
                    self.close()

    def close(self) -> None:
        """Close the idle connections; those in use go on."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take_idle(self) -> _Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_alive():
                return connection
            connection.close()

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            self._idle.append(connection)
