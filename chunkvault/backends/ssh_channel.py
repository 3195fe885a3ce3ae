"""Bytes to and from a program that ``ssh`` starts on another machine.

The user's own ``ssh`` does it, so that everything they have set up works: hosts and
jump hosts in ``~/.ssh/config``, agents, hardware keys, known hosts. It never asks:
what it would ask ends as an error that says so (`chunkvault.backends.ssh_failures`).
"""

import os
import select
import socket
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from chunkvault.backends.ssh_failures import explain
from chunkvault.errors import StorageUnreachable, UsageError

__all__ = ["STALL_S", "SshChannel"]

STALL_S = 60.0
"""How long nothing at all may come or go while an answer is due."""

_READ_BYTES = 256 * 1024
_BUFFERS_AT_ONCE = 64
_COMPLAINT_BYTES = 8 * 1024
_GOODBYE_S = 5.0


class SshChannel:
    """A child process, spoken to through a socket; for one thread at a time.

    The child cannot outlive this process for long: its input ends with us, and
    ``ssh`` gives up a dead line by itself. It is in a session of its own, so that
    Ctrl-C ends it only after what is being stored.

    Attributes:
        store: what messages call the other side.
        stall_s: how long nothing at all may come or go.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        store: str,
        stall_s: float = STALL_S,
    ) -> None:
        """Start the command; connecting goes on in the background.

        Args:
            command: program and arguments.
            environment: of the child, and where its program is looked for.
            store: what messages call the other side.
            stall_s: see `STALL_S`.

        Raises:
            UsageError: there is no such program.
        """
        self.store = store
        self.stall_s = stall_s
        self._outgoing: deque[memoryview] = deque()
        self._complaint = b""
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _start(command, environment, theirs)
            except OSError as error:
                self._socket.close()
                raise UsageError(
                    f"cannot start {command[0]}: {(error.strerror or '').lower()}",
                    hint="install the OpenSSH client: sftp locations need it",
                ) from error
        self._errors = self._errors_of(self._process)
        self._socket.settimeout(0)
        self._poll = select.poll()
        self._poll.register(self._errors, select.POLLIN)

    @property
    def process_id(self) -> int:
        """Of the child."""
        return self._process.pid

    @property
    def unsent_bytes(self) -> int:
        """What `send` has queued and the child has not taken yet."""
        return sum(map(len, self._outgoing))

    def send(self, *buffers: bytes | memoryview) -> None:
        """Queue bytes; they go out while `receive` waits, or by `flush`.

        The buffers must stay as they are until then.
        """
        self._outgoing.extend(memoryview(buffer) for buffer in buffers if buffer)

    def flush(self) -> None:
        """Send what goes without waiting.

        Raises:
            BackendError: the line is dead.
        """
        if self._outgoing:
            self._write()

    def receive(self) -> bytes:
        """Send what is queued until something comes, and return that.

        Raises:
            BackendError: the line is dead or the child gave up; of the kind that
                fits what ``ssh`` said about it.
            StorageUnreachable: nothing came or went for so long.
        """
        while True:
            wanted = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
            self._poll.register(self._socket, wanted)
            events = dict(self._poll.poll(self.stall_s * 1000))
            if not events:
                raise StorageUnreachable(
                    f"{self.store} has not answered for {self.stall_s:.0f} seconds"
                )
            if self._errors in events:
                self._read_complaint()
            event = events.get(self._socket.fileno(), 0)
            if event & select.POLLOUT:
                self._write()
            if event & ~select.POLLOUT:
                return self._read()

    def is_silent(self) -> bool:
        """Whether nothing has come that nobody asked for: not even the end."""
        with suppress(OSError):
            self._socket.recv(1, socket.MSG_PEEK)
            return False
        return self._process.poll() is None

    def close(self, *, is_orderly: bool = False) -> None:
        """End the child: at once, or letting it do what was sent already."""
        if is_orderly:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GOODBYE_S)
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1
        self._socket.close()
        self._outgoing.clear()
        self._process.kill()
        self._process.wait()

    @staticmethod
    def _errors_of(process: subprocess.Popen[bytes]) -> int:
        assert process.stderr is not None
        errors = os.dup(process.stderr.fileno())
        process.stderr.close()
        os.set_blocking(errors, False)
        return errors

    def _write(self) -> None:
        buffers = [self._outgoing.popleft() for _ in range(self._batch_length())]
        try:
            sent = self._socket.sendmsg(buffers)
        except BlockingIOError:
            sent = 0
        except OSError:
            raise self._lost() from None
        while buffers and sent >= len(buffers[0]):
            sent -= len(buffers.pop(0))
        if sent:
            buffers[0] = buffers[0][sent:]
        self._outgoing.extendleft(reversed(buffers))

    def _batch_length(self) -> int:
        return min(len(self._outgoing), _BUFFERS_AT_ONCE)

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            raise self._lost()
        return data

    def _read_complaint(self) -> None:
        """Take what ``ssh`` has written; only the end of it is of interest."""
        try:
            text = os.read(self._errors, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if not text:
            self._poll.unregister(self._errors)
        self._complaint = (self._complaint + text)[-_COMPLAINT_BYTES:]

    def _lost(self) -> Exception:
        """The error to raise now that the child has hung up."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GOODBYE_S)
        with suppress(KeyError, ValueError, OSError):
            self._read_complaint()
        return explain(self._complaint, self.store)


def _start(
    command: Sequence[str], environment: Mapping[str, str], theirs: socket.socket
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - a list, no shell
        list(command),
        stdin=theirs.fileno(),
        stdout=theirs.fileno(),
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    )
