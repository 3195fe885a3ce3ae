"""Conditions of all kinds, several sources, lists of files: decided as by duplicity.

duplicity has one source. With several, each is to be decided as if it were the only
one, where a pattern that can fit nothing in it does not count.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunkvault.cli.sources import listed_paths
from chunkvault.errors import UsageError
from chunkvault.localfs.conditions import (
    Conditions,
    by_expression,
    by_glob,
    older_than,
    on_other_filesystem,
    read_file_list,
)
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import back_up, create_small, snapshots_of
from tests.support.duplicity_selection import RealSelection
from tests.support.real_duplicity import VERSIONS

NAMES = ["a", "b", "A", "c.txt", "d.py", "x y", "[z]", "é", "a-b", ".h", " s", "#c"]
PARTS = [*NAMES, "*", "?", "**", "*.txt", "[ab]", "[!a]", "a*", "**b", "a**", "ä"]
EXPRESSIONS = [r"\.txt$", "/a", "b/", "[A-Z]", "x y", "c.txt|d.py", "a-?b?$", "(", "é"]
LAST = ("glob", False, "**/no such name")
SOURCES = ("s", "s-x")
"""One name begins with the other."""


@pytest.fixture(scope="module", params=VERSIONS)
def duplicity(request):
    real = RealSelection(VERSIONS[request.param])
    yield real
    real.close()


@pytest.fixture(scope="module")
def newer():
    """The one that has ``--files-from``."""
    real = RealSelection(VERSIONS["3.2"])
    yield real
    real.close()


def trees():
    """Names, with a folder's content or a file's time of change."""
    return st.recursive(
        st.integers(995, 1005),
        lambda below: st.dictionaries(st.sampled_from(NAMES), below, max_size=3),
        max_leaves=10,
    ).filter(lambda tree: isinstance(tree, dict))


def globs():
    path = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("/".join)
    start = st.sampled_from(["S/", "T/", "S/", "T/", "**/", "**", "ignorecase:S/", "/"])
    end = st.sampled_from(["", "", "", "/", "/**"])
    return st.tuples(start, path, end).map("".join)


def lines():
    form = st.sampled_from(["%s", "+ %s", "- %s", " %s ", '"%s"', "- '%s'", "# %s", ""])
    line = st.tuples(form, globs()).map(lambda two: two[0].replace("%s", two[1]))
    return st.lists(line, max_size=3)


def rules():
    sign = st.booleans()
    one = st.one_of(
        st.tuples(st.just("glob"), sign, globs()),
        st.tuples(st.just("list"), sign, lines()),
        st.tuples(st.just("regexp"), sign, st.sampled_from(EXPRESSIONS)),
        st.tuples(st.just("older"), st.just(False), st.integers(995, 1005)),
        st.tuples(st.just("other"), st.just(False), st.none()),
        st.tuples(st.just("mark"), st.just(False), st.sampled_from(NAMES)),
    )
    return st.lists(one, min_size=1, max_size=5)


def placed(rules, top):
    """With the sources in the place of S and T; a list as several of one line."""
    for kind, sign, value in rules:
        if kind == "list":
            for line in value:
                yield kind, sign, at_sources(line, top)
        else:
            yield kind, sign, at_sources(value, top) if kind == "glob" else value


def at_sources(text, top):
    for letter, name in zip("ST", SOURCES, strict=True):
        text = text.replace(f"{letter}/", f"{top}/{name}/", 1)
    return text


def question(rules):
    """The options of duplicity, and its lists."""
    options, lists = [], []
    for kind, sign, value in rules:
        word = "include" if sign else "exclude"
        if kind == "glob":
            options.append([f"--{word}", value])
        elif kind == "list":
            options.append([f"--{word}-filelist", "list"])
            lists.append(value)
        elif kind == "regexp":
            options.append([f"--{word}-regexp", value])
        elif kind == "older":
            options.append(["--exclude-older-than", value])
        elif kind == "other":
            options.append(["--exclude-other-filesystems", ""])
        else:
            options.append(["--exclude-if-present", value])
    return options, lists


def conditions(rules, roots):
    """Ours; what marks folders to be left out is no condition."""
    found, marks = [], []
    for kind, sign, value in rules:
        if kind == "glob":
            found.append(by_glob(value, roots, is_include=sign))
        elif kind == "list":
            data = os.fsencode(value)
            found += read_file_list(data, roots, is_include=sign, is_null=False)
        elif kind == "regexp":
            found.append(by_expression(value, is_include=sign))
        elif kind == "older":
            found.append(older_than(value * 10**9, str(value)))
        elif kind == "other":
            found.append(on_other_filesystem())
        else:
            marks.append(os.fsencode(value))
    return Conditions(found), tuple(marks)


def ours(sources, rules):
    """Paths below each source that a backup of all of them takes; None if refused."""
    roots = [os.fsencode(source) for source in sources]
    repository = create_small()
    try:
        chosen, marks = conditions(rules, roots)
    except UsageError:
        return None
    back_up(repository, *sources, conditions=chosen, exclude_if_present=marks)
    trees = TreeReader(repository.reader)
    tree = snapshots_of(repository)[-1].snapshot.tree
    return [below(trees, tree, root) for root in roots]


def below(trees, tree, root):
    node = trees.lookup(tree, root)
    paths = (path for path, _ in trees.walk(node.subtree) if path)
    return sorted(os.fsdecode(path.lstrip(b"/")) for path in paths)


def theirs(duplicity, sources, rules):
    """The same by duplicity, which is asked for one after the other."""
    fitting = {source: [] for source in sources}
    for rule in rules:
        for source in sources:
            alone = question([rule, LAST])
            if duplicity.select(str(source), *alone) is not None:
                fitting[source].append(rule)
        if not any(rule in fits for fits in fitting.values()):
            return None
    return [
        duplicity.select(str(one), *question(fits)) for one, fits in fitting.items()
    ]


def write(folder, tree):
    folder.mkdir()
    for name, content in tree.items():
        if isinstance(content, dict):
            write(folder / name, content)
        else:
            (folder / name).write_bytes(b"x")
            os.utime(folder / name, (content, content))


def require_agreement(duplicity, trees, rules):
    top = Path(tempfile.mkdtemp())
    try:
        sources = [top / name for name in SOURCES[: len(trees)]]
        for source, tree in zip(sources, trees, strict=True):
            write(source, tree)
        chosen = list(placed([*rules, LAST], top))
        assert ours(sources, chosen) == theirs(duplicity, sources, chosen)
    finally:
        shutil.rmtree(top)


def several_trees():
    return st.lists(trees(), min_size=1, max_size=2)


def often(count):
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@often(60)
@given(several_trees(), rules())
def test_all_kinds_of_conditions_decide_as_in_duplicity(duplicity, trees, rules):
    require_agreement(duplicity, trees, rules)


def files_of(tree, folder=""):
    for name, content in tree.items():
        if isinstance(content, dict):
            yield from files_of(content, f"{folder}{name}/")
        else:
            yield f"{folder}{name}"


def listed():
    """A tree, and some of the files in it."""
    whole = trees().filter(lambda tree: list(files_of(tree)))
    return whole.flatmap(
        lambda tree: st.tuples(
            st.just(tree),
            st.lists(st.sampled_from(sorted(files_of(tree))), min_size=1, unique=True),
        )
    )


def without_folders(rules):
    """Those that are asked about files alone, and not about the folders above."""
    found = []
    for kind, sign, value in rules:
        if kind == "list":
            found.append(
                (kind, sign, [one for one in value if not is_for_folders(one)])
            )
        elif kind not in ("regexp", "mark") and not is_for_folders(str(value)):
            found.append((kind, sign, value))
    return found


def is_for_folders(text):
    return text.rstrip(" '\"").endswith("/")


def require_same_list(newer, tree, names, rules):
    top = Path(tempfile.mkdtemp())
    try:
        source = top / SOURCES[0]
        write(source, tree)
        chosen = list(placed([*without_folders(rules), LAST], top))
        roots = [b"/"]
        options, lists = question(
            [
                one
                for one in chosen
                if newer.select(str(source), *question([one, LAST])) is not None
            ]
        )
        options.append(["--files-from", "names"])
        found = newer.select(str(source), options, [*lists, "\n".join(names)])
        try:
            ask, _ = conditions(chosen, roots)
        except UsageError:
            return  # malformed: covered above
        paths = tuple(os.fsencode(source / name) for name in names)
        try:
            left = listed_paths(paths, (), ask)
        except UsageError:
            left = ()
        taken = [name for name in found if not (source / name).is_dir()]
        assert (
            sorted(
                os.fsdecode(os.path.relpath(one, os.fsencode(source))) for one in left
            )
            == taken
        )
    finally:
        shutil.rmtree(top)


@often(60)
@given(listed(), rules())
def test_conditions_leave_of_a_list_what_duplicity_leaves(newer, listed, rules):
    require_same_list(newer, *listed, rules)


@pytest.mark.slow
@often(3000)
@given(listed(), rules())
def test_many_conditions_leave_of_a_list_what_duplicity_leaves(newer, listed, rules):
    require_same_list(newer, *listed, rules)


@pytest.mark.slow
@often(3000)
@given(several_trees(), rules())
def test_many_conditions_of_all_kinds_decide_as_in_duplicity(duplicity, trees, rules):
    require_agreement(duplicity, trees, rules)
