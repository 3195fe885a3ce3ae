"""Random histories, written as duplicity would: each state comes back, tree by tree.

What is imported set by set has to be the very trees that a full set of the same
state gives.
"""

import random

import pytest

from tests.support.builders import create_small, noise, run_check, snapshots_of
from tests.support.difftars import DIRECTORY, T0, import_from, member, write_set

NAMES = ("a", "b", "b.c", "b-c", "d")
GONE = member(mode=0, mtime=0)


def key(path):
    return tuple(path.encode().split(b"/")) if path else ()


def random_state(chance, before):
    """A tree like the one before: {path: content, or None for a folder}."""
    state = {"": None}
    for path, content in sorted(before.items(), key=lambda item: key(item[0])):
        parent = path.rpartition("/")[0]
        if path and state.get(parent, b"") is None and chance.random() < 0.8:
            state[path] = content
    for _ in range(chance.randrange(12)):
        folders = [path for path, content in state.items() if content is None]
        path = f"{chance.choice(folders)}/{chance.choice(NAMES)}".lstrip("/")
        if chance.random() < 0.4:
            content = None
        else:
            content = noise(chance.choice((0, 10, 900, 5000)), chance.random())
        for below in [one for one in state if one.startswith(f"{path}/")]:
            del state[below]
        state[path] = content
    return state


def entries(before, state):
    """The members of a set, in order; all of them for a full one."""
    found = {}
    for path in sorted({*before, *state}, key=key):
        if path not in state:
            found[f"deleted/{path}"] = GONE
        elif path not in before or before[path] != state[path]:
            content = state[path]
            name = f"snapshot/{path}" if path else "snapshot/./"
            found[name] = DIRECTORY if content is None else content
    return found


def volumes(members, chance):
    """Divided anywhere."""
    names = list(members)
    cut = chance.randrange(len(names) + 1)
    parts = [names[:cut], names[cut:]]
    return [{name: members[name] for name in part} for part in parts]


@pytest.mark.parametrize("seed", range(25))
def test_increments_lead_to_the_trees_of_full_sets(tmp_path, seed):
    chance = random.Random(seed)
    chain, fulls = tmp_path / "chain", tmp_path / "fulls"
    state = {}
    for number in range(6):
        before, state = state, random_state(chance, state)
        start = T0 + number - 1 if number else None
        parts = volumes(entries(before, state), chance)
        write_set(chain, parts, start=start, end=T0 + number)
        write_set(fulls, [entries({}, state)], end=T0 + number)
    repository = create_small()
    assert import_from(repository, chain).sets_imported == 6
    assert import_from(repository, fulls, host="fulls").sets_imported == 6
    by_host = {"archived": [], "fulls": []}
    for one in snapshots_of(repository):
        by_host[one.snapshot.host].append((one.snapshot.tree, one.snapshot.totals))
    assert by_host["archived"] == by_host["fulls"]
    assert not run_check(repository.backend).damage
