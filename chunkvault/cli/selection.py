"""The options that say what a backup leaves out.

Two languages: patterns as in a ``.gitignore``, of which the last one wins, and
duplicity's conditions, of which the first one wins. What either leaves out is left
out.
"""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chunkvault.cli.context import Context
from chunkvault.cli.sources import read_bytes, read_rule_file

if TYPE_CHECKING:
    from chunkvault.localfs.conditions import Condition, Conditions
    from chunkvault.localfs.patterns import Selection

__all__ = ["Selected", "add_selection", "read_selection"]


class Selected(NamedTuple):
    """Both languages, compiled.

    Attributes:
        selection: the patterns.
        conditions: the conditions.
        texts: both as written.
    """

    selection: "Selection"
    conditions: "Conditions"
    texts: tuple[str, ...]


class _InOrder(Action):
    """Collects options of all kinds in one list, in their order."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        del parser
        collected = [*getattr(namespace, self.dest), (option_string, values)]
        setattr(namespace, self.dest, collected)


def add_selection(parser: ArgumentParser) -> None:
    """Declare the options of both languages."""
    group = parser.add_argument_group("what is left out")
    group.set_defaults(rules=[], conditions=[])
    for option, metavar, text in (
        ("--exclude", "PATTERN", "leave out what fits"),
        ("--include", "PATTERN", "keep what fits, though an earlier pattern does, too"),
        ("--exclude-file", "FILE", "patterns, one on each line, ! in front to keep"),
    ):
        group.add_argument(
            option, action=_InOrder, dest="rules", metavar=metavar, help=text
        )
    group.add_argument(
        "--exclude-caches",
        action="store_true",
        help="leave out the content of folders with a valid CACHEDIR.TAG",
    )
    group.add_argument(
        "--exclude-if-present",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out folders that hold NAME",
    )
    group.add_argument(
        "-x", "--one-file-system", action="store_true", help="do not cross into others"
    )
    _add_conditions(parser)


def _add_conditions(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "the same in duplicity's words: the first that fits wins"
        " (docs/from-duplicity.md)"
    )
    for option, metavar, text in (
        ("--filelist", "FILE", "patterns, one on each line, behind '+ ' or '- '"),
        ("--include-filelist", "FILE", "the same; + where a line has no sign"),
        ("--exclude-filelist", "FILE", "the same; - where a line has no sign"),
        ("--include-regexp", "REGEXP", "keep paths in which it is found"),
        ("--exclude-regexp", "REGEXP", "leave out paths in which it is found"),
        ("--exclude-older-than", "TIME", "leave out files last changed before"),
    ):
        group.add_argument(
            option, action=_InOrder, dest="conditions", metavar=metavar, help=text
        )
    group.add_argument(
        "--exclude-other-filesystems",
        action=_InOrder,
        dest="conditions",
        nargs=0,
        help="leave out what is on another file system",
    )
    group.add_argument(
        "--exclude-device-files",
        action="store_true",
        help="leave out block and character devices",
    )


def read_selection(
    arguments: Namespace, paths: Sequence[bytes], context: Context
) -> Selected:
    """What `add_selection` declared, compiled for the paths of a backup.

    Raises:
        UsageError: a pattern, an expression, a file or a time makes no sense.
    """
    # Patterns bring a library along, which --help does not wait for.
    from chunkvault.localfs.conditions import Conditions
    from chunkvault.localfs.patterns import Selection

    rules = _read_rules(arguments.rules)
    conditions = Conditions(
        list(_read_conditions(arguments, paths, context)),
        without_devices=arguments.exclude_device_files,
    )
    return Selected(Selection.of(rules), conditions, rules + conditions.texts)


def _read_rules(given: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The rules in the order of the command line, includes behind a ``!``."""
    rules: list[str] = []
    for option, value in given:
        if option == "--exclude-file":
            rules += read_rule_file(value)
        else:
            rules.append(value if option == "--exclude" else f"!{value}")
    return tuple(rules)


def _read_conditions(
    arguments: Namespace, paths: Sequence[bytes], context: Context
) -> "Iterator[Condition]":
    from chunkvault.localfs import conditions

    for option, value in arguments.conditions:
        if option.endswith("filelist"):
            yield from conditions.read_file_list(
                read_bytes(value),
                paths,
                is_include=option != "--exclude-filelist",
                is_null=arguments.null,
            )
        elif option.endswith("regexp"):
            is_include = option == "--include-regexp"
            yield conditions.by_expression(value, is_include=is_include)
        elif option == "--exclude-older-than":
            yield conditions.older_than(context.parse_time(value), value)
        else:
            yield conditions.on_other_filesystem()
