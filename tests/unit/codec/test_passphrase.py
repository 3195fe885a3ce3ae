"""Argon2id within limits."""

import subprocess
import sys

import pytest

from chunkvault.codec.passphrase import DEFAULT_COST, KdfCost, stretch
from chunkvault.errors import DamageError

SALT = bytes(range(16))
CHEAP = KdfCost(passes=1, memory_bytes=64 << 10)


def test_every_input_changes_the_key():
    keys = {
        stretch(b"passphrase", SALT, CHEAP),
        stretch(b"passphrase ", SALT, CHEAP),
        stretch(b"passphrase", bytes(16), CHEAP),
        stretch(b"passphrase", SALT, KdfCost(2, 64 << 10)),
        stretch(b"passphrase", SALT, KdfCost(1, 128 << 10)),
        stretch(b"", SALT, CHEAP),
    }
    assert len(keys) == 6
    assert {len(key) for key in keys} == {32}
    assert stretch(b"passphrase", SALT, CHEAP) in keys


@pytest.mark.parametrize(
    "cost",
    [
        KdfCost(0, 64 << 10),
        KdfCost(9, 64 << 10),
        KdfCost(2**32 - 1, 64 << 10),
        KdfCost(1, 0),
        KdfCost(1, 4 << 10),
        KdfCost(1, (1 << 30) + 1024),
        KdfCost(1, (2**32 - 1) * 1024),
    ],
)
def test_unreasonable_work_is_refused_before_it_is_done(cost):
    with pytest.raises(DamageError, match="unreasonable"):
        stretch(b"passphrase", SALT, cost)


def test_lack_of_memory_is_told_as_such():
    program = (
        "import resource\n"
        "from chunkvault.codec.passphrase import DEFAULT_COST, stretch\n"
        "resource.setrlimit(resource.RLIMIT_AS, (100 << 20, 100 << 20))\n"
        "try: stretch(b'x', bytes(16), DEFAULT_COST)\n"
        "except MemoryError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "not enough memory to stretch the password\n"


def test_default_is_no_less_than_the_rfc_recommends():
    assert DEFAULT_COST.passes >= 3
    assert DEFAULT_COST.memory_bytes >= 64 << 20
