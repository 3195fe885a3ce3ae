"""Rules as in a .gitignore: a table, and git itself as the judge."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkvault.errors import UsageError
from chunkvault.localfs.patterns import Selection, read_rules

NAMES = st.sampled_from(
    ["a", "b", "c", "ab", "a.b", ".a", "-", "]", "*", "!a", "#", "a\nb", "é", "\udcff"]
)
GLOB_PARTS = [
    *("a", "b", ".", "é", "#", " ", "*", "?", "**", "\\*", "\\!", "\\ "),
    *("[ab]", "[!a]", "[^.]", "[]-]", "[c-a]", "[+--]", "[a\\]]"),
    *("[[:alpha:]]", "[![:alpha:]b]"),
]
GLOBS = st.lists(
    st.sampled_from(GLOB_PARTS),
    min_size=1,
    max_size=3,
).map("".join)
RULES = st.builds(
    lambda sign, start, components, end: sign + start + "/".join(components) + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(st.just("**") | GLOBS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)


@pytest.mark.parametrize(
    ("rules", "path", "is_excluded"),
    [
        (["*.o"], b"/home/me/a.o", True),
        (["*.o"], b"/home/me/a.old", False),
        (["*.o", "!keep.o"], b"/x/keep.o", False),
        (["!keep.o", "*.o"], b"/x/keep.o", True),
        (["cache"], b"/x/cache", True),
        (["cache"], b"/x/cache/", True),
        (["cache"], b"/x/cache2", False),
        (["cache/"], b"/x/cache", False),
        (["cache/"], b"/x/cache/", True),
        (["/proc"], b"/proc/", True),
        (["/proc"], b"/x/proc/", False),
        (["home/me"], b"/home/me/", True),
        (["home/me"], b"/mnt/home/me/", False),
        (["/home/*/tmp"], b"/home/me/tmp/", True),
        (["/home/*/tmp"], b"/home/me/too/tmp/", False),
        (["/home/**/tmp"], b"/home/tmp/", True),
        (["/home/**/tmp"], b"/home/me/too/tmp/", True),
        (["**/build/out"], b"/x/build/out", True),
        (["***/a/b"], b"/a/b", True),
        (["/x/**"], b"/x/", False),
        (["/x/**"], b"/x/y/", True),
        (["/x/**/"], b"/x/y", False),
        (["*", "!*/"], b"/x", True),
        (["*", "!*/"], b"/x/", False),
        (["*"], b"/", False),
        (["/a/b", "!/a"], b"/a/b", True),
        (["[!.]*"], b"/home/.bashrc", False),
        (["x[!a]y"], b"/x/y", False),
        (["*.txt"], b"/new\nline.txt", True),
        (["a*z"], b"/a\n\xffz", True),
        (["\udcff"], b"/\xff", True),
        (["\udcff*"], b"/\xfffile", True),
        (["??"], "/é".encode(), True),
        (["à"], "/à".encode(), True),
        (["à*"], "/àb".encode(), True),
        (["name "], b"/name ", True),
        (["name "], b"/name", False),
        (["*\t"], b"/name\t", True),
        ([r"\#*"], b"/#x#", True),
        ([r"\!*"], b"/!x", True),
        (["!#a", "*a"], b"/#a", True),
        ([], b"/anything", False),
    ],
)
def test_rules_match_as_in_gitignore(
    rules: Sequence[str], path: bytes, is_excluded: bool
) -> None:
    selection = Selection.of(rules)
    is_directory = path.endswith(b"/") and path != b"/"
    if is_directory:
        path = path[:-1]
    assert selection.excludes(path, is_directory) is is_excluded


def test_selection_without_rules_is_empty() -> None:
    assert Selection.of([]).is_empty
    assert not Selection.of(["a"]).is_empty


@pytest.mark.parametrize(
    "rule",
    [
        *("", "!", "/", "//", "a//b", "./a", "../a", "/a/../b", ".", "# note"),
        *("[a", "a[]", "[!]", "a\\", "[[:letter:]]"),
    ],
)
def test_rule_that_cannot_match_is_refused_by_name(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        Selection.of(["*.o", rule])
    assert repr(rule) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (b"", []),
        (b"a\n\n#b\n  \nc", ["a", "c"]),
        (b"\xef\xbb\xbfa\r\nb \\ \r\n", ["a", "b \\ "]),
        (b"a  \nb\\ \nc\\  \n d", ["a", "b\\ ", "c\\ ", " d"]),
        (b"!a\n\\#b\n\\!c", ["!a", "\\#b", "\\!c"]),
        (b"\xff\n", ["\udcff"]),
        (b"a\\", ["a\\"]),
    ],
)
def test_rules_are_the_lines_that_say_something(text: bytes, rules: list[str]) -> None:
    assert read_rules(text) == rules


TREES = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=4), st.booleans()), max_size=8
)


@settings(max_examples=60)
@given(tree=TREES, rules=st.lists(RULES, min_size=1, max_size=4))
def test_selection_agrees_with_git(
    tree: list[tuple[list[str], bool]], rules: list[str]
) -> None:
    text = os.fsencode("\n".join(rules))
    try:
        selection = Selection.of(read_rules(text))
    except UsageError:
        return  # git says nothing about a rule that never matches
    with TemporaryDirectory() as folder:
        for components, is_directory in tree:
            make(os.path.join(folder, *components), is_directory)
        assert excluded_by_us(folder, selection) == excluded_by_git(folder, text)


def make(path: str, is_directory: bool) -> None:
    try:
        os.makedirs(path if is_directory else os.path.dirname(path), exist_ok=True)
        if not is_directory:
            with open(path, "w"):
                pass
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        return


def excluded_by_us(folder: str, selection: Selection) -> set[bytes]:
    found: set[bytes] = set()
    top = os.fsencode(folder)
    for parent, directories, files in os.walk(top):
        for name in [*directories, *files]:
            path = os.path.join(parent, name)
            if selection.excludes(path.removeprefix(top), name in directories):
                found.add(path.removeprefix(top))
        directories[:] = [
            name
            for name in directories
            if os.path.join(parent, name).removeprefix(top) not in found
        ]
    return found


def excluded_by_git(folder: str, rules: bytes) -> set[bytes]:
    """The topmost paths that git ignores."""
    top = os.fsencode(folder)
    paths = [
        os.path.relpath(os.path.join(parent, name), top)
        for parent, directories, files in os.walk(top)
        for name in [*directories, *files]
    ]
    run_git(folder, "init", "--quiet", "--template=")
    Path(folder, ".git", "info").mkdir()
    Path(folder, ".git", "info", "exclude").write_bytes(rules)
    output = run_git(
        folder,
        *("check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"),
        stdin=b"".join(path + b"\0" for path in paths),
    )
    fields = output.split(b"\0")
    ignored = {
        path
        for pattern, path in zip(fields[2::4], fields[3::4], strict=False)
        if pattern and not pattern.startswith(b"!")
    }
    return {b"/" + path for path in ignored if not has_parent_in(path, ignored)}


def has_parent_in(path: bytes, paths: set[bytes]) -> bool:
    components = path.split(b"/")
    return any(
        b"/".join(components[:count]) in paths for count in range(1, len(components))
    )


def run_git(folder: str, *arguments: str, stdin: bytes = b"") -> bytes:
    nothing = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", "-C", folder, *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        check=False,
        env={"PATH": os.environ["PATH"], **nothing},
    ).stdout
