#!/usr/bin/env python3
"""Prints the tables of docs/exit-codes.md from the tree in chunkvault/errors.py.

tests/test_documents.py holds the document against them; after a change of the
errors, paste what this prints (``.venv-test/bin/python tools/list_errors.py``).
"""

from collections.abc import Iterator

from chunkvault.errors import ChunkvaultError, Interrupted

HEADER = "| code | error | means | what to do |\n|---|---|---|---|"


def error_classes(
    root: type[ChunkvaultError] = ChunkvaultError,
) -> Iterator[type[ChunkvaultError]]:
    """The root and everything below it, parents before children.

    What a module defines for itself does not leave it.
    """
    yield root
    for child in root.__subclasses__():
        if child.__module__ == ChunkvaultError.__module__:
            yield from error_classes(child)


def error_row(error: type[ChunkvaultError | Interrupted]) -> str:
    """One line of the table."""
    meaning = (error.__doc__ or "").partition("\n")[0].rstrip(".")
    code = "128 + signal" if error.__name__ == "Interrupted" else str(error.exit_code)
    return f"| {code} | `{error.__name__}` | {meaning} | {error.hint} |"


def error_table() -> str:
    """All errors by exit code, as a Markdown table."""
    ordered = sorted([*error_classes(), Interrupted], key=lambda one: one.exit_code)
    return "\n".join([HEADER, *map(error_row, ordered)])


if __name__ == "__main__":
    print(error_table())
