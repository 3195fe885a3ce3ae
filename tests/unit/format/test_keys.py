"""Key slots and derived keys (chapter 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.codec.passphrase import KdfCost
from chunkvault.errors import ChunkvaultError, FormatError, UnsupportedFormat, WrongKey
from chunkvault.format.keys import (
    DeviceKey,
    KeyBundle,
    Passphrase,
    Settings,
    decode_slot_header,
    open_slot,
    seal_slot,
)
from chunkvault.format.subkeys import derive_keyring
from tests.support.format_strategies import KEYRING, REPOSITORY, TWO_EPOCHS

CHEAP = KdfCost(passes=1, memory_bytes=64 << 10)
RANDOM = {"salt": bytes(16), "nonce": bytes(24), "cost": CHEAP}
keys = st.binary(min_size=32, max_size=32)
sizes = st.integers(0, 2**63 - 1)
bundles = st.builds(
    KeyBundle,
    masters=st.lists(keys, min_size=1, max_size=3).map(tuple),
    settings=st.builds(
        Settings,
        chunker=st.builds(ChunkerParameters, sizes, sizes, sizes),
        frame_bytes=sizes,
        volume_bytes=sizes,
        features=st.just(()),
    ),
    label=st.text(max_size=20),
    created_ns=sizes,
)
BUNDLE = KeyBundle(
    masters=(bytes(32),),
    settings=Settings(
        chunker=ChunkerParameters(1, 2, 3), frame_bytes=4, volume_bytes=5
    ),
    label="label",
    created_ns=6,
)


@given(bundles, keys)
def test_slot_of_a_device_key_opens(bundle, key):
    slot = seal_slot(bundle, DeviceKey(key), REPOSITORY, **RANDOM)
    assert open_slot(slot, DeviceKey(key)) == bundle
    header = decode_slot_header(slot)
    assert header.is_device
    assert header.repository_id == REPOSITORY


@given(bundles, st.binary(max_size=30))
def test_slot_of_a_passphrase_opens(bundle, text):
    slot = seal_slot(bundle, Passphrase(text), REPOSITORY, **RANDOM)
    assert open_slot(slot, Passphrase(text)) == bundle
    assert decode_slot_header(slot).cost == CHEAP
    with pytest.raises(WrongKey):
        open_slot(slot, Passphrase(text + b"x"))


def test_every_flipped_bit_of_a_slot_is_refused():
    slot = seal_slot(BUNDLE, DeviceKey(bytes(32)), REPOSITORY, **RANDOM)
    harmless = range(45 * 8, 53 * 8)  # cost, which a device key does not use
    for bit in range(8 * len(slot)):
        flipped = bytearray(slot)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChunkvaultError) as caught:
            open_slot(bytes(flipped), DeviceKey(bytes(32)))
        assert bit not in harmless or isinstance(caught.value, WrongKey)


@pytest.mark.parametrize("size", [0, 125, (1 << 20) + 1])
def test_slot_of_a_size_beyond_reason_is_refused(size):
    slot = seal_slot(BUNDLE, DeviceKey(bytes(32)), REPOSITORY, **RANDOM)
    with pytest.raises(FormatError):
        decode_slot_header((slot + bytes(size))[:size])


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_slot(data):
    for start in (b"", b"CVKEYSLT\1\0\0\0"):
        with pytest.raises(ChunkvaultError):
            open_slot(start + data, DeviceKey(bytes(32)))


def test_unknown_features_are_named():
    settings = Settings(
        chunker=ChunkerParameters(1, 2, 3),
        frame_bytes=4,
        volume_bytes=5,
        features=("b", "a"),
    )
    bundle = KeyBundle(masters=(bytes(32),), settings=settings, label="", created_ns=0)
    slot = seal_slot(bundle, DeviceKey(bytes(32)), REPOSITORY, **RANDOM)
    with pytest.raises(UnsupportedFormat, match="needs a, b"):
        open_slot(slot, DeviceKey(bytes(32)))


def test_secrets_are_not_shown():
    for secret in (DeviceKey(b"secret"), Passphrase(b"secret"), BUNDLE, KEYRING):
        assert "secret" not in repr(secret)
        assert repr(bytes(32)) not in repr(secret)


def all_keys(ring):
    return [
        *ring.blob_id.values(),
        ring.snapshot_tag,
        *(
            key
            for epoch in ring.epochs
            for key in (
                *epoch.wrap.values(),
                epoch.directory,
                epoch.index,
                epoch.snapshot,
            )
        ),
    ]


def test_no_two_keys_are_the_same():
    other = derive_keyring((bytes(range(32, 64)),), bytes(32))
    found = all_keys(TWO_EPOCHS) + all_keys(other)
    assert len(set(found)) == len(found) == 13 + 8


def test_epoch_changes_the_seals_and_not_the_identifiers():
    assert TWO_EPOCHS.epochs[0] == KEYRING.epochs[0]
    assert TWO_EPOCHS.blob_id == KEYRING.blob_id
    assert TWO_EPOCHS.tag("host", (b"/a",)) == KEYRING.tag("host", (b"/a",))
    assert (KEYRING.epoch, TWO_EPOCHS.epoch) == (0, 1)
    with pytest.raises(UnsupportedFormat):
        KEYRING.of_epoch(1)


def test_kinds_of_blobs_have_ids_of_their_own():
    assert KEYRING.identify(1, b"content") != KEYRING.identify(2, b"content")


def test_tag_tells_apart_what_only_looks_alike_when_joined():
    tags = {
        KEYRING.tag("host", (b"/a", b"/b")),
        KEYRING.tag("host", (b"/a/b",)),
        KEYRING.tag("host", (b"/b", b"/a")),
        KEYRING.tag("host/a", (b"/b",)),
        KEYRING.tag("host", ()),
        KEYRING.tag("host\udcff", ()),
    }
    assert len(tags) == 6
    assert {len(tag) for tag in tags} == {8}
