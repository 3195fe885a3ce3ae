"""What is measured: each module tells the story of one kind of work."""

from collections.abc import Callable

from bench.workbench import Workbench
from bench.workloads.commands import compare_commands
from bench.workloads.growth import grow_databases, grow_mail, grow_tree
from bench.workloads.restores import restore_by_date
from bench.workloads.scale import measure_cold_start, measure_scale
from bench.workloads.trees import back_up_binaries, back_up_large_files, back_up_tree

__all__ = ["STORIES", "TITLES"]

STORIES: tuple[tuple[frozenset[int], Callable[[Workbench, frozenset[int]], None]], ...]
STORIES = (
    (frozenset({1, 2, 8}), back_up_tree),
    (frozenset({3}), grow_tree),
    (frozenset({4}), back_up_binaries),
    (frozenset({5, 8}), back_up_large_files),
    (frozenset({6}), grow_mail),
    (frozenset({7}), grow_databases),
    (frozenset({8, 9}), restore_by_date),
    (frozenset({9}), compare_commands),
    (frozenset({10}), measure_scale),
    (frozenset({11}), measure_cold_start),
)
"""Which workloads a story measures; it is given the numbers that are wanted."""

TITLES = {
    1: "many small files",
    2: "nothing changed",
    3: "the next versions of a tree",
    4: "a tree of binaries",
    5: "large mixed files",
    6: "a mail file that grows and is edited",
    7: "a database and a disk image with scattered writes",
    8: "restore",
    9: "commands",
    10: "scale",
    11: "cold start",
}
