"""Whole files made by a second process, while this one goes on.

To make a small file is seven calls of the system and as much Python around them, and
of Python one thread runs at a time. A second process has an interpreter of its own.
It is a pair of hands and no more: it knows the target and neither repository nor
keys, and is given finished content. Whatever it could not do comes back, and is then
done here, with all the messages there are for it. So is what it had in hand if it
dies: it may be killed at any moment and nothing is lost.

What both share is memory, in `SLOTS` slots. Into one the contents of files are
copied, one after the other, and behind them the list of what they are; then a short
message says that the slot is full, and another, from there, that it was worked off.
So nobody waits in the middle of a large message.
"""

import errno
import marshal
import mmap
import os
import socket
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from struct import Struct
from typing import Generic, NamedTuple, TypeVar

from chunkvault.localfs.place import temporary_name
from chunkvault.processes import start_python

__all__ = [
    "FULL",
    "MESSAGE_BYTES",
    "SHARED_BYTES",
    "SLOT_BYTES",
    "FileMaker",
    "Parcel",
]

SLOT_BYTES = 8 << 20
_SLOTS = 3
"""One that is worked off, one that waits, one that is being filled."""

SHARED_BYTES = _SLOTS * SLOT_BYTES + 1
"""The last byte, if it is not zero, says: finish the file at hand, and end."""

FULL = Struct("<QQQ")
"""Message: where in the memory a list begins, its length, where its slot begins."""

MESSAGE_BYTES = 128 << 10
"""The longest answer: numbers of files of one slot, and counts."""

_MAX_FILES = 4096
_LISTED_BYTES = 64
"""What a file takes in the list besides path and node, at most."""

_ASKS_BEFORE = 2
"""Slots under way from which on it has enough to do."""

_Tag = TypeVar("_Tag")


class Parcel(NamedTuple):
    """A file to be made: path and frozen node, and where in the slot its content is."""

    path: bytes
    frozen_node: bytes
    start: int
    length: int


class _Slot(Generic[_Tag]):
    """A part of the memory, and what is in it."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.clear()

    def clear(self) -> None:
        self.parcels: list[Parcel] = []
        self.tags: list[_Tag] = []
        self.used = 0
        self.listed = 0


class FileMaker(Generic[_Tag]):
    """A process that makes files below a directory; a context manager that ends it.

    For one thread. Each file that it takes comes back in `finished`, once.

    Attributes:
        denied: metadata that could not be set, counted by what it was.
        temporary: the name that it gives to each file at first; where it is dead
            one of the files that come back may have it.
        is_alive: as far as is known.
    """

    def __init__(self, target: int, *, numeric_owner: bool) -> None:
        """Start it.

        Args:
            target: descriptor of the directory.
            numeric_owner: owners are their numbers, not their names.

        Raises:
            OSError: this system does not let us; nothing was started.
        """
        self.denied: Counter[str] = Counter()
        self.temporary = temporary_name()
        self.is_alive = True
        with ExitStack() as unless_started:
            memory = _share_memory()
            unless_started.callback(os.close, memory)
            self._memory = mmap.mmap(memory, SHARED_BYTES)
            unless_started.callback(self._memory.close)
            self._channel, theirs = socket.socketpair(
                socket.AF_UNIX, socket.SOCK_SEQPACKET
            )
            unless_started.callback(self._channel.close)
            with theirs:
                self._process = start_python(
                    "from chunkvault.localfs.file_maker_process import make_files; "
                    f"make_files({theirs.fileno()}, {memory}, {target}, "
                    f"{self.temporary!r}, numeric_owner={numeric_owner})",
                    (theirs.fileno(), memory, target),
                )
            unless_started.pop_all()
        os.close(memory)
        self._free = [_Slot[_Tag](number * SLOT_BYTES) for number in range(_SLOTS)]
        self._under_way: deque[_Slot[_Tag]] = deque()
        self._filling: _Slot[_Tag] | None = None

    def __enter__(self) -> "FileMaker[_Tag]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_busy(self) -> bool:
        """Whether it has enough to do, or does nothing any more."""
        return not self.is_alive or len(self._under_way) >= _ASKS_BEFORE

    def offer(self, tag: _Tag, path: bytes, frozen_node: bytes, data: bytes) -> bool:
        """Have a file made, with all its content; False if it was not taken."""
        if not self.is_alive or not (self._filling or self._free):
            return False
        slot = self._filling = self._filling or self._free.pop()
        listed = len(path) + len(frozen_node) + _LISTED_BYTES
        end = slot.used + len(data)
        if end + slot.listed + listed > SLOT_BYTES or len(slot.tags) >= _MAX_FILES:
            return False
        self._memory[slot.start + slot.used : slot.start + end] = data
        slot.parcels.append(Parcel(path, frozen_node, slot.used, len(data)))
        slot.tags.append(tag)
        slot.used = end
        slot.listed += listed
        return True

    def send(self) -> None:
        """Let it begin with what was offered."""
        slot = self._filling
        if slot is None or not slot.tags:
            return
        parcels = marshal.dumps([tuple(parcel) for parcel in slot.parcels])
        start = slot.start + slot.used
        self._memory[start : start + len(parcels)] = parcels
        self._filling = None
        self._under_way.append(slot)
        with suppress(OSError):  # it is dead: the next answer tells
            self._channel.send(FULL.pack(start, len(parcels), slot.start))

    def finished(self, *, wait: bool) -> Iterator[tuple[_Tag, bytes | None]]:
        """What it is done with, in the order offered; with ``wait`` all that was sent.

        A file that it could not make comes with its content, and is the caller's to
        make.
        """
        while self._under_way:
            answer = self._next_answer(wait=wait)
            if answer is None:
                return
            slot = self._under_way.popleft()
            failed = self._read(answer) if answer else set(range(len(slot.tags)))
            for number, tag in enumerate(slot.tags):
                yield tag, self._content(slot, number) if number in failed else None
            slot.clear()
            self._free.append(slot)

    def close(self) -> None:
        """Let it finish the file at hand, and wait for its end."""
        if self._memory.closed:
            return
        self._memory[SHARED_BYTES - 1] = 1
        self._channel.close()
        self._process.wait()
        self._memory.close()

    def _next_answer(self, *, wait: bool) -> bytes | None:
        """None if there is none yet; nothing in it if it is dead."""
        if not self.is_alive:
            return b""
        try:
            flags = 0 if wait else socket.MSG_DONTWAIT
            answer = self._channel.recv(MESSAGE_BYTES, flags)
        except BlockingIOError:
            return None
        except OSError:
            answer = b""
        self.is_alive = bool(answer)
        return answer

    def _read(self, answer: bytes) -> set[int]:
        failed, denied = marshal.loads(answer)  # noqa: S302 - our own process
        self.denied.update(denied)
        return set(failed)

    def _content(self, slot: _Slot[_Tag], number: int) -> bytes:
        parcel = slot.parcels[number]
        start = slot.start + parcel.start
        return self._memory[start : start + parcel.length]


def _share_memory() -> int:
    """A descriptor of memory that another process can have, too."""
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, "this system has no memory to share")
    descriptor = os.memfd_create("chunkvault", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, SHARED_BYTES)
    return descriptor
