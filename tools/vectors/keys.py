"""Vectors of chapters 1 to 4: names, sizes, config, keys, blobs."""

import struct
from collections.abc import Iterator
from dataclasses import replace

from chunkvault.codec.chunker import ChunkerParameters
from chunkvault.codec.compression import Compressor
from chunkvault.codec.hashing import content_hash, derive_key, keyed_hash
from chunkvault.codec.packing import pack
from chunkvault.codec.passphrase import KdfCost
from chunkvault.codec.sealing import seal
from chunkvault.format.config import encode_config
from chunkvault.format.keys import (
    DeviceKey,
    KeyBundle,
    Passphrase,
    Settings,
    seal_slot,
)
from chunkvault.format.names import snapshot_name
from chunkvault.ids import SnapshotId
from tools.vectors.case import (
    FIXED_INPUTS,
    MASTER,
    REPOSITORY,
    ZSTD,
    Case,
    fixed,
)

__all__ = ["cases"]

_DEVICE_KEY = fixed("device key")
_DEVICE = {"device_key": _DEVICE_KEY.hex()}
_PASSPHRASE = {"passphrase": "correct horse é".encode().hex()}
_SALT, _NONCE = fixed("slot salt", 16), fixed("slot nonce", 24)
_BUNDLE = KeyBundle(
    masters=(MASTER,),
    settings=Settings(
        chunker=ChunkerParameters(16 << 10, 64 << 10, 256 << 10),
        frame_bytes=1 << 20,
        volume_bytes=16 << 20,
    ),
    label="laptop",
    created_ns=1_790_000_000_123_456_789,
)
_FIELDS: dict[str, object] = {
    "masters": [MASTER],
    "chunker": [16 << 10, 64 << 10, 256 << 10],
    "frame_bytes": 1 << 20,
    "volume_bytes": 16 << 20,
    "features": [],
    "label": "laptop",
    "created_ns": 1_790_000_000_123_456_789,
}


def cases() -> Iterator[Case]:
    """All vectors of these chapters."""
    yield from _names()
    yield from _configs()
    yield from _slots()
    yield from _slot_headers()
    yield from _slot_bundles()
    yield from _subkeys()
    yield from _deltas()


def _names() -> Iterator[Case]:
    def case(name: str, comment: str, text: str, expect: str) -> Case:
        return Case("1-names", name, comment, text.encode(), {}, expect)

    tag, digest = fixed("tag", 8), SnapshotId(fixed("snapshot id"))
    good = snapshot_name(1_790_000_000_000_000_001, tag, digest)
    last = snapshot_name(253_402_300_799_999_999_999, tag, digest)
    yield case("ok", "a snapshot's object name", good, "ok")
    yield case("first", "midnight of 1970", snapshot_name(0, tag, digest), "ok")
    yield case("last", "the last nanosecond of 9999", last, "ok")
    wrong = {
        "before-1970": good.replace("20260921", "19691231"),
        "leap-second": good[:19] + "235960" + good[25:],
        "no-such-day": good.replace("20260921", "20260931"),
        "upper-case": good[:-64] + good[-64:].upper(),
        "line-end": good + "\n",
        "short-hash": good[:-1],
    }
    for name, text in wrong.items():
        yield case(name, "not a name that a writer makes", text, "FormatError")
    sizes = [*range(20), 100, 1000, 4097, 65_537, 10**6, (8 << 20) - 1, 8 << 20]
    sizes += [(8 << 20) + 1, 16 << 20, (16 << 20) + 1, 10**9]
    table = b"".join(size.to_bytes(8, "little") for size in sizes)
    yield Case("1-padding", "table", "size classes of these sizes", table, {}, "ok")


def _configs() -> Iterator[Case]:
    def case(name: str, comment: str, data: bytes, expect: str = "FormatError") -> Case:
        return Case("2-config", name, comment, data, {}, expect)

    def summed(head: bytes) -> bytes:
        return head + content_hash(head)

    good = encode_config(REPOSITORY)
    version_2 = summed(good[:8] + b"\2\0\0\0" + good[12:44])
    yield case("ok", "the config of a repository", good, "ok")
    yield case("magic", "another magic", summed(b"CVCONFIH" + good[8:44]))
    yield case("version", "format version 2", version_2, "UnsupportedFormat")
    yield case("checksum", "one bit of the checksum", good[:-1] + b"\0")
    yield case("id-changed", "one bit of the id", good[:20] + b"\0" + good[21:])
    yield case("short", "the last byte is missing", good[:-1])
    yield case("long", "one byte too many", good + b"\0")
    yield case("empty", "nothing", b"")


def _craft_slot(plain: bytes) -> bytes:
    """A slot for the device key with any plain content, made from chapter 3 alone."""
    head = b"CVKEYSLT" + struct.pack("<I32sBII", 1, REPOSITORY, 2, 0, 0)
    head += _SALT + _NONCE
    key = derive_key("chunkvault v1 device key slot", _DEVICE_KEY + _SALT)
    head += keyed_hash(derive_key("chunkvault v1 slot commitment", key), head)
    return head + seal(plain, head, _NONCE, key)


def _sealed(bundle: KeyBundle, *, device: bool = True) -> bytes:
    secret = DeviceKey(_DEVICE_KEY)
    if device:
        return seal_slot(bundle, secret, REPOSITORY, salt=_SALT, nonce=_NONCE)
    return seal_slot(
        bundle,
        Passphrase(bytes.fromhex(_PASSPHRASE["passphrase"])),
        REPOSITORY,
        salt=_SALT,
        nonce=_NONCE,
        cost=KdfCost(passes=1, memory_bytes=64 << 10),
    )


def _slots() -> Iterator[Case]:
    def case(
        name: str, comment: str, data: bytes, inputs: dict[str, str], expect: str
    ) -> Case:
        return Case("3-slots", name, comment, data, inputs, expect)

    device, passphrase = _sealed(_BUNDLE), _sealed(_BUNDLE, device=False)
    other = {"device_key": fixed("another key").hex()}
    two = _sealed(replace(_BUNDLE, masters=(MASTER, fixed("second master"))))
    yield case("device", "opened by a device key", device, _DEVICE, "ok")
    yield case("passphrase", "one pass, 64 KiB", passphrase, _PASSPHRASE, "ok")
    yield case("two-epochs", "two master keys", two, _DEVICE, "ok")
    yield case("wrong-key", "another device key", device, other, "WrongKey")
    wrong = {"passphrase": b"correct horse".hex()}
    yield case("wrong-passphrase", "another one", passphrase, wrong, "WrongKey")
    decomposed = {"passphrase": "correct horse e\u0301".encode().hex()}
    comment = "not in normal form C"
    yield case("decomposed", comment, passphrase, decomposed, "WrongKey")
    comment = "a passphrase for a device slot"
    yield case("other-secret", comment, device, _PASSPHRASE, "WrongKey")
    comment = "a device key for a passphrase slot"
    yield case("other-secret-2", comment, passphrase, _DEVICE, "WrongKey")


def _slot_headers() -> Iterator[Case]:
    def case(name: str, data: bytes, expect: str, *, device: bool = True) -> Case:
        inputs = _DEVICE if device else _PASSPHRASE
        return Case("3-slots", name, f"{name} changed", data, inputs, expect)

    def changed(data: bytes, offset: int, value: bytes) -> bytes:
        return data[:offset] + value + data[offset + len(value) :]

    device, passphrase = _sealed(_BUNDLE), _sealed(_BUNDLE, device=False)
    damaged = {
        "salt": (53, b"\0"),
        "nonce": (69, b"\0"),
        "commitment": (93, b"\0"),
        "repository": (12, b"\0"),
    }
    yield case("magic", changed(device, 0, b"X"), "FormatError")
    yield case("version", changed(device, 8, b"\2"), "UnsupportedFormat")
    yield case("kind", changed(device, 44, b"\3"), "UnsupportedFormat")
    for name, (offset, value) in damaged.items():
        yield case(name, changed(device, offset, value), "WrongKey")
    yield case("ciphertext", changed(device, 125, b"\0"), "DamageError")
    yield case("tag", device[:-1] + b"\0", "DamageError")
    yield case("truncated", device[:-1], "DamageError")
    yield case("head-only", device[:125], "FormatError")
    memory = struct.pack("<I", (1 << 20) + 1)
    limits = {
        "passes-none": (45, bytes(4)),
        "passes-many": (45, struct.pack("<I", 9)),
        "memory-none": (49, bytes(4)),
        "memory-large": (49, memory),
        "memory-huge": (49, b"\xff" * 4),
    }
    for name, (offset, value) in limits.items():
        data = changed(passphrase, offset, value)
        yield case(name, data, "DamageError", device=False)
    yield case("passes", changed(passphrase, 45, b"\2"), "WrongKey", device=False)


def _slot_bundles() -> Iterator[Case]:
    def case(name: str, plain: bytes, expect: str = "FormatError") -> Case:
        comment = f"sealed content: {name.replace('-', ' ')}"
        return Case("3-slots", name, comment, _craft_slot(plain), _DEVICE, expect)

    yield case("crafted", pack(_FIELDS), "ok")
    features = _FIELDS | {"features": ["time machine"]}
    yield case("unknown-feature", pack(features), "UnsupportedFormat")
    changes: dict[str, tuple[str, object]] = {
        "no-master": ("masters", []),
        "short-master": ("masters", [MASTER[:31]]),
        "master-is-a-number": ("masters", [32]),
        "masters-are-bytes": ("masters", MASTER),
        "two-chunker-sizes": ("chunker", [1, 2]),
        "chunker-is-text": ("chunker", ["1", "2", "3"]),
        "frame-bytes-is-text": ("frame_bytes", "1"),
        "volume-bytes-is-infinite": ("volume_bytes", float("inf")),
        "feature-is-a-number": ("features", [1]),
        "label-is-bytes": ("label", b"laptop"),
        "created-is-a-fraction": ("created_ns", 1.5),
    }
    for name, (field, value) in changes.items():
        yield case(name, pack(_FIELDS | {field: value}))
    for field in _FIELDS:
        left = {key: value for key, value in _FIELDS.items() if key != field}
        yield case(f"without-{field.replace('_', '-')}", pack(left))
    good = pack(_FIELDS)
    yield case("not-a-map", pack([1]))
    yield case("empty", b"")
    yield case("trailing-byte", good + b"\0")
    yield case("wide-map-header", b"\xde\0\7" + good[1:])
    yield case("doubled-key", b"\x88" + good[1:] + pack("label") + pack("laptop"))
    yield case("number-as-key", pack({1: 2}))
    yield case("nested-deeply", b"\x91" * 1_000)
    yield case("bomb", b"\xdd\xff\xff\xff\xff")


def _subkeys() -> Iterator[Case]:
    repository = {"repository": REPOSITORY.hex()}
    comment = "every key derived from one master key"
    yield Case("3-subkeys", "one-epoch", comment, MASTER, repository, "ok")
    comment = "two master keys: ids come from the first"
    masters = MASTER + fixed("second master")
    yield Case("3-subkeys", "two-epochs", comment, masters, repository, "ok")
    for name, content in {"empty": b"", "abc": b"abc", "zeros": bytes(1000)}.items():
        yield Case("4-blobs", name, "ids of this blob", content, FIXED_INPUTS, "ok")


def _deltas() -> Iterator[Case]:
    def case(
        name: str, comment: str, data: bytes, length: int, expect: str = "DamageError"
    ) -> Case:
        inputs = {"base": base.hex(), "plain_length": str(length)}
        return Case("4-deltas", name, comment, data, inputs, expect, ZSTD)

    base = fixed("base", 2000)
    edited = base[:900] + b"edited" + base[950:] + b"appended"
    good = Compressor().compress_delta(edited, base)
    length = len(edited)
    yield case("ok", "a blob as a delta", good, length, "ok")
    yield case("same", "equal to its base", _same_delta(base), len(base), "ok")
    yield case("length", "one byte longer than it says", good, length + 1)
    yield case("truncated", "the last byte is missing", good[:-1], length)
    yield case("trailing", "one byte too many", good + b"\0", length)
    yield case("no-frame", "not Zstandard", b"delta", length)
    yield case("bomb", "says that it is 1 TiB", _bomb(1 << 40), 1 << 40)


def _same_delta(base: bytes) -> bytes:
    return Compressor().compress_delta(base, base)


def _bomb(length: int) -> bytes:
    """A frame of one block that claims to hold this much (RFC 8878, 3.1.1)."""
    return b"\x28\xb5\x2f\xfd\xe0" + length.to_bytes(8, "little") + b"\x03\x00\x00\x61"
