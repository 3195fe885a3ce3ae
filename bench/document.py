"""Puts figures into docs/performance.md, between two marks; the rest is by hand."""

import re
from pathlib import Path

__all__ = ["BEGIN", "END", "replace_generated"]

BEGIN = "<!-- written by bench/run: begin -->"
END = "<!-- written by bench/run: end -->"


def replace_generated(document: Path, text: str) -> None:
    """Replace what stands between the marks.

    Raises:
        ValueError: the marks are not there, once each and in order.
    """
    before = document.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if before.count(BEGIN) != 1 or before.count(END) != 1:
        raise ValueError(f"{document} does not have the two marks once each")
    after, count = pattern.subn(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", before)
    if count != 1:
        raise ValueError(f"{document} has the two marks in the wrong order")
    document.write_text(after)
