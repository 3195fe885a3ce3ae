"""A slot that nobody can use must not keep the others shut."""

import pytest

from chunkvault.backends.memory import MemoryBackend
from chunkvault.codec.hashing import content_hash
from chunkvault.errors import DamageError, UnsupportedFormat, WrongKey
from chunkvault.format import names
from chunkvault.repository import Passphrase, list_slots, open_repository
from tests.support.builders import create_small

KEY = Passphrase(b"right")
VERSION, KIND, MEMORY = 8, 44, 49


@pytest.fixture
def backend():
    return create_small(MemoryBackend(), KEY).backend


def add_altered_slot(backend, offset, value):
    """A copy of the slot with other clear bytes, under its right name."""
    [info] = list(backend.list(names.KEYS))
    slot = bytearray(backend.get(info.name))
    slot[offset : offset + len(value)] = value
    backend.put(names.object_name(names.KEYS, content_hash(slot)), bytes(slot))
    return info.name


@pytest.mark.parametrize(
    ("offset", "value", "error"),
    [
        (VERSION, b"\x02\0\0\0", UnsupportedFormat),
        (KIND, b"\x09", UnsupportedFormat),
        (MEMORY, b"\xff\xff\xff\xff", DamageError),
    ],
    ids=["newer version", "unknown kind", "unreasonable cost"],
)
def test_an_unusable_slot_is_passed_over(backend, offset, value, error):
    good = add_altered_slot(backend, offset, value)
    open_repository(backend, KEY).close()
    assert len(list_slots(backend)) == 2
    with pytest.raises((error, WrongKey)):
        open_repository(backend, Passphrase(b"wrong"))
    backend.delete(good)
    with pytest.raises(error):
        open_repository(backend, KEY)
