"""Further processes of this program, where one interpreter is not enough."""

import os
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["processor_count", "start_python"]


def processor_count() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_python(
    statement: str, descriptors: Sequence[int]
) -> "subprocess.Popen[bytes]":
    """Run a statement in another interpreter, which finds what this one finds.

    It has these descriptors, no input, and a session of its own, so that Ctrl-C on
    the terminal is for us alone: we end it.

    Raises:
        OSError: the system does not let us.
    """
    if not sys.executable:
        raise OSError("nobody knows where the interpreter is")
    # `-P`, then our own list: the folder we happen to be in is not searched.
    prepared = f"import sys; sys.path[:] = {sys.path!r}; {statement}"
    return subprocess.Popen(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-P", "-c", prepared],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
    )
