"""From the words of a command line to a command and its arguments.

Only the parser of the command that is asked for is built. Global options work
before and after the command's name: they are declared with each command, and the
words before the name are parsed together with those after it.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from chunkvault import __version__
from chunkvault.cli.commands import COMMANDS, Command, load_command
from chunkvault.cli.settings import GLOBAL_VALUE_OPTIONS, add_global_arguments
from chunkvault.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ["PROGRAM", "build_parser", "overview", "parse_command", "split_command"]

PROGRAM = "chunkvault"

_OTHER_WORDS = {
    "create": "backup",
    "save": "backup",
    "list": "snapshots",
    "dump": "cat",
    "extract": "restore",
    "info": "stats",
    "log": "history",
    "versions": "history",
    "passwd": "key",
}
"""What other programs call it."""

_MARK = "\0"
"""No word of a command line can hold it."""

_SHORT_VALUE_OPTIONS = {name[1] for name in GLOBAL_VALUE_OPTIONS if len(name) == 2}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are raised like all others."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"'{self.prog} --help' shows what there is")

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        # That of argparse keeps to itself that nothing could be written.
        print(self.format_help(), end="", file=file)


def split_command(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The command's name, and all other words in their order."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        if words[place] == "--":
            break
        place += 2 if _takes_next_word(words[place]) else 1
    if place >= len(words) or words[place] == "--":
        return None, list(words)
    return words[place], [*words[:place], *words[place + 1 :]]


def parse_command(
    name: str, words: Sequence[str]
) -> tuple[Command, argparse.Namespace]:
    """The command's module, and its arguments.

    Raises:
        UsageError: there is no such command, or its arguments make no sense.
        SystemExit: help was asked for, and was printed.
    """
    command = _find_command(name)
    parser = build_parser(name, command)
    # Paths and options may alternate: backup A --exclude B C
    arguments = parser.parse_intermixed_args(_mark_plain_words(words))
    for key, value in vars(arguments).items():
        setattr(arguments, key, _unmark(value))
    return command, arguments


def build_parser(name: str, command: Command) -> argparse.ArgumentParser:
    """The parser of one command, with its help."""
    parser = _Parser(
        prog=f"{PROGRAM} {name}",
        description=f"{COMMANDS[name].capitalize()}.",
        epilog=command.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    add_global_arguments(parser)
    return parser


def overview() -> str:
    """The help that is not about one command."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items())
    return f"""\
chunkvault {__version__}: backups whose every version restores directly

usage: chunkvault [-r LOCATION] COMMAND …

{commands}

'chunkvault COMMAND --help' tells more about a command.

The repository is named by -r or CHUNKVAULT_REPOSITORY. The password is asked for,
or comes from CHUNKVAULT_PASSWORD, --password-file, --password-command or --key-file.

example:
  export CHUNKVAULT_REPOSITORY=/mnt/backup
  chunkvault init
  chunkvault backup ~/Documents
  chunkvault history ~/Documents/letter.txt
  chunkvault restore ~/Documents/letter.txt --at 7D --to /tmp/restored
"""


def _mark_plain_words(words: Sequence[str]) -> list[str]:
    """Take out ``--``, and mark the words after it so that none is an option.

    argparse loses track of ``--`` where options and paths alternate.
    """
    if "--" not in words:
        return list(words)
    place = words.index("--")
    return [*words[:place], *(_MARK + word for word in words[place + 1 :])]


def _unmark(value: object) -> object:
    if isinstance(value, str):
        return value.removeprefix(_MARK)
    return [_unmark(one) for one in value] if isinstance(value, list) else value


def _takes_next_word(word: str) -> bool:
    """Whether the word after this option is its value."""
    if word in GLOBAL_VALUE_OPTIONS:
        return True
    # -qr LOCATION: the last of several short options may have a value
    together = not word.startswith("--") and len(word) > 2
    return (
        together
        and word[-1] in _SHORT_VALUE_OPTIONS
        and not _SHORT_VALUE_OPTIONS.intersection(word[1:-1])
    )


def _find_command(name: str) -> Command:
    if name in COMMANDS:
        return load_command(name)
    import difflib  # only for a slip of the pen

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    meant = _OTHER_WORDS.get(name) or (close[0] if close else "")
    hint = f"did you mean '{meant}'?" if meant else ""
    raise UsageError(
        f"there is no command {name!r}",
        hint=hint or f"'{PROGRAM} --help' lists the commands",
    )
