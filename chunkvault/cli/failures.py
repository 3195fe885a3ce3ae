"""What a person, or a program, is told when a command fails."""

import errno
import json
import os
import select
import signal
import sys
from typing import NamedTuple

from chunkvault.cli.output import OutputLost, printable
from chunkvault.errors import ChunkvaultError, Interrupted, os_reason

__all__ = ["Failure", "describe_failure", "is_reader_gone", "tell_failure"]

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_EXIT_NO_SPACE = 22
_EXIT_READER_GONE = 128 + signal.SIGPIPE
_DEBUG_HINT = "CHUNKVAULT_DEBUG=1 shows where it happened; please report it"
_FOLDER_GONE_HINT = "go to one that exists, or write paths with a / in front"
_OS_HINTS = {
    errno.ENOSPC: "free some space and run the command again",
    errno.EDQUOT: "free some space and run the command again",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files",
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
}


class Failure(NamedTuple):
    """How a command ended that did not get through.

    Attributes:
        exit_code: for the shell.
        message: what happened; empty where there is nobody left to be told.
        hint: what to do next; may be empty.
    """

    exit_code: int
    message: str
    hint: str = ""


def describe_failure(error: BaseException) -> Failure:
    """Put an error into words; never fails itself."""
    if isinstance(error, OutputLost):
        error = error.reason
    elif isinstance(error, KeyboardInterrupt):
        error = Interrupted()
    match error:
        case ChunkvaultError() | Interrupted():
            return Failure(error.exit_code, str(error), error.hint)
        case BrokenPipeError() if is_reader_gone():
            return Failure(_EXIT_READER_GONE, "")
        case FileNotFoundError(filename=None) if _is_folder_gone():
            return Failure(1, "the current folder was deleted", _FOLDER_GONE_HINT)
        case MemoryError():
            what = str(error) or "out of memory"
            return Failure(1, what, "free some memory, or use fewer --workers")
        case OSError(errno=number) if number is not None:
            code = _EXIT_NO_SPACE if number in _NO_SPACE else 1
            return Failure(code, _describe_os_error(error), _OS_HINTS.get(number, ""))
        case _:
            name = type(error).__name__
            what = f"internal error: {name}: {error}; this is a bug"
            return Failure(1, what, _DEBUG_HINT)


def is_reader_gone() -> bool:
    """Whether nobody reads our output any more: ``head`` had enough, ``less`` ended.

    A pipe to a program that we started may break as well, which is another matter.
    """
    poll = select.poll()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            poll.register(stream.fileno(), 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))


def tell_failure(failure: Failure, *, as_json: bool) -> None:
    """Write it to standard error."""
    if not failure.message:
        return
    if as_json:
        fields = {"message_type": "error", **failure._asdict()}
        lines = [json.dumps(fields)]
    else:
        lines = [f"chunkvault: {printable(failure.message)}"]
        if failure.hint:
            lines.append(f"chunkvault: hint: {printable(failure.hint)}")
    print("\n".join(lines), file=sys.stderr, flush=True)


def _describe_os_error(error: OSError) -> str:
    reason = os_reason(error)
    if error.filename is None:
        return reason
    return f"{printable(error.filename)}: {reason}"


def _is_folder_gone() -> bool:
    """Whether the folder that relative paths count from is no more."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False
