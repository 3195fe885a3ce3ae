"""Workload 9: what a person types, on a repository with two versions of a tree."""

from bench.workbench import Turn, Workbench
from bench.workloads.trees import source_tree

__all__ = ["compare_commands"]


def compare_commands(bench: Workbench, wanted: frozenset[int]) -> None:  # noqa: ARG001
    """List, compare and look for names; a look at the help."""
    with bench.folder("memory") as folder:
        source = folder / "source"
        history = source_tree(bench, source)
        with bench.trials(9, source, folder) as trials:
            for number in (0, 1):
                history.advance(number)
                bench.take_snapshots(9, trials, number)
            path = str(history.file)
            for round_number in range(1, bench.effort.rounds + 1):
                for trial in trials:
                    turn = Turn(bench.results, trial, round_number, "memory")
                    peer = trial.peer
                    turn.do(9, "--help", peer.help)
                    turn.do(9, "ls of the whole tree", peer.ls, number=1)
                    turn.do(9, "diff of two versions", peer.diff, number=1)
                    turn.do(9, "find a name", peer.find, path=path)
