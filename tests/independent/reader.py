"""Restores a snapshot: written from docs/format.md alone, an example and a test of it.

    reader.py REPOSITORY_DIR TARGET_DIR [--snapshot latest|PREFIX] [--index]

Content, mode and mtime of files, directories and symbolic links come back, below the
target by their whole paths; other kinds of nodes are passed over. Whatever is wrong
ends it with exit code 1. With --index it finds blobs by the index runs, else by what
the volumes say themselves. CHUNKVAULT_PASSWORD, or CHUNKVAULT_KEY_FILE with the path of
a device key, opens the repository. Chapters 1 to 6 are in stored_blobs.py.
"""

import argparse
import os
import struct
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from blake3 import blake3
from stored_blobs import (
    CHUNK,
    HASH,
    TREE,
    WRONG,
    Blobs,
    Keys,
    Run,
    Volume,
    check,
    names,
    open_keys,
    read_object,
    read_range,
    unpack,
    unseal,
)

FILE, DIRECTORY, LINK = 1, 2, 3
HOLE = bytes(32)
Node = SimpleNamespace

# --- 7 Nodes, trees and content ----------------------------------------------


def number(lowest: int, end: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and lowest <= value < end


def is_text(value: Any) -> bool:
    return isinstance(value, bytes) and b"\0" not in value


def is_name(value: Any) -> bool:
    return is_text(value) and value not in (b"", b".", b"..") and b"/" not in value


def is_content(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) % 40 == 0


def is_id(value: Any) -> bool:
    return value is None or (isinstance(value, bytes) and len(value) == 32)


COLUMNS: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "kind": (FILE, number(1, 7)),
    "mode": (0o644, number(0, 0o10000)),
    "mtime_ns": (0, number(-(2**63), 2**64)),
    "size": (0, number(0, 2**63)),
    "target": (b"", is_text),
    "content": (b"", is_content),
    "content_list": (None, is_id),
    "subtree": (None, is_id),
}
"""Default and check of the columns that this reader needs, but for the names."""


def unpack_nodes(count: int, columns: dict[str, Any]) -> Iterator[Node]:
    """The nodes of a tree."""
    check(number(0, 4097)(count), "a tree has too many nodes")
    found = {"name": columns.get("name", [])}  # an empty directory has no columns
    for column, (default, fits) in COLUMNS.items():
        values = columns.get(column, [default])
        if column == "mtime_ns" and "mtime_steps" in columns:
            check(column not in columns, "times are there twice")
            values = list(accumulate(columns["mtime_steps"]))
        check(all(map(fits, values)), f"a malformed {column}")
        found[column] = values * count if len(values) == 1 else values
    check(all(map(is_name, found["name"])), "a name is not a path component")
    check(all(len(values) == count for values in found.values()), "a short column")
    for values in zip(*found.values(), strict=True):
        yield Node(**dict(zip(found, values, strict=True)))


def read_trees(blobs: Blobs, tree_id: bytes, depth: int = 1) -> Iterator[Node]:
    """The nodes of one tree, or of all trees that a tree of trees lists."""
    check(depth <= 8, "trees of trees are too deep")
    form, *record = unpack(blobs.load(TREE, tree_id))
    if form == 1:
        yield from unpack_nodes(*record)
        return
    (rows,) = record
    check(form == 2 and rows and rows == sorted(rows), "a malformed tree of trees")
    for first, child in rows:
        for node in read_trees(blobs, child, depth + 1):
            check(first <= node.name, "a name stands before the first one of its tree")
            yield node


def read_directory(blobs: Blobs, tree_id: bytes) -> Iterator[Node]:
    """All nodes of a directory, each name once."""
    last = b""
    for node in read_trees(blobs, tree_id):
        check(last < node.name, f"names that do not ascend: {node.name!r}")
        last = node.name
        yield node


def split_references(data: bytes, total: int) -> list[tuple[int, bytes]]:
    references = list(struct.iter_unpack("<Q32s", data))
    lengths = [length for length, _ in references]
    check(all(lengths) and sum(lengths) == total, "references of another sum")
    return references


def read_list(
    blobs: Blobs, list_id: bytes, total: int, level: int = 0
) -> Iterator[tuple[int, bytes]]:
    """The references to chunks below a content list."""
    form, data = unpack(blobs.load(TREE, list_id))
    check(form in (3, 4) and level <= 16, "a malformed content list")
    for length, below in split_references(data, total):
        if form == 3:
            yield length, below
        else:
            check(below != HOLE, "a hole among lists")
            yield from read_list(blobs, below, length, level + 1)


def references(blobs: Blobs, node: Node) -> Iterator[tuple[int, bytes]]:
    if node.content_list is None:
        return iter(split_references(node.content, node.size))
    return read_list(blobs, node.content_list, node.size)


# --- 8 Snapshots -------------------------------------------------------------


def find_snapshot(top: Path, wanted: str) -> str:
    """The name of the newest snapshot, or of the one whose id starts so."""
    time = "[0-9]{8}-[0-9]{6}-[0-9]{9}"
    found = names(top, f"snapshots/{time}-[0-9a-f]{{16}}-{HASH}")
    if wanted == "latest":
        found = found[-1:]
    else:
        found = [name for name in found if name[-64:].startswith(wanted)]
    check(len(found) == 1, f"{len(found)} snapshots are named {wanted}")
    return found[0]


def read_snapshot(keys: Keys, top: Path, name: str) -> dict[str, Any]:
    """The record, if it belongs under its name."""
    data = read_object(top, name, b"CVSNAPSH")
    suite, epoch, nonce = struct.unpack_from("<B3xI24s", data, 8)
    check(suite == 1, f"{name} is unsupported")
    aad = keys.bind(data[:40])
    plain = unseal(keys.derive("snapshot", epoch), nonce, aad, data[40:], name)
    end = 4 + int.from_bytes(plain[:4], "little")
    check(end <= len(plain) and not any(plain[end:]), f"{name}: malformed padding")
    record = dict(unpack(plain[4:end]))
    seconds, nanoseconds = divmod(record["time_ns"], 10**9)
    time = f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H%M%S}-{nanoseconds:09}"
    texts = [record["host"], *record["paths"]]
    tagged = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    tag = blake3(tagged, key=keys.derive("snapshot tag")).hexdigest()[:16]
    fits = name.startswith(f"snapshots/{time}-{tag}-")
    check(fits, f"{name} stands under another name")
    return record


# --- 9 Reading ---------------------------------------------------------------


def find_blobs(keys: Keys, top: Path, *, use_index: bool) -> Blobs:
    """All blobs: from the index runs, and from volumes that no run lists."""
    blobs = Blobs(keys)
    runs = [
        Run(keys, top, name)
        for name in names(top, f"index/(long/)?{HASH}")
        if use_index
    ]
    replaced = {old.hex() for run in runs for old in run.replaced}
    kept = [run for run in runs if run.name[-64:] not in replaced]
    listed = {name for run in kept for name in run.load(keys, top, blobs)}
    for name in names(top, f"(chunks|trees)/[0-9a-f]{{2}}/{HASH}"):
        if name not in listed:
            volume = Volume(keys, top, name[-64:], read_range(top / name, 0, 128))
            check(volume.path == top / name, f"{name} is in a wrong folder")
            volume.open_directory(blobs)
    return blobs


# --- Restoring ---------------------------------------------------------------


def write_file(blobs: Blobs, node: Node, path: bytes) -> None:
    with open(path, "xb") as file:  # refuses what exists, links among it
        for length, chunk_id in references(blobs, node):
            if chunk_id == HOLE:
                file.seek(length, os.SEEK_CUR)
                continue
            chunk = blobs.load(CHUNK, chunk_id)
            check(len(chunk) == length, f"a chunk of {path!r} has another length")
            file.write(chunk)
        file.truncate(node.size)


def set_times(node: Node, path: bytes) -> None:
    if node.kind != LINK:
        os.chmod(path, node.mode)
    os.utime(path, ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)


def restore(blobs: Blobs, root: bytes, target: bytes) -> None:
    """Writes the tree of "/" to a target; nothing there is overwritten."""
    os.makedirs(target, exist_ok=True)
    pending, directories = [(target, root)], []
    while pending:
        parent, tree = pending.pop()
        for node in read_directory(blobs, tree):
            path = os.path.join(parent, node.name)
            if node.kind == DIRECTORY:
                os.mkdir(path, 0o700)
                directories.append((node, path))
                if node.subtree is not None:
                    pending.append((path, node.subtree))
            elif node.kind in (FILE, LINK):
                if node.kind == FILE:
                    write_file(blobs, node, path)
                else:
                    os.symlink(node.target, path)
                set_times(node, path)
    for node, path in reversed(directories):  # when nothing changes in them any more
        set_times(node, path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Restore a snapshot.")
    parser.add_argument("repository", type=Path)
    parser.add_argument("target")
    parser.add_argument("--snapshot", default="latest", metavar="latest|PREFIX")
    parser.add_argument("--index", action="store_true", help="use the index runs")
    options = parser.parse_args()
    top = options.repository
    try:
        keys = open_keys(top)
        snapshot = read_snapshot(keys, top, find_snapshot(top, options.snapshot))
        blobs = find_blobs(keys, top, use_index=options.index)
        restore(blobs, snapshot["tree"], os.fsencode(options.target))
    except WRONG as error:
        sys.stderr.write(f"reader: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
