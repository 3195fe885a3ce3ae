"""The package that docs/backends.md shows, as if it were installed."""

import re
import sqlite3
import tomllib
from collections.abc import Iterable
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

__all__ = ["fill_example", "install_example", "load_example"]

_DOCUMENT = Path(__file__).parents[2] / "docs" / "backends.md"
_NAME = "chunkvault_sqlite"


def install_example(folder: Path) -> Path:
    """Write it where Python finds it, with the metadata that pip would write.

    Returns:
        The folder, for PYTHONPATH.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_NAME}.py").write_text(_block("python"))
    metadata = folder / f"{_NAME}-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Name: {_NAME}\nVersion: 1.0\n")
    groups = tomllib.loads(_block("toml"))["project"]["entry-points"]
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {to}\n" for name, to in entries.items())
        for group, entries in groups.items()
    )
    (metadata / "entry_points.txt").write_text(text)
    return folder


def load_example(folder: Path) -> ModuleType:
    """Its module."""
    spec = spec_from_file_location(_NAME, install_example(folder) / f"{_NAME}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fill_example(folder: Path, server: object, names: Iterable[str]) -> None:
    """Put an empty object under each name into ``repository.db``, at once."""
    with closing(sqlite3.connect(folder / "repository.db")) as file, file:
        file.execute("CREATE TABLE IF NOT EXISTS objects (name PRIMARY KEY, content)")
        rows = ((name, b"") for name in names)
        file.executemany("INSERT INTO objects VALUES (?, ?)", rows)


def _block(language: str) -> str:
    """The only block of that language in the document."""
    text = _DOCUMENT.read_text(encoding="utf-8")
    [block] = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(block)
