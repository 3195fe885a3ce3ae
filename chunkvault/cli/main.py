"""The program: parse, dispatch, and turn every error into words and a code.

`run` is what the shell starts. `main` does the same without touching the process,
for tests.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Sequence

from chunkvault import __version__
from chunkvault.cli.arguments import (
    PROGRAM,
    overview,
    parse_command,
    split_command,
)
from chunkvault.cli.failures import describe_failure, tell_failure
from chunkvault.cli.process import calm_collector, install_signal_handlers, set_limits
from chunkvault.cli.settings import is_debugging, read_settings
from chunkvault.errors import UsageError

__all__ = ["main", "run"]


def run() -> None:
    """Run the command in ``sys.argv`` and end the process."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # meant for developers, not for mails of cron
    _prepare_streams()
    set_limits()
    calm_collector()
    exit_code = 1
    try:
        install_signal_handlers()
        exit_code = main(sys.argv[1:])
    except BaseException as error:  # noqa: BLE001 - a signal in the last moment
        exit_code = describe_failure(error).exit_code
    # Python would report a closed pipe a second time while it shuts down, and wait
    # for the threads of an operation that was interrupted.
    os._exit(_flush(exit_code))


def main(words: Sequence[str]) -> int:
    """Run a command; returns the exit code, and never raises."""
    try:
        return _dispatch(words)
    except SystemExit as end:  # argparse has printed the help
        return end.code if isinstance(end.code, int) else 0
    except BaseException as error:  # noqa: BLE001 - the last place to catch anything
        return _report(error, as_json="--json" in words)


def _dispatch(words: Sequence[str]) -> int:
    name, rest = split_command(words)
    if name == "help":
        name, rest = split_command(rest)
        rest = ["--help"]
    if name is None:
        return _answer_without_command(rest)
    command, arguments = parse_command(name, rest)
    # The context and all it needs are loaded only once there is something to do.
    from chunkvault.cli.context import Context

    context = Context(read_settings(arguments))
    exit_code = command.run(arguments, context)
    if context.stores and context.settings.is_json:
        from chunkvault.cli.traffic import tell_requests

        tell_requests(context)
    return exit_code


def _answer_without_command(words: Sequence[str]) -> int:
    if "--version" in words:
        print(f"{PROGRAM} {__version__}")
        return 0
    if "--help" in words or "-h" in words:
        print(overview(), end="")
        return 0
    raise UsageError("no command was given", hint=f"'{PROGRAM} --help' lists them")


def _report(error: BaseException, *, as_json: bool) -> int:
    failure = describe_failure(error)
    with contextlib.suppress(OSError):  # standard error may be closed, too
        if is_debugging():
            import traceback  # for developers only

            traceback.print_exception(error)
        tell_failure(failure, as_json=as_json)
    return failure.exit_code


def _prepare_streams() -> None:
    """Make both streams take any text, and exist."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started with the stream closed
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - stays
            setattr(sys, name, nowhere)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _flush(exit_code: int) -> int:
    """Write out what is left; a command whose output is lost has not succeeded."""
    try:
        sys.stdout.flush()
    except OSError as error:
        exit_code = exit_code or _report(error, as_json=False)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    return exit_code
