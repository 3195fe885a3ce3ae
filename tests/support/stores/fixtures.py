"""The servers as fixtures; a session starts each at most once.

A test that names one as an argument gets it running; nothing is imported before.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.stores.b2_server import B2Server
    from tests.support.stores.radosgw import Radosgw
    from tests.support.stores.rclone import Rclone
    from tests.support.stores.sshd import Sshd
    from tests.support.stores.static_web import StaticWeb


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Radosgw]":
    """Ceph's S3 server, shared by all processes of a test run."""
    from tests.support.stores.radosgw import shared_radosgw

    with shared_radosgw(tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Sshd]":
    """OpenSSH's server, shared by all processes of a test run."""
    from tests.support.stores.sshd import shared_sshd

    with shared_sshd(tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Rclone]":
    """rclone's own servers and its configuration, shared like the others."""
    from tests.support.stores.rclone import shared_rclone

    with shared_rclone(tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def web() -> "Iterator[StaticWeb]":
    """A web server that shows files, in this process."""
    from tests.support.stores.static_web import static_web

    with static_web() as server:
        yield server


@pytest.fixture(scope="session")
def b2() -> "Iterator[B2Server]":
    """Backblaze's protocol, in this process."""
    from tests.support.stores.b2_server import b2_server

    with b2_server() as server:
        yield server
