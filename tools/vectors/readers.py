"""For each chapter, what a reader does with the bytes of a vector."""

from collections.abc import Callable

from chunkvault.codec.compression import expand, expand_delta
from chunkvault.codec.hashing import content_hash
from chunkvault.errors import DamageError, FormatError
from chunkvault.format import names
from chunkvault.format.config import decode_config
from chunkvault.format.content import decode_content_list, decode_refs
from chunkvault.format.directory import (
    CODEC_ZSTD,
    BlobRecord,
    FrameRecord,
    decode_directory,
)
from chunkvault.format.index_blocks import (
    decode_blob_block,
    decode_volume_block,
)
from chunkvault.format.index_fence import decode_fence
from chunkvault.format.index_run import (
    RUN_FOOTER_BYTES,
    RUN_HEADER_BYTES,
    open_run_header,
)
from chunkvault.format.keys import DeviceKey, Passphrase, open_slot
from chunkvault.format.padding import padded_size
from chunkvault.format.snapshot import decode_snapshot
from chunkvault.format.subkeys import Keyring, derive_keyring
from chunkvault.format.tree import decode_tree
from chunkvault.format.volume import (
    FOOTER_BYTES,
    HEADER_BYTES,
    VolumeSealer,
    open_header,
)
from chunkvault.ids import RepositoryId

__all__ = ["READERS"]

Inputs = dict[str, str]


def _keyring(inputs: Inputs) -> Keyring:
    joined = bytes.fromhex(inputs["masters"])
    masters = tuple(joined[n : n + 32] for n in range(0, len(joined), 32))
    return derive_keyring(masters, RepositoryId(bytes.fromhex(inputs["repository"])))


def read_name(_inputs: Inputs, data: bytes) -> object:
    """A snapshot's object name, as ASCII."""
    name = names.parse_snapshot_name(data.decode("ascii"))
    if name is None:
        raise FormatError("not the name of a snapshot")
    if names.snapshot_name(*name[:3]) != name.object_name:
        raise FormatError("a name has two meanings")
    return name


def read_sizes(_inputs: Inputs, data: bytes) -> object:
    """Sizes as little-endian u64; the size class of each."""
    starts = range(0, len(data), 8)
    sizes = [int.from_bytes(data[start : start + 8], "little") for start in starts]
    return {size: padded_size(size) for size in sizes}


def read_config(_inputs: Inputs, data: bytes) -> object:
    """The config object."""
    return {"repository": decode_config(data)}


def read_slot(inputs: Inputs, data: bytes) -> object:
    """A key slot, opened with the passphrase or the device key."""
    if "device_key" in inputs:
        return open_slot(data, DeviceKey(bytes.fromhex(inputs["device_key"])))
    return open_slot(data, Passphrase(bytes.fromhex(inputs["passphrase"])))


def read_subkeys(inputs: Inputs, data: bytes) -> object:
    """All keys from the master keys, which are the data."""
    ring = _keyring({"masters": data.hex()} | inputs)
    return {
        "chunk id": ring.blob_id[1],
        "tree id": ring.blob_id[2],
        "snapshot tag": ring.snapshot_tag,
        "tag of host, /a, /b": ring.tag("host", (b"/a", b"/b")),
        "epochs": [
            {
                "chunk volume wrap": epoch.wrap[1],
                "tree volume wrap": epoch.wrap[2],
                "volume directory": epoch.directory,
                "index run": epoch.index,
                "snapshot": epoch.snapshot,
            }
            for epoch in ring.epochs
        ],
    }


def read_blob(inputs: Inputs, data: bytes) -> object:
    """The ids of a blob with this content, as a chunk and as a tree."""
    ring = _keyring(inputs)
    return {"chunk id": ring.identify(1, data), "tree id": ring.identify(2, data)}


def read_delta(inputs: Inputs, data: bytes) -> object:
    """A delta, expanded against its base."""
    base = bytes.fromhex(inputs["base"])
    return expand_delta(data, base, int(inputs["plain_length"]))


def read_frame(inputs: Inputs, data: bytes) -> object:
    """The compressed content of a frame."""
    return expand(data, int(inputs["plain_length"]))


def read_volume(inputs: Inputs, data: bytes) -> object:
    """A whole volume: every part of it is opened, every blob's id recomputed."""
    keyring = _keyring(inputs)
    sealer = open_header(keyring, data[:HEADER_BYTES])
    footer = sealer.open_footer(data[-FOOTER_BYTES:], len(data))
    start, length = footer.directory_offset, footer.directory_length
    sealer.check_padding(data[footer.frames_end : start])
    plain = sealer.open_directory(data[start : start + length])
    frames, blobs = decode_directory(plain)
    contents = _open_frames(sealer, frames, data[HEADER_BYTES : footer.frames_end])
    return {
        "id": content_hash(data),
        "kind": sealer.kind,
        "frames": frames,
        "blobs": _open_blobs(keyring, sealer.kind, blobs, contents),
    }


def _open_frames(
    sealer: VolumeSealer, frames: list[FrameRecord], data: bytes
) -> list[bytes]:
    if sum(frame.stored_length for frame in frames) != len(data):
        raise FormatError("the frames do not reach the padding")
    contents, offset = [], 0
    for number, frame in enumerate(frames):
        sealed = data[offset : offset + frame.stored_length]
        place = (number, frame.codec, frame.plain_length)
        content = bytes(sealer.open_frame(sealed, place))
        if frame.codec == CODEC_ZSTD:
            content = expand(content, frame.plain_length)
        if len(content) != frame.plain_length:
            raise FormatError("a frame of an unexpected length")
        contents.append(content)
        offset += frame.stored_length
    return contents


def _open_blobs(
    keyring: Keyring, kind: int, blobs: list[BlobRecord], contents: list[bytes]
) -> list[dict[str, object]]:
    whole: dict[bytes, bytes] = {}
    opened = []
    for blob in blobs:
        content = contents[blob.frame][blob.offset : blob.offset + blob.length]
        if blob.base is None:
            whole[blob.prefix] = content
        elif blob.base in whole:
            content = expand_delta(content, whole[blob.base], blob.plain_length)
        else:
            raise DamageError("the base of a delta is missing")
        if keyring.identify(kind, content)[:16] != blob.prefix:
            raise DamageError("a blob is not the one with its id")
        opened.append(blob._asdict() | {"content": content})
    return opened


def read_directory(_inputs: Inputs, data: bytes) -> object:
    """The plain bytes of a volume's directory."""
    frames, blobs = decode_directory(data)
    return {"frames": frames, "blobs": blobs}


def read_blob_block(_inputs: Inputs, data: bytes) -> object:
    """The plain bytes of a blob block."""
    return decode_blob_block(data)


def read_volume_block(_inputs: Inputs, data: bytes) -> object:
    """The plain bytes of a volume block."""
    block = decode_volume_block(data)
    return [block[place] for place in range(len(block))]


def read_fence(inputs: Inputs, data: bytes) -> object:
    """The plain bytes of a fence."""
    return decode_fence(data, int(inputs["fence_offset"]))


def read_run(inputs: Inputs, data: bytes) -> object:
    """A whole index run; of its rows and volumes the first and last of each block."""
    sealer = open_run_header(_keyring(inputs), data[:RUN_HEADER_BYTES])
    footer = data[-RUN_FOOTER_BYTES:]
    offset, length = sealer.open_footer(footer, len(data))
    fence = sealer.open_fence(data[offset : offset + length], offset)
    start, shown = RUN_HEADER_BYTES, []
    for number, end in enumerate(fence.blob_ends):
        block = sealer.open_blob_block(number, data[start:end])
        shown.append([block.row(0), block.row(len(block.lengths) - 1)])
        start = end
    volumes = []
    for number, end in enumerate(fence.volume_ends):
        records = sealer.open_volume_block(number, data[start:end])
        volumes.append([records[0], records[len(records) - 1]])
        start = end
    for number, end in enumerate(fence.filter_ends):
        sealer.open_filter(number, data[start:end])
        start = end
    return {"fence": fence, "rows": shown, "volumes": volumes}


def read_tree(_inputs: Inputs, data: bytes) -> object:
    """A tree, or a tree of trees."""
    return decode_tree(data)


def read_content(_inputs: Inputs, data: bytes) -> object:
    """References, as a node's ``content`` has them."""
    return decode_refs(data)


def read_content_list(_inputs: Inputs, data: bytes) -> object:
    """A content list."""
    return decode_content_list(data)


def read_snapshot(inputs: Inputs, data: bytes) -> object:
    """A snapshot object."""
    return decode_snapshot(data, _keyring(inputs))


READERS: dict[str, Callable[[Inputs, bytes], object]] = {
    "1-names": read_name,
    "1-padding": read_sizes,
    "2-config": read_config,
    "3-slots": read_slot,
    "3-subkeys": read_subkeys,
    "4-blobs": read_blob,
    "4-deltas": read_delta,
    "5-frames": read_frame,
    "5-volumes": read_volume,
    "5-directories": read_directory,
    "6-runs": read_run,
    "6-blob-blocks": read_blob_block,
    "6-volume-blocks": read_volume_block,
    "6-fences": read_fence,
    "7-trees": read_tree,
    "7-content": read_content,
    "7-content-lists": read_content_list,
    "8-snapshots": read_snapshot,
}
