"""What a snapshot is made of: paths, lists of paths, files of patterns, labels."""

import os
import sys
from collections.abc import Container
from typing import TYPE_CHECKING, BinaryIO

from chunkvault.cli.output import printable
from chunkvault.errors import UsageError, os_reason

if TYPE_CHECKING:
    from chunkvault.localfs.conditions import Conditions

__all__ = [
    "listed_paths",
    "missing_paths",
    "read_bytes",
    "read_host",
    "read_path_list",
    "read_rule_file",
    "read_tag",
    "source_path",
    "standard_input",
]


def source_path(path: bytes) -> bytes:
    """The absolute path of what a person named.

    Symbolic links are not followed, except one that is named with a slash behind
    it, as other programs have it.

    Raises:
        UsageError: it is empty, or no path at all.
    """
    if not path or b"\0" in path:
        raise UsageError("a path to back up is empty, or no path at all")
    absolute = os.path.abspath(path).replace(b"//", b"/")
    if path.endswith(b"/") and os.path.islink(absolute):
        return os.path.realpath(absolute)
    return absolute


def missing_paths(paths: tuple[bytes, ...]) -> list[bytes]:
    """Those that do not exist; what may not be looked at is not among them."""
    return [path for path in paths if _is_missing(path)]


def listed_paths(
    paths: tuple[bytes, ...], named: Container[bytes], conditions: "Conditions"
) -> tuple[bytes, ...]:
    """Those that the conditions leave of a list of files, as duplicity has it.

    Args:
        paths: all of them.
        named: those on the command line, which are taken in any case.
        conditions: are asked about the others.

    Raises:
        UsageError: nothing is left.
    """
    from chunkvault.localfs.conditions import Verdict

    if conditions.is_empty:
        return paths
    left = []
    for path in paths:
        status = None if path in named or _is_missing(path) else os.lstat(path)
        if status is not None:
            verdict = conditions.verdict(path, status, status.st_dev)
            if verdict is Verdict.LEAVE_OUT:
                continue
        left.append(path)
    if not left:
        raise UsageError(
            "everything in the list of files is left out",
            hint="the conditions that leave files out apply to the list, too",
        )
    return tuple(left)


def read_path_list(name: str, *, is_null: bool) -> list[bytes]:
    """Paths from a file, or from standard input for ``-``, taken as they are.

    Args:
        name: of the file.
        is_null: whether a zero byte ends each path, rather than the line.
    """
    data = read_bytes(name)
    return [path for path in data.split(b"\0" if is_null else b"\n") if path]


def read_bytes(name: str) -> bytes:
    """A whole file, or standard input for ``-``."""
    return standard_input().read() if name == "-" else _read(name)


def standard_input() -> BinaryIO:
    """What is piped into the command.

    Raises:
        UsageError: it was closed by whoever started the command.
    """
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    return sys.stdin.buffer


def read_rule_file(name: str) -> list[str]:
    """The patterns in a file."""
    from chunkvault.localfs.patterns import read_rules  # loads a library of patterns

    return read_rules(_read(name))


def read_tag(text: str) -> str:
    """A tag that can be shown, typed and told from its neighbours.

    Raises:
        UsageError: it is empty, has a comma, which separates tags where they are
            shown, or what cannot be printed.
    """
    if "," in text:
        hint = "several tags are given one by one: --tag a --tag b"
        raise UsageError(f"a tag has no comma: '{printable(text)}'", hint=hint)
    return _read_label("tag", text)


def read_host(text: str) -> str:
    """The name of a machine.

    Raises:
        UsageError: it is empty, or has what cannot be printed.
    """
    return _read_label("host", text)


def _read_label(what: str, text: str) -> str:
    if not text.strip():
        raise UsageError(f"a {what} cannot be empty")
    if not text.isprintable():
        raise UsageError(f"a {what} has no control characters: '{printable(text)}'")
    return text


def _is_missing(path: bytes) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # reading it says why
    return False


def _read(name: str) -> bytes:
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(
            f"cannot read {printable(name)}: {os_reason(error)}"
        ) from error
