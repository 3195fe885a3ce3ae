"""Where the process begins: before anything that takes time to load."""

import os
import signal

__all__ = ["run"]


def run() -> None:
    """Load the program and run it; Ctrl-C while it loads ends it without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, _: os._exit(128 + number))
    from chunkvault.cli.main import run as run_program  # after the line above

    run_program()
