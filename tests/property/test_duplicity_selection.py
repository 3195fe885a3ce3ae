"""The same decisions as duplicity: its own code is asked beside ours."""

import os
import shutil
import stat
import subprocess
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
    older_than,
    on_other_filesystem,
    read_file_list,
)
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.builders import back_up, create_small, snapshots_of, write_tree
from tests.support.duplicity_selection import RealSelection
from tests.support.real_duplicity import VERSIONS

NAMES = ["a", "b", "A", "c.txt", "d.py", "x y", "[z]", "é", "a-b"]
PARTS = ["*", "?", "**", "*.txt", "[ab]", "[!a]", "a*", "*b", "[a-c]*", "[[", "[]a]"]
PARTS += ["[!]]", "**b", "a**", "***", "?*", "[A-z]*", "[-a]", "[a-]", "[*]"]
NAMES += ["a*", "q?", "{a,b}", "-r", ".h", "B.TXT", "ß", " s"]


@pytest.fixture(scope="module", params=VERSIONS)
def duplicity(request):
    real = RealSelection(VERSIONS[request.param])
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


def ours(top, conditions, **options):
    """Relative paths that a backup takes below a folder."""
    repository = create_small()
    back_up(repository, top, conditions=conditions, **options)
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


@pytest.fixture(scope="module")
def special_tree(tmp_path_factory):
    """Devices, marks, old files, links, and a mounted file system."""
    names = "a/.mark a/x a/b/y c/x c/.mark/x old mnt/hidden dev/x z"
    top = write_tree(
        tmp_path_factory.mktemp("special"), dict.fromkeys(names.split(), b"x")
    )
    for name, time in (("old", 999), ("c/x", 1000), ("z", 1001)):
        os.utime(top / name, (time, time))
    os.utime(top / "dev", (1, 1))
    os.mkfifo(top / "dev/fifo")
    (top / "to mnt").symlink_to("mnt")
    (top / "to a").symlink_to("a")
    os.utime(top / "to a", (1, 1), follow_symlinks=False)
    if os.geteuid() != 0:
        yield top
        return
    os.mknod(top / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(top / "dev/disk", 0o660 | stat.S_IFBLK, os.makedev(8, 200))
    subprocess.run(["mount", "-t", "tmpfs", "none", str(top / "mnt")], check=True)
    try:
        write_tree(top / "mnt", {"in/side": b"x", ".mark": b"x"})
        yield top
    finally:
        subprocess.run(["umount", str(top / "mnt")], check=True)


@pytest.mark.parametrize(
    "rules",
    [
        "devices",
        "other",
        "older 1000",
        "older 1001 | devices | other",
        "mark .mark",
        "mark x",
        "mark nothing",
        "+ S/mnt/in | other",
        "other | + S/mnt/in | - S/mnt",
        "+ S/a | mark .mark | - **",
        "+ S/old | older 1000 | - S/z",
        "older 1000 | + S/old | - S/z",
        "+ S/dev/null | devices | - S/dev",
        "- S/to?a | + S/to?mnt/in/side | - **",
        "+ S/dev/ | + **/x | - **",
        "+ S/mnt | - **",
        "mark .mark | + **/y | - **",
    ],
)
def test_what_is_no_pattern_is_decided_as_by_duplicity(duplicity, special_tree, rules):
    top = str(special_tree)
    options, conditions, marks, without_devices = [], [], [], False
    for word, _, text in (rule.partition(" ") for rule in rules.split(" | ")):
        path = text.replace("S", top, 1)
        match word:
            case "devices":
                without_devices = True
                options.append(["--exclude-device-files", ""])
            case "other":
                conditions.append(on_other_filesystem())
                options.append(["--exclude-other-filesystems", ""])
            case "older":
                conditions.append(older_than(int(text) * 10**9, text))
                options.append(["--exclude-older-than", int(text)])
            case "mark":
                marks.append(os.fsencode(text))
                options.append(["--exclude-if-present", text])
            case sign:
                is_include = sign == "+"
                roots = [os.fsencode(top)]
                conditions.append(by_glob(path, roots, is_include=is_include))
                options.append(["--include" if is_include else "--exclude", path])
    theirs = duplicity.select(top, options)
    assert theirs is not None
    chosen = Conditions(conditions, without_devices=without_devices)
    mine = ours(special_tree, chosen, exclude_if_present=tuple(marks))
    assert mine == theirs


def trees():
    return st.recursive(
        st.none(),
        lambda children: st.dictionaries(st.sampled_from(NAMES), children, max_size=3),
        max_leaves=12,
    ).filter(lambda tree: isinstance(tree, dict))


def globs():
    part = st.sampled_from([*NAMES, *PARTS])
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
