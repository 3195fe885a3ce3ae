"""The other side of `chunkvault.localfs.file_maker`: what the second process does."""

import gc
import marshal
import mmap
import os
import socket
from dataclasses import dataclass

from chunkvault.errors import ChunkvaultError
from chunkvault.localfs.apply import Target
from chunkvault.localfs.file_maker import FULL, SHARED_BYTES, Parcel
from chunkvault.localfs.frozen_nodes import thaw

__all__ = ["make_files"]


def make_files(
    channel: int, memory: int, target: int, temporary: bytes, *, numeric_owner: bool
) -> None:
    """Make the files of one slot after the other until nobody is there any more.

    Args:
        channel: descriptor of a socket: full slots in, answers out.
        memory: descriptor of the shared memory.
        target: descriptor of the directory that the files are made in.
        temporary: name of each file until it is whole.
        numeric_owner: owners are their numbers, not their names.
    """
    gc.disable()  # what is made here holds no cycles
    os.fchdir(target)
    with (
        socket.socket(fileno=channel) as messages,
        mmap.mmap(memory, SHARED_BYTES, prot=mmap.PROT_READ) as shared,
        memoryview(shared) as view,
        Target(b".", numeric_owner=numeric_owner) as directory,
    ):
        hands = _Hands(directory, view, temporary)
        while message := messages.recv(FULL.size):
            failed = hands.work_off(*FULL.unpack(message))
            if hands.are_stopped:
                return
            messages.send(marshal.dumps((failed, dict(directory.denied))))
            directory.denied.clear()


@dataclass(frozen=True, slots=True)
class _Hands:
    target: Target
    shared: memoryview
    temporary: bytes

    @property
    def are_stopped(self) -> bool:
        """Whether nobody wants the rest any more."""
        return self.shared[SHARED_BYTES - 1] != 0

    def work_off(self, start: int, length: int, slot: int) -> list[int]:
        """Make the listed files; the numbers of those that could not be made."""
        parcels = marshal.loads(self.shared[start : start + length])  # noqa: S302 - ours
        return [
            number
            for number, parcel in enumerate(map(Parcel._make, parcels))
            if self.are_stopped or not self._make(slot, parcel)
        ]

    def _make(self, slot: int, parcel: Parcel) -> bool:
        node = thaw(parcel.frozen_node)
        if node.links > 1:
            return False  # who makes its other names has to know this one
        start = slot + parcel.start
        data = self.shared[start : start + parcel.length]
        try:
            self.target.write_file(parcel.path, node, data, self.temporary)
        except (OSError, ChunkvaultError):
            return False  # why, is found out again where it can be told
        return True
