"""Who takes part in the contract suite: every backend and wrapper.

A new backend is one line in `ENTRIES`, and one in `TROUBLES` for each kind of
failure that its server can be brought to. A server is a fixture of
``tests/support/stores/fixtures.py``, started when a test first asks for it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chunkvault.backends.base import Backend
from chunkvault.backends.caching import CachingBackend
from chunkvault.backends.counting import CountingBackend
from chunkvault.backends.foreseeing import ForeseeingBackend
from chunkvault.backends.limiting import LimitingBackend
from chunkvault.backends.local import LocalBackend
from chunkvault.backends.memory import MemoryBackend
from chunkvault.backends.options import StorageOptions
from chunkvault.backends.pace import Pace
from chunkvault.backends.retrying import RetryingBackend
from chunkvault.errors import (
    AccessDenied,
    BackendError,
    ChunkvaultError,
    StorageFull,
    StorageUnreachable,
    UsageError,
)
from tests.support.example_package import fill_example, load_example
from tests.support.fake_clock import FakeClock
from tests.support.recording import RecordingBackend
from tests.support.stores.static_web import PublishedFolder

__all__ = ["ENTRIES", "TROUBLES", "Entry", "Trouble"]

Make = Callable[[Path, Any], Backend]
"""Opens a backend from the test's own folder and the server (``None`` without one).

The folder is empty, and no other test has the same path: use it as the place, or
its path as a prefix on the server. Called again with the same folder it opens the
same place again.
"""
Fill = Callable[[Path, Any, Iterable[str]], None]
"""Puts an empty object under each name at the place that `Make` opens, quickly."""

MIB = 1024 * 1024
EVERY_VERB = ("put", "get", "list", "delete")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A backend or wrapper that keeps the contract.

    Attributes:
        make: opens a backend at the place of a test.
        server: the fixture of the server, if it needs one.
        fill: how thousands of objects get there; ``None`` for putting them.
        one_winner: of several who put one name at once exactly one succeeds. Not
            so where the store has no create-only write: there the last may win.
        fills_fast: 10,000 objects are there in a few seconds; else the test of a
            listing of so many is marked slow.
        shared: a second backend opened by ``make`` sees what the first one put.
    """

    make: Make
    server: str = ""
    fill: Fill | None = None
    one_winner: bool = True
    fills_fast: bool = True
    shared: bool = True


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A backend on a server that refuses or fails.

    Attributes:
        make: opens the backend; the trouble is there from then on.
        error: what its verbs raise.
        server: the fixture of the server, if it needs one.
        verbs: those that fail; the others are not asked.
        says: a word of the message, so that the cause is named.
    """

    make: Make
    error: type[ChunkvaultError]
    server: str = ""
    verbs: tuple[str, ...] = EVERY_VERB
    says: str = ""


def _caching(inner: Backend, path: Path) -> CachingBackend:
    return CachingBackend(
        inner,
        bytes(path / "cache"),
        cacheable=lambda name: not name.startswith("volumes/"),
        is_intact=lambda name, data: True,
        max_object_bytes=MIB,
        max_total_bytes=10 * MIB,
    )


def _ignore(text: str) -> None:
    """Nobody wants to know."""


def _files_in(folder: str) -> Fill:
    """Fills a store that is a folder below the test's own: nothing is synced."""

    def fill(path: Path, server: Any, names: Iterable[str]) -> None:
        for name in names:
            file = path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    return fill


def _around_memory(wrap: Callable[[Backend, Path], Backend]) -> Entry:
    return Entry(make=lambda path, server: wrap(MemoryBackend(), path), shared=False)


def _on_the_web(
    error: type[BackendError], verbs: str, says: str, how: str = ""
) -> Trouble:
    """What a web server cannot do, or does wrong."""
    return Trouble(
        server="web",
        make=lambda path, server: server.open(path, how),
        error=error,
        verbs=tuple(verbs.split()),
        says=says,
    )


ENTRIES = {
    "memory": _around_memory(lambda memory, path: memory),
    "local": Entry(
        make=lambda path, server: LocalBackend(bytes(path / "parents/repository")),
        fill=_files_in("parents/repository"),
    ),
    "caching memory": _around_memory(_caching),
    "caching local": Entry(
        make=lambda path, server: _caching(LocalBackend(str(path / "r")), path),
        fill=_files_in("r"),
    ),
    "foreseeing memory": _around_memory(
        lambda memory, path: ForeseeingBackend(memory, 2)
    ),
    "counting memory": _around_memory(lambda memory, path: CountingBackend(memory)),
    "recording memory": _around_memory(lambda memory, path: RecordingBackend(memory)),
    "limiting memory": _around_memory(
        lambda memory, path: LimitingBackend(memory, 5, Pace(), Pace())
    ),
    "retrying memory": _around_memory(
        lambda memory, path: RetryingBackend(memory, "memory:", FakeClock(), _ignore)
    ),
    "s3 on radosgw": Entry(
        server="radosgw",
        make=lambda path, server: server.open(path, bucket="contract"),
        fill=lambda path, server, names: server.fill("contract", path, names),
        fills_fast=False,
    ),
    "s3 on radosgw, over tls, with versions": Entry(
        server="radosgw",
        make=lambda path, server: server.open(
            path, bucket="contract-with-versions", url=server.tls_url, trust=True
        ),
        fill=lambda path, server, names: server.fill(
            "contract-with-versions", path, names
        ),
        fills_fast=False,
        one_winner=False,  # with versions Ceph 16 looks first and writes then
    ),
    "sftp": Entry(
        server="sshd",
        make=lambda path, server: server.open(path / "parents/repository"),
        fill=_files_in("parents/repository"),
    ),
    "rclone on a disk": Entry(
        server="rclone",
        make=lambda path, server: server.open("disk", path / "repository"),
        fill=_files_in("repository"),
    ),
    "rclone to webdav": Entry(
        server="rclone",
        make=lambda path, server: server.open("webdav", str(path)[1:]),
        fill=lambda path, server, names: server.fill(str(path)[1:], names),
        fills_fast=False,
    ),
    "rclone to ftp": Entry(
        server="rclone",
        make=lambda path, server: server.open("ftp", str(path)[1:]),
        fill=lambda path, server, names: server.fill(str(path)[1:], names),
    ),
    "http": Entry(
        server="web",
        make=lambda path, server: PublishedFolder(
            path / "repository", server.location(path / "repository")
        ),
        fill=_files_in("repository"),
    ),
    "http without ranges, moved": Entry(
        server="web",
        make=lambda path, server: PublishedFolder(
            path / "repository", server.location(path / "repository", "/moved/plain")
        ),
        fill=_files_in("repository"),
    ),
    "b2": Entry(
        server="b2",
        make=lambda path, server: server.open(path),
        fill=lambda path, server, names: server.fill(path, names),
        one_winner=False,  # B2 knows no create-only write
    ),
    "example of the documents": Entry(
        make=lambda path, server: load_example(path / "package").open_location(
            f"sqlite:{path}/repository.db", StorageOptions()
        ),
        fill=fill_example,
    ),
}
TROUBLES: dict[str, Trouble] = {
    "s3 with a key nobody knows": Trouble(
        server="radosgw",
        make=lambda path, server: server.open(path, key="nobody"),
        error=AccessDenied,
        says="does not know the access key",
    ),
    "s3 with a wrong secret": Trouble(
        server="radosgw",
        make=lambda path, server: server.open(path, secret="wrong"),
        error=AccessDenied,
        says="secret key is wrong",
    ),
    "s3 in somebody else's bucket": Trouble(
        server="radosgw",
        make=lambda path, server: server.open(path, key=server.full_key),
        error=AccessDenied,
    ),
    "s3 without the bucket": Trouble(
        server="radosgw",
        make=lambda path, server: server.open(path, bucket="no-such-bucket"),
        error=BackendError,
        says="there is no bucket no-such-bucket",
    ),
    "s3 with a full account": Trouble(
        server="radosgw",
        make=lambda path, server: server.open_full(path),
        error=StorageFull,
        verbs=("put",),
    ),
    "s3 where nobody listens": Trouble(
        server="radosgw",
        make=lambda path, server: server.open(path, url="http://127.0.0.1:1"),
        error=StorageUnreachable,
        says="nobody listens",
    ),
    "s3 at a host that is not known": Trouble(
        server="radosgw",
        make=lambda path, server: server.open(path, url="http://s3.invalid"),
        error=StorageUnreachable,
        says="name is not known",
    ),
    "s3 with a certificate of a stranger": Trouble(
        server="radosgw",
        make=lambda path, server: server.open(path, url=server.tls_url),
        error=BackendError,
        says="certificate",
    ),
    "sftp with a key that is not welcome": Trouble(
        server="sshd",
        make=lambda path, server: server.open_as_stranger(path),
        error=AccessDenied,
        says="accepts none of the keys",
    ),
    "sftp with another host key": Trouble(
        server="sshd",
        make=lambda path, server: server.open_expecting(path, "other-key"),
        error=AccessDenied,
        says="is not the one in known_hosts",
    ),
    "sftp with no host key": Trouble(
        server="sshd",
        make=lambda path, server: server.open_expecting(path, ""),
        error=AccessDenied,
        says="not known yet",
    ),
    "sftp where nobody listens": Trouble(
        server="sshd",
        make=lambda path, server: server.open_at_port(path, 1),
        error=StorageUnreachable,
        says="refused",
    ),
    "sftp below a file": Trouble(
        server="sshd",
        make=lambda path, server: server.open(Path("/dev/null")),
        error=BackendError,
        verbs=("put",),
        says="not a folder",
    ),
    "rclone with a remote that nobody knows": Trouble(
        server="rclone",
        make=lambda path, server: server.open("nobody", "path"),
        error=UsageError,
        says="rclone knows no remote",
    ),
    "rclone with a server that is gone": Trouble(
        server="rclone",
        make=lambda path, server: server.open("gone", "path"),
        error=StorageUnreachable,
        says="connection refused",
    ),
    "rclone with a wrong password": Trouble(
        server="rclone",
        make=lambda path, server: server.open("stranger", "path"),
        error=AccessDenied,
        says="401",
    ),
    "http with a wrong password": Trouble(
        server="web",
        make=lambda path, server: server.open_as_stranger(path),
        error=AccessDenied,
        verbs=("get", "list"),
        says="401",
    ),
    "http that is only read": _on_the_web(AccessDenied, "put delete", "only read from"),
    "http without a listing": _on_the_web(BackendError, "list", "OBJECTS.txt"),
    "http that redirects for ever": _on_the_web(
        BackendError, "get list", "from one address to the next", "/round"
    ),
    "b2 with a wrong key": Trouble(
        server="b2",
        make=lambda path, server: server.open(
            path, environment={**server.master_key(), "B2_APPLICATION_KEY": "wrong"}
        ),
        error=AccessDenied,
    ),
    "b2 without a key": Trouble(
        server="b2",
        make=lambda path, server: server.open(path, environment={"HOME": "/"}),
        error=AccessDenied,
        says="B2_APPLICATION_KEY_ID is not set",
    ),
    "b2 with a key of another bucket": Trouble(
        server="b2",
        make=lambda path, server: server.open(
            path, environment=server.key(bucket="another")
        ),
        error=AccessDenied,
        says="not for the bucket contract",
    ),
    "b2 without the bucket": Trouble(
        server="b2",
        make=lambda path, server: server.open(path, bucket="no-such-bucket"),
        error=BackendError,
        says="there is no bucket no-such-bucket",
    ),
    "b2 with a cap that is reached": Trouble(
        server="b2",
        make=lambda path, server: server.open(path, bucket=server.full_bucket()),
        error=StorageFull,
        verbs=("put",),
    ),
    "b2 where nobody listens": Trouble(
        server="b2",
        make=lambda path, server: server.open(
            path,
            environment={
                **server.master_key(),
                "B2_ENVIRONMENT": "http://127.0.0.1:1",
            },
        ),
        error=StorageUnreachable,
        says="nobody listens",
    ),
}
