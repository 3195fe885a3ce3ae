"""Runs chunkvault's command line and counts what goes to and from its store.

The counts are written as JSON to the file that CHUNKVAULT_BENCH_COUNTS names.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from chunkvault.backends import location as locations
from chunkvault.backends.base import Backend
from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.options import StorageOptions
from chunkvault.cli.main import main

_counted: list[CountingBackend] = []
_open_backend = locations.open_backend


def _open_counted(location: str, options: StorageOptions | None = None) -> Backend:
    backend = CountingBackend(_open_backend(location, options))
    _counted.append(backend)
    return backend


def count(words: list[str]) -> int:
    """As the command ``chunkvault``, with an account; gives the exit code."""
    locations.open_backend = _open_counted
    code = main(words)
    counts = [asdict(backend.counts) for backend in _counted]
    Path(os.environ["CHUNKVAULT_BENCH_COUNTS"]).write_text(json.dumps(counts))
    return code


if __name__ == "__main__":
    sys.exit(count(sys.argv[1:]))
