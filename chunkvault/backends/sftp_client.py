"""One connection to an SFTP server: requests by number, many under way at once.

Source: draft-ietf-secsh-filexfer-02; extensions as in OpenSSH's PROTOCOL. Requests
are queued by `SftpClient.ask` and answered through `SftpClient.wait`, in any order,
so that what does not depend on each other shares one round trip.
"""

from collections.abc import Mapping
from contextlib import suppress

from chunkvault.backends import sftp_replies as replies
from chunkvault.backends import sftp_requests as requests
from chunkvault.backends.sftp_replies import (
    DataReply,
    HandleReply,
    MalformedPacketError,
    Reply,
    Status,
    StatusReply,
)
from chunkvault.backends.sftp_requests import Kind
from chunkvault.backends.ssh_channel import SshChannel
from chunkvault.backends.traffic import Traffic
from chunkvault.errors import BackendError

__all__ = ["FSYNC", "HARDLINK", "STATVFS", "SftpClient", "StatusError"]

FSYNC = b"fsync@openssh.com"
HARDLINK = b"hardlink@openssh.com"
STATVFS = b"statvfs@openssh.com"
_LIMITS = b"limits@openssh.com"

_SAFE_BYTES = 32 * 1024
"""What every server reads or writes at once, says the draft."""

_MOST_BYTES = 255 * 1024
"""What OpenSSH reads or writes at once; more would not fit in a packet."""

_GOODBYE_S = 5.0
"""How long the answers to what was posted may take when the connection ends."""


class StatusError(Exception):
    """The server carried out a request with another result than success.

    Attributes:
        code: of `Status`, or one that nobody knows.
        message: the server's, may hold anything.
    """

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SftpClient:
    """For one thread at a time; see `ConnectionPool`.

    What is raised, besides `StatusError`: a `BackendError` when the connection is
    lost or the server does not keep to the protocol. The client is useless then.

    Attributes:
        traffic: where requests are counted, by those who make them; coming to an
            understanding at the start is none.
        read_bytes: the most to be asked for at once.
        write_bytes: the most to be written at once.
        open_handles: how many may be open at once; 0 if the server does not say.
    """

    def __init__(self, channel: SshChannel, traffic: Traffic) -> None:
        """Agree on the version; the channel belongs to the client from now on."""
        self.traffic = traffic
        self.read_bytes = self.write_bytes = _SAFE_BYTES
        self.open_handles = 0
        self._channel = channel
        self._received = bytearray()
        self._last_id = 0
        self._open_ids: set[int] = set()  # sent, not answered
        self._forgotten: set[int] = set()  # of these, those nobody waits for
        self._replies: dict[int, Reply] = {}
        self._asked_limits = 0  # number of that request
        self._extensions: Mapping[bytes, bytes] = {}
        self._is_broken = True
        try:
            self._shake_hands()
        except BaseException:
            channel.close()
            raise
        self._is_broken = False

    @property
    def process_id(self) -> int:
        """Of the child that holds the connection."""
        return self._channel.process_id

    def offers(self, extension: bytes) -> bool:
        """Whether the server knows an extension in the version that is used here."""
        return self._extensions.get(extension) in (b"1", b"2")

    def ask(self, kind: Kind, *fields: bytes) -> int:
        """Queue a request; its number is what to wait for."""
        request_id = self._new_id()
        self._channel.send(requests.encode_request(kind, request_id, *fields))
        return request_id

    def ask_extension(self, extension: bytes, *fields: bytes) -> int:
        """Queue a request of an extension that the server offers."""
        return self.ask(Kind.EXTENDED, requests.encode_string(extension), *fields)

    def ask_write(self, handle: bytes, offset: int, data: memoryview) -> int:
        """Queue a request to write; the data must stay until it is answered."""
        request_id = self._new_id()
        head = requests.encode_write_head(request_id, handle, offset, len(data))
        self._channel.send(head, data)
        return request_id

    def post(self, kind: Kind, *fields: bytes) -> None:
        """Queue a request whose answer does not matter."""
        self._forgotten.add(self.ask(kind, *fields))

    def wait(self, request_id: int) -> Reply:
        """The answer, which is not a status of failure.

        Raises:
            StatusError: it is one.
        """
        while request_id not in self._replies:
            self._take_in()
        reply = self._replies.pop(request_id)
        if isinstance(reply, StatusReply) and reply.code != Status.OK:
            raise StatusError(reply.code, reply.message)
        return reply

    def wait_done(self, request_id: int) -> None:
        """The answer to a request that gives nothing back."""
        self.expect(StatusReply, self.wait(request_id))

    def wait_handle(self, request_id: int) -> bytes:
        """The answer to a request that opens something, ready to be sent."""
        reply = self.wait(request_id)
        if not isinstance(reply, HandleReply):
            raise self.refuse("no handle for an open file")
        return requests.encode_string(reply.handle)

    def wait_data(self, request_id: int, asked_bytes: int) -> bytes:
        """The answer to a request to read: empty at the end of the file."""
        try:
            reply = self.wait(request_id)
        except StatusError as error:
            if error.code != Status.END_OF_FILE:
                raise
            return b""
        if not isinstance(reply, DataReply) or not 0 < len(reply.data) <= asked_bytes:
            raise self.refuse("not the data that were asked for")
        return reply.data

    def expect(self, kind: type[Reply], reply: Reply) -> None:
        """Break off if an answer is of another kind than it should be."""
        if not isinstance(reply, kind):
            raise self.refuse(f"a {type(reply).__name__} where it makes no sense")

    def refuse(self, what: str) -> BackendError:
        """The error to raise about a server that sent something it must not."""
        self._is_broken = True
        return BackendError(
            f"{self._channel.store} does not keep to the SFTP protocol: it sent {what}",
            hint="if a shell starts there, its startup files must not print anything",
        )

    def settle(self) -> None:
        """Wait for every answer that is due, and forget those nobody waited for."""
        while self._open_ids:
            self._take_in()
        self._replies.clear()

    def end_turn(self) -> bool:
        """Forget what is still due; False if the connection cannot be used again."""
        self._replies.clear()
        self._forgotten |= self._open_ids - {self._asked_limits}
        if not self._is_broken:
            try:
                self._channel.flush()
            except BackendError:
                self._is_broken = True
        # What is unsent may be data that the caller is about to change.
        return not self._is_broken and not self._channel.unsent_bytes

    def is_alive(self) -> bool:
        """False if the connection has ended since its last use."""
        try:
            while not self._channel.is_silent():
                if not self._open_ids:
                    return False
                self._take_in()
        except BackendError:
            return False
        return True

    def close(self) -> None:
        """End the connection; what was posted is still done, if it can be."""
        if not self._is_broken:
            # OpenSSH's server drops what it has not begun when its input ends.
            self._channel.stall_s = min(self._channel.stall_s, _GOODBYE_S)
            with suppress(BackendError):
                self.settle()
        self._channel.close(is_orderly=not self._is_broken)
        self._is_broken = True

    def _shake_hands(self) -> None:
        self._channel.send(requests.encode_init())
        try:
            self._extensions = replies.decode_version(self._next_packet())
        except MalformedPacketError as error:
            raise self.refuse(str(error)) from None
        if self.offers(_LIMITS):
            # The answer comes with that to the first question of all: no way there
            # and back is spent on it.
            self._asked_limits = self.ask_extension(_LIMITS)

    def _learn_limits(self, reply: Reply) -> None:
        """Believe an answer that makes sense; without one the safe values stay."""
        if not isinstance(reply, replies.ExtendedReply):
            return
        with suppress(MalformedPacketError):
            limits = replies.decode_limits(reply.body)
            self.read_bytes = _sensible(limits.read_bytes)
            self.write_bytes = _sensible(limits.write_bytes)
            self.open_handles = limits.open_handles

    def _new_id(self) -> int:
        self._last_id = self._last_id % 0xFFFFFFFF + 1
        self._open_ids.add(self._last_id)
        return self._last_id

    def _take_in(self) -> None:
        """Receive once, and sort the answers that are whole now."""
        try:
            self._receive()
            while body := self._whole_packet():
                self._sort(*replies.decode_reply(body))
                body.release()
        except MalformedPacketError as error:
            raise self.refuse(str(error)) from None

    def _sort(self, request_id: int, reply: Reply) -> None:
        if request_id not in self._open_ids:
            raise MalformedPacketError("an answer that nobody asked for")
        self._open_ids.remove(request_id)
        if request_id == self._asked_limits:
            self._asked_limits = 0
            self._learn_limits(reply)
        elif request_id in self._forgotten:
            self._forgotten.remove(request_id)
        else:
            self._replies[request_id] = reply

    def _next_packet(self) -> memoryview:
        while not (body := self._whole_packet()):
            self._receive()
        return body

    def _receive(self) -> None:
        """Let bytes come and go; whatever interrupts that ends the connection."""
        self._is_broken, was_broken = True, self._is_broken
        self._received += self._channel.receive()
        self._is_broken = was_broken

    def _whole_packet(self) -> memoryview | None:
        """Take one packet, without its length, from what has come."""
        if len(self._received) < replies.LENGTH_BYTES:
            return None
        end = replies.LENGTH_BYTES + replies.decode_length(self._received)
        if len(self._received) < end:
            return None
        packet = memoryview(self._received[replies.LENGTH_BYTES : end])
        del self._received[:end]
        return packet


def _sensible(limit_bytes: int) -> int:
    """A server's limit; what is small beyond reason or unlimited counts as usual."""
    if limit_bytes < 1024:
        return _SAFE_BYTES
    return min(limit_bytes, _MOST_BYTES)
