"""The target that restored files arrive in."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chunkvault.localfs.apply import Target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the target is; not there before it is opened."""
    return tmp_path / "target"


@pytest.fixture
def target(folder: Path) -> Iterator[Target]:
    """An open target."""
    with Target(os.fsencode(folder)) as target:
        yield target
