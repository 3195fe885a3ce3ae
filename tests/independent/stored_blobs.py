"""From a repository to its blobs: chapters 1 to 6 of docs/format.md; see reader.py.

Of the limits, only those of Zstandard frames and of Argon2id are checked here.
"""

import os
import re
import struct
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import zstandard
from blake3 import blake3
from nacl import bindings
from nacl.exceptions import CryptoError

CHUNK, TREE = 1, 2
FOLDERS = {CHUNK: "chunks", TREE: "trees"}
HASH = "[0-9a-f]{64}"
PYTHON = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
WRONG = (*PYTHON, RecursionError, CryptoError, struct.error, zstandard.ZstdError)


def check(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)


# --- Conventions -------------------------------------------------------------


def kdf(context: str, material: bytes) -> bytes:
    return blake3(material, derive_key_context=f"chunkvault v1 {context}").digest()


def unseal(key: bytes, nonce: int | bytes, aad: bytes, x: bytes, what: object) -> bytes:
    """Undoes SEAL; a number stands for the nonce N(number)."""
    nonce = nonce if isinstance(nonce, bytes) else nonce.to_bytes(24, "little")
    check(len(x) >= 16, f"{what} is cut off")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(x, aad, nonce, key)
    except CryptoError:
        raise ValueError(f"{what} is damaged") from None


def expand(data: bytes, length: int, base: bytes = b"") -> bytes:
    """Undoes ZSTD; the claimed size is compared before anything is allocated."""
    frame = zstandard.get_frame_parameters(data)
    check(frame.content_size == length <= 2**25 and not frame.dict_id, "bad Zstandard")
    raw = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    tool = zstandard.ZstdDecompressor(dict_data=raw, max_window_size=2**26)
    return tool.decompress(data, allow_extra_data=False)


def unpack(data: bytes) -> Any:
    """Undoes MP; packing again shows what is not canonical."""
    record = msgpack.unpackb(data)
    check(msgpack.packb(record) == data, "a record is not canonical")
    return record


def unpack_packed(data: bytes) -> Any:
    return unpack(expand(data[4:], *struct.unpack_from("<I", data)))


def split(column: bytes, form: str) -> list[Any]:
    return [value for (value,) in struct.iter_unpack("<" + form, column)]


# --- 1 Objects, 2 config, 3 keys ---------------------------------------------


def names(top: Path, pattern: str) -> list[str]:
    """Objects of a kind by their names; files with other names are no objects."""
    found = sorted(str(path.relative_to(top)) for path in top.rglob("*"))
    return [name for name in found if re.fullmatch(pattern, name)]


def read_object(top: Path, name: str, magic: bytes) -> bytes:
    data = (top / name).read_bytes()
    check(blake3(data).hexdigest() == name[-64:], f"{name} is damaged")
    check(data.startswith(magic), f"{name} is something else")
    return data


def read_range(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


class Keys(NamedTuple):
    repository: bytes
    masters: list[bytes]

    def derive(self, purpose: str, epoch: int = 0) -> bytes:
        return kdf(purpose, self.masters[epoch] + self.repository)

    def bind(self, clear: bytes) -> bytes:
        """The additional data for what these clear bytes stand before."""
        return blake3(self.repository + clear).digest()


def slot_key(slot: bytes) -> bytes | None:
    """The key of a slot, if the environment has what its kind asks for."""
    kind, passes, memory, salt = struct.unpack_from("<BII16s", slot, 44)
    if kind == 2 and (file := os.environ.get("CHUNKVAULT_KEY_FILE")):
        return kdf("device key slot", Path(file).read_bytes() + salt)
    password = os.environ.get("CHUNKVAULT_PASSWORD")
    if kind != 1 or password is None:
        return None
    check(1 <= passes <= 8 and 8 <= memory <= 2**20, "a slot asks for too much work")
    secret = unicodedata.normalize("NFC", password).encode()
    how = (passes, memory * 1024, bindings.crypto_pwhash_ALG_ARGON2ID13)
    return kdf("passphrase slot", bindings.crypto_pwhash_alg(32, secret, salt, *how))


def open_slot(config: bytes, name: str, slot: bytes) -> dict[str, Any] | None:
    """The bundle of a slot; None if the slot is for another secret."""
    if slot[8:44] != config[8:44] or (key := slot_key(slot)) is None:
        return None
    if blake3(slot[:93], key=kdf("slot commitment", key)).digest() != slot[93:125]:
        return None
    return dict(unpack(unseal(key, slot[69:93], slot[:125], slot[125:], name)))


def open_keys(top: Path) -> Keys:
    config = (top / "config").read_bytes()
    check(len(config) == 76 and config[:8] == b"CVCONFIG", "this is no config")
    check(blake3(config[:44]).digest() == config[44:], "the config is damaged")
    check(config[8:12] == b"\1\0\0\0", "the version of the format is unsupported")
    problem = ValueError("no key slot opens: wrong password or device key")
    for name in names(top, f"keys/{HASH}"):
        try:
            bundle = open_slot(config, name, read_object(top, name, b"CVKEYSLT"))
        except ValueError as error:
            problem = error  # another slot may open
            continue
        if bundle:
            check(bundle["features"] == [], "a feature is unsupported")
            return Keys(config[12:44], bundle["masters"])
    raise problem


# --- 5 Volumes ---------------------------------------------------------------


class Volume:
    """A volume, of which the header is open."""

    def __init__(self, keys: Keys, top: Path, name: str, header: bytes) -> None:
        suite, wrap, self.kind, parity, epoch = struct.unpack_from("<4BI", header, 8)
        check((suite, wrap, parity) == (1, 0, 0), f"volume {name} is unsupported")
        fits = header[:8] == b"CVVOLUME" and header[120:] == bytes(8)
        check(fits and self.kind in FOLDERS, f"volume {name} is malformed")
        self.path = top / FOLDERS[self.kind] / name[:2] / name
        self.binding, salt, nonce = keys.bind(header), header[16:48], header[48:72]
        wrap_key = keys.derive(f"{FOLDERS[self.kind][:-1]} volume wrap", epoch)
        key = unseal(wrap_key, nonce, keys.bind(header[:48]), header[72:120], name)
        self.key = kdf("frames of a volume", key + salt)
        key = keys.derive("volume directory", epoch)
        self.directory_key = kdf("directory of a volume", key + salt)

    def set_frames(self, stored: bytes, lengths: bytes, codecs: bytes) -> None:
        self.frames = list(zip(split(lengths, "I"), codecs, strict=True))
        self.ends = list(accumulate(split(stored, "I"), initial=128))
        check(len(self.ends) == len(codecs) + 1, f"{self.path}: frames contradict")

    @lru_cache(maxsize=8)  # noqa: B019 (what it keeps alive is needed to the end)
    def frame(self, number: int) -> bytes:
        (length, codec), what = self.frames[number], f"{self.path}, frame {number}"
        aad = blake3(self.binding + struct.pack("<IBI", number, codec, length)).digest()
        sealed = read_range(self.path, *self.ends[number : number + 2])
        content = unseal(self.key, number, aad, sealed, what)
        content = expand(content, length) if codec else content
        check(len(content) == length and codec <= 1, f"{what} is malformed")
        return content

    def open_directory(self, blobs: "Blobs") -> None:
        """What the volume says itself; for volumes that no index run lists."""
        size, seal = self.path.stat().st_size, self.directory_key
        footer = unseal(
            seal, 1, self.binding, read_range(self.path, size - 40, size), self.path
        )
        end, start, length = struct.unpack("<3Q", footer)
        check(start + length + 40 == size, f"{self.path}: malformed footer")
        sealed = read_range(self.path, start, size - 40)
        columns = unpack_packed(unseal(seal, 0, self.binding, sealed, self.path))
        self.set_frames(*columns[:3])
        check(self.ends[-1] == end <= start - 16, f"{self.path}: frames end elsewhere")
        prefixes, counts, sizes = (
            columns[4],
            split(columns[3], "I"),
            split(columns[5], "I"),
        )
        spots, rest = [], iter(sizes)
        for number, count in zip(range(len(self.frames)), counts, strict=True):
            offsets = list(accumulate(islice(rest, count), initial=0))
            check(offsets[-1] == self.frames[number][0], f"{self.path}: frame not full")
            spots += [Place(self, number, *span) for span in pairwise(offsets)]
        blobs.add(split(prefixes, "16s"), spots, columns[6:])


# --- 4 Blobs -----------------------------------------------------------------


class Place(NamedTuple):
    volume: Volume
    frame: int
    start: int
    end: int
    base: bytes | None = None  # the base's prefix and the length, of a delta
    expanded: int = 0


class Blobs:
    """Where every blob is, by kind and prefix."""

    def __init__(self, keys: Keys) -> None:
        self.ids = {CHUNK: keys.derive("chunk id"), TREE: keys.derive("tree id")}
        self.places: dict[tuple[int, bytes], list[Place]] = {}

    def add(self, prefixes: list[bytes], spots: list[Place], last: list[bytes]) -> None:
        """Takes rows; their last three columns are encodings, bases and lengths."""
        deltas = zip(split(last[1], "16s"), split(last[2], "I"), strict=True)
        for prefix, spot, encoding in zip(prefixes, spots, last[0], strict=True):
            check(encoding <= 1, "unknown encoding")
            place = Place(*spot[:4], *next(deltas)) if encoding else spot
            self.places.setdefault((spot.volume.kind, prefix), []).append(place)
        check(not list(deltas), "more bases than deltas")

    def load(self, kind: int, blob_id: bytes) -> bytes:
        """The blob, from the first of its places that gives bytes with this id."""
        problem: Exception = LookupError(f"blob {blob_id.hex()} is not there")
        for place in self.places.get((kind, blob_id[:16]), []):
            try:
                for data in self.versions(place):
                    if blake3(data, key=self.ids[kind]).digest() == blob_id:
                        return data
                problem = ValueError(f"blob {blob_id.hex()} has another id")
            except WRONG as error:
                problem = error
        raise problem

    def versions(self, place: Place) -> Iterator[bytes]:
        """The bytes there; expanded with each blob of the base's prefix, of a delta."""
        data = place.volume.frame(place.frame)[place.start : place.end]
        if place.base is None:
            yield data
            return
        bases = self.places[place.volume.kind, place.base]
        for base in (base for base in bases if base.base is None):  # no delta itself
            with suppress(*WRONG):  # there may be another one
                yield expand(data, place.expanded, *self.versions(base))


# --- 6 Index runs ------------------------------------------------------------


class Run:
    """An index run, of which the fence is open."""

    def __init__(self, keys: Keys, top: Path, name: str) -> None:
        self.data, self.name = read_object(top, name, b"CVINDEXR"), name
        suite, epoch, salt = struct.unpack_from("<B3xI32s", self.data, 8)
        check(suite == 1, f"{name} is unsupported")
        run_key = keys.derive("index run", epoch)
        self.key = kdf("sections of an index run", run_key + salt)
        self.binding = keys.bind(self.data[:48])
        end = len(self.data) - 88
        check(self.data[end : end + 48] == self.data[:48], f"{name} is two runs")
        footer = self.section(2**33 + 1, end + 48, end + 88)
        start, length, padding = struct.unpack("<3Q", footer)
        check(start + length == end, f"{name}: the fence ends elsewhere")
        check(16 <= padding <= start - 48, f"{name}: malformed padding")
        fence = unpack_packed(self.section(2**33, start, end))
        _, self.ends, self.volume_ends, *_, self.replaced, parts = fence
        inside = [read_object(top, f"parts/{one.hex()}", b"") for one, _ in parts]
        self.data = b"".join([self.data[:48], *inside, self.data[48:]])

    def section(self, number: int, start: int, end: int) -> bytes:
        return unseal(self.key, number, self.binding, self.data[start:end], self.name)

    def load(self, keys: Keys, top: Path, blobs: Blobs) -> set[str]:
        """Adds all blobs, though the fence would lead to one; gives the volumes."""
        spans = list(pairwise([48, *self.ends, *self.volume_ends]))
        volumes: list[Volume] = []
        for number, span in enumerate(spans[len(self.ends) :], 2**32):
            rows = unpack_packed(self.section(number, *span))
            for name, _size, header, *frames in rows:
                volumes.append(Volume(keys, top, name.hex(), header))
                volumes[-1].set_frames(*frames)
        for number, span in enumerate(spans[: len(self.ends)]):
            columns = unpack_packed(self.section(number, *span))
            places = (split(column, "I") for column in columns[1:5])
            spots = [
                Place(volumes[volume], frame, start, start + length)
                for volume, frame, start, length in zip(*places, strict=True)
            ]
            blobs.add(split(columns[0], "16s"), spots, columns[5:])
        return {str(volume.path.relative_to(top)) for volume in volumes}
