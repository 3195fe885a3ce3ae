"""The same decisions as duplicity: its own code is asked beside ours."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunkvault.errors import UsageError
from chunkvault.localfs.conditions import (
    Conditions,
    by_expression,
    by_glob,
    read_file_list,
)
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import back_up, create_small, snapshots_of, write_tree
from tests.support.duplicity_selection import RealSelection

NAMES = ["a", "b", "A", "c.txt", "d.py", "x y", "[z]", "é", "a-b"]


@pytest.fixture(scope="module")
def duplicity():
    real = RealSelection()
    yield real
    real.close()


@pytest.fixture(scope="module")
def reference_tree(tmp_path_factory):
    files = (
        "top.txt a/1.txt a/2.py a/b/3.txt a/b/4.PY c/5.txt c/deep/f/g.txt d/e/f/g.txt"
    )
    top = write_tree(
        tmp_path_factory.mktemp("reference"), dict.fromkeys(files.split(), b"x")
    )
    (top / "empty").mkdir()
    (top / "link").symlink_to("a")
    return top


def ours(top, conditions):
    """Relative paths that a backup takes below a folder."""
    repository = create_small()
    back_up(repository, top, conditions=conditions)
    trees = TreeReader(repository.reader)
    tree = snapshots_of(repository)[-1].snapshot.tree
    node = trees.lookup(tree, os.fsencode(top))
    paths = (path for path, _ in trees.walk(node.subtree) if path)
    return sorted(os.fsdecode(path.lstrip(b"/")) for path in paths)


def compiled(top, rules):
    roots = [os.fsencode(top)]
    return Conditions(
        [by_glob(text, roots, is_include=is_include) for is_include, text in rules]
    )


def agree(duplicity, top, rules):
    options = [["--include" if sign else "--exclude", text] for sign, text in rules]
    theirs = duplicity.select(str(top), options)
    try:
        mine = ours(top, compiled(top, rules))
    except UsageError:
        mine = None
    assert mine == theirs


REFERENCE = [
    "- S/a",
    "+ S/a/b | - **",
    "- S/a/b | + S/a | - **",
    "+ S/a/b | - S/a",
    "+ S/a/b",
    "- S/a | + S/c",
    "+ **.txt | - **",
    "+ S/*.txt | - **",
    "- S/[ac]",
    "- S/[!a]*",
    "- S/[^a]*",
    "- S/[a-c]",
    "+ **/ | - **",
    "- S/a/",
    "- S/top.txt/",
    "- ignorecase:**.PY",
    "- **.PY",
    "- a/b",
    "- /etc",
    "+ S/d/e/f/g.txt | - S/d",
    "- S/d/**",
    "+ S/**/g.txt | - **",
    "- S//a",
    "- S",
    "- /",
    "- **",
    "- S/{a,c}",
    "- S/a\\b",
    "- S/[a",
    "- S/[]a]",
    "+ S/?/*.txt | - **",
    "- S/link",
    "+ S/link/ | - **",
    "+ S/empty | - **",
    "- S/a/b/ | + S/a/ | - **",
]


@pytest.mark.parametrize("rules", REFERENCE)
def test_the_reference_table_is_decided_as_by_duplicity(
    duplicity, reference_tree, rules
):
    parsed = [
        (rule[0] == "+", rule[2:].replace("S", str(reference_tree), 1))
        for rule in rules.split(" | ")
    ]
    agree(duplicity, reference_tree, parsed)


@pytest.mark.parametrize("sign", ["include", "exclude"])
@pytest.mark.parametrize(
    "text",
    [
        "+ S/a\n- **\n",
        "# comment\n\n   S/a/b  \n- **\n",
        "'S/a'\n- **\n",
        '- "S/a/b"\n+ S/a\n- **',
        "+ S/c/deep/f/g.txt\n-  S/c\n- S/a\n",
        "- **.txt\n'\n-  **\n",
        "S/a\n",
    ],
)
def test_file_lists_are_read_as_by_duplicity(duplicity, reference_tree, text, sign):
    text = text.replace("S", str(reference_tree))
    option = f"--{sign}-filelist"
    theirs = duplicity.select(str(reference_tree), [[option, "list"]], [text])
    try:
        listed = read_file_list(
            os.fsencode(text),
            [os.fsencode(reference_tree)],
            is_include=sign == "include",
            is_null=False,
        )
        mine = ours(reference_tree, Conditions(listed))
    except UsageError:
        mine = None
    assert mine == theirs


@pytest.mark.parametrize(
    "rules",
    [
        [("exclude", r"\.txt$")],
        [("include", r"g\.txt$"), ("exclude", ".")],
        [("exclude", "a"), ("exclude", "b")],
        [("exclude", "(")],
        [("include", "a/b"), ("exclude", r"\d")],
    ],
)
def test_expressions_decide_as_in_duplicity(duplicity, reference_tree, rules):
    # only below the folder: its own path would fit by chance
    options = [[f"--{sign}-regexp", text] for sign, text in rules]
    theirs = duplicity.select(str(reference_tree), options)
    try:
        conditions = [
            by_expression(text, is_include=sign == "include") for sign, text in rules
        ]
        mine = ours(reference_tree, Conditions(conditions))
    except UsageError:
        mine = None
    assert mine == theirs


def trees():
    return st.recursive(
        st.none(),
        lambda children: st.dictionaries(st.sampled_from(NAMES), children, max_size=3),
        max_leaves=12,
    ).filter(lambda tree: isinstance(tree, dict))


def globs():
    part = st.sampled_from(
        [*NAMES, "*", "?", "**", "*.txt", "[ab]", "[!a]", "a*", "*b", "[a-c]*", "[["]
    )
    path = st.lists(part, min_size=1, max_size=3).map("/".join)
    start = st.sampled_from(["S/", "S/", "**/", "**", "ignorecase:**", "/"])
    end = st.sampled_from(["", "", "/", "/**"])
    return st.tuples(start, path, end).map("".join)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(trees(), st.lists(st.tuples(st.booleans(), globs()), min_size=1, max_size=4))
def test_random_trees_and_rules_are_decided_as_by_duplicity(duplicity, tree, rules):
    top = Path(tempfile.mkdtemp())
    try:
        _write(top, tree)
        agree(
            duplicity,
            top,
            [(sign, text.replace("S", str(top))) for sign, text in rules],
        )
    finally:
        shutil.rmtree(top)


def _write(folder, tree):
    for name, below in tree.items():
        if below is None:
            (folder / name).write_bytes(b"x")
        else:
            (folder / name).mkdir()
            _write(folder / name, below)
