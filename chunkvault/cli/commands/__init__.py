"""One module per command, found by its name.

A command module has two functions and one text::

    EXAMPLES: str                                    # shown below the options
    def add_arguments(parser: ArgumentParser) -> None
    def run(arguments: Namespace, context: Context) -> int    # the exit code

The modules import the operations when they run, not before: ``--help`` has to
answer at once, and what an operation needs (compression, cipher, hashes) takes
ten times as long to load as the whole command line.
"""

from argparse import ArgumentParser, Namespace
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from chunkvault.cli.context import Context

__all__ = ["COMMANDS", "Command", "load_command"]

COMMANDS = {
    "init": "create a repository",
    "backup": "take a snapshot of files and folders",
    "snapshots": "list the snapshots",
    "ls": "list the files of a snapshot",
    "history": "list the versions of one file or folder",
    "find": "look for names in all snapshots",
    "restore": "bring files back",
    "cat": "write one file to standard output",
    "diff": "compare two snapshots",
    "verify": "compare a snapshot with the files on disk",
    "check": "check that the repository is whole",
    "stats": "show how much is stored",
    "prune": "remove what killed runs left in the storage",
    "export": "write snapshots as an archive of duplicity",
    "import": "import the history of a duplicity archive",
    "key": "list, add, remove or change passwords and device keys",
}
"""What there is, in the order it is shown in, with one line on each."""


class Command(Protocol):
    """What a module in this folder provides."""

    EXAMPLES: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options and arguments of this command."""

    def run(self, arguments: Namespace, context: "Context") -> int:
        """Do it, and return the exit code."""


def load_command(name: str) -> Command:
    """The module of a command in `COMMANDS`."""
    # A word of the language cannot be imported by name: import_.py
    module = f"{name}_" if iskeyword(name) else name
    return cast("Command", import_module(f"{__name__}.{module}"))
