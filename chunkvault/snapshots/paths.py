"""Paths inside snapshots: absolute, as bytes, their parts joined by slashes."""

from collections.abc import Iterable

__all__ = ["clean_path", "lies_in", "may_hold", "outermost", "split_path"]


def split_path(path: bytes) -> list[bytes]:
    """The names on the way to ``path``; none for ``/``."""
    return [part for part in path.split(b"/") if part]


def clean_path(path: bytes) -> bytes:
    """The path with one slash in front of each name, and none behind."""
    return b"/" + b"/".join(split_path(path))


def outermost(paths: Iterable[bytes]) -> list[bytes]:
    """The paths without those that lie below another one, sorted."""
    kept: list[bytes] = []
    for path in sorted(set(map(clean_path, paths)), key=split_path):
        if not kept or not lies_in(path, kept[-1]):
            kept.append(path)
    return kept


def lies_in(path: bytes, folder: bytes) -> bool:
    """Whether ``path`` is ``folder`` or something below it."""
    names, above = split_path(path), split_path(folder)
    return names[: len(above)] == above


def may_hold(snapshot_paths: Iterable[bytes], path: bytes) -> bool:
    """Whether a snapshot of these paths can hold ``path``.

    It can if ``path`` lies in one of them, or is a folder on the way to one.
    """
    return any(lies_in(path, kept) or lies_in(kept, path) for kept in snapshot_paths)
