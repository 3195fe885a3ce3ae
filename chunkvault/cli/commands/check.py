"""``chunkvault check``: check that the repository is whole."""

import re
from argparse import ArgumentParser, Namespace

from chunkvault.cli.context import Context
from chunkvault.cli.memory import recall_snapshots, remember_snapshots
from chunkvault.errors import UsageError

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
Checks that all objects are there, and that the trees of all snapshots lead to whole
files. --read-data also reads every volume; a subset of 5% is another part each day,
so that in twenty days everything was read.

Exit code 20: damage was found; the objects and the files they cost are named.

examples:
  chunkvault check
  chunkvault check --read-data-subset 5%
  chunkvault check --read-data --json
"""

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)%", re.ASCII)
_NS_PER_DAY = 24 * 60 * 60 * 10**9


def add_arguments(parser: ArgumentParser) -> None:
    """Declare how thorough to be."""
    parser.add_argument(
        "--read-data", action="store_true", help="read all volumes as well"
    )
    parser.add_argument(
        "--read-data-subset", metavar="PERCENT", help="read a part of the volumes"
    )


def run(arguments: Namespace, context: Context) -> int:
    """Check, and name what is damaged."""
    # Cipher, compression and hashes come along; --help does not wait for them.
    from chunkvault.cli.summaries import check_lines, damage_fields, show
    from chunkvault.operations.check import CheckOptions, check

    subset = _read_subset(arguments.read_data_subset)
    # A copy in the cache says nothing about what the storage still has.
    with (
        context.open_repository(use_cache=False) as repository,
        context.reporter() as reporter,
    ):
        options = CheckOptions(
            read_data=arguments.read_data or subset is not None,
            read_data_subset=None if arguments.read_data else subset,
            # Each day begins where the day before ended.
            subset_start=(context.now_ns // _NS_PER_DAY * (subset or 0)) % 1,
            remembered=recall_snapshots(context.settings, repository.id),
        )
        summary = check(repository, options, reporter)
        seen = [name.object_name for name in repository.list_snapshots()]
        remember_snapshots(context.settings, repository.id, seen)
    damage = [damage_fields(one) for one in summary.damage]
    show(summary, check_lines(summary, context), context, damage=damage)
    return summary.exit_code


def _read_subset(text: str | None) -> float | None:
    if text is None:
        return None
    match = _PERCENT.fullmatch(text.strip())
    share = float(match[1]) / 100 if match else 0.0
    if not 0 < share <= 1:
        raise UsageError(
            f"{text!r} is no part of the data", hint="write it as --read-data-subset 5%"
        )
    return share
