"""An SFTP server that follows a script instead of the protocol.

Run as a program in the place of ``ssh``: it answers the first packet with what it
was told, the second with the next, and so on, and ends its output when it has
nothing more to say. ``{id}`` in the script is the number of the request.
"""

import base64
import json
import struct
import sys
from collections.abc import Sequence

__all__ = ["LIMITLESS", "command", "frame"]

LIMITLESS = struct.pack(">BI", 2, 3)
"""A version without extensions."""

STALL = "stall"


def frame(body: bytes) -> bytes:
    """A packet with its length."""
    return struct.pack(">I", len(body)) + body


def command(*answers: "bytes | str") -> Sequence[str]:
    """What to start: one answer to each packet, taken as it is; see `STALL`.

    Args:
        answers: whole packets; ``b"IDID"`` in one becomes the request's number.
    """
    script = [
        answer if isinstance(answer, str) else base64.b64encode(answer).decode()
        for answer in answers
    ]
    return [sys.executable, "-I", __file__, json.dumps(script)]


def _read_packet() -> bytes:
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        sys.exit(0)
    (length,) = struct.unpack(">I", head)
    return sys.stdin.buffer.read(length)


def _main() -> None:
    for answer in json.loads(sys.argv[1]):
        packet = _read_packet()
        if answer == STALL:
            sys.stdin.buffer.read()
            return
        sent = base64.b64decode(answer).replace(b"IDID", packet[1:5])
        sys.stdout.buffer.write(sent)
        sys.stdout.buffer.flush()
    sys.stderr.write("ssh: that was all\n")


if __name__ == "__main__":
    _main()
