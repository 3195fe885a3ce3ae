"""One repository with two snapshots, built once and never changed."""

import pytest

from tests.support.damage import Original, build_original


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return build_original(tmp_path_factory.mktemp("damage"))
