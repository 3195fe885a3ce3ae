"""Conditions besides patterns; those are compared with the real duplicity."""

import os
import stat
from types import SimpleNamespace

import pytest

from chunkvault.errors import UsageError
from chunkvault.localfs.conditions import (
    Conditions,
    Verdict,
    by_expression,
    by_glob,
    older_than,
    on_other_filesystem,
    read_file_list,
)

ROOT = [b"/r"]


def status(mode=stat.S_IFREG, mtime_ns=0, device=1):
    return SimpleNamespace(st_mode=mode, st_mtime_ns=mtime_ns, st_dev=device)


def test_without_conditions_everything_is_taken():
    conditions = Conditions()
    assert conditions.is_empty
    assert conditions.verdict(b"/r/a", status(), 1) is Verdict.TAKE


@pytest.mark.parametrize("kind", [stat.S_IFBLK, stat.S_IFCHR])
def test_devices_are_left_out_before_anything_is_asked(kind):
    rules = [
        by_glob("/r/a", ROOT, is_include=True),
        by_glob("**", ROOT, is_include=False),
    ]
    conditions = Conditions(rules, without_devices=True)
    assert not conditions.is_empty
    assert conditions.verdict(b"/r/a", status(kind), 1) is Verdict.LEAVE_OUT
    assert conditions.verdict(b"/r/a", status(stat.S_IFIFO), 1) is Verdict.TAKE


def test_only_old_regular_files_are_left_out():
    conditions = Conditions([older_than(100, "7D")])
    assert conditions.verdict(b"/r/a", status(mtime_ns=99), 1) is Verdict.LEAVE_OUT
    assert conditions.verdict(b"/r/a", status(mtime_ns=100), 1) is Verdict.TAKE
    folder = status(stat.S_IFDIR, mtime_ns=1)
    assert conditions.verdict(b"/r/a", folder, 1) is Verdict.TAKE


def test_what_is_on_another_file_system_is_left_out_in_its_turn():
    include = by_glob("/r/kept", ROOT, is_include=True)
    conditions = Conditions([include, on_other_filesystem()])
    assert conditions.verdict(b"/r/a", status(device=2), 1) is Verdict.LEAVE_OUT
    assert conditions.verdict(b"/r/a", status(device=1), 1) is Verdict.TAKE
    assert conditions.verdict(b"/r/kept", status(device=2), 1) is Verdict.TAKE


def test_a_name_that_is_not_text_is_compared_too():
    conditions = Conditions([by_glob("/r/?", ROOT, is_include=False)])
    assert conditions.verdict(b"/r/\xff", status(), 1) is Verdict.LEAVE_OUT


@pytest.mark.parametrize("text", ["", "ignorecase:", "/r//a", "/r/[z-a]"])
def test_a_malformed_pattern_is_refused(text):
    with pytest.raises(UsageError, match="pattern"):
        by_glob(text, ROOT, is_include=False)


def test_a_pattern_that_fits_nothing_that_is_backed_up_is_refused():
    with pytest.raises(UsageError, match="can fit nothing"):
        by_glob("/elsewhere/a", ROOT, is_include=False)
    by_glob("/elsewhere/a", [*ROOT, b"/elsewhere"], is_include=False)


def test_a_malformed_expression_is_refused():
    with pytest.raises(UsageError, match="not a regular expression"):
        by_expression("(", is_include=False)


@pytest.mark.filterwarnings("error")
def test_an_expression_that_later_pythons_read_differently_is_no_warning():
    by_expression("[[a]", is_include=False)


def test_a_last_condition_that_includes_is_refused():
    with pytest.raises(UsageError, match="only includes"):
        Conditions([by_glob("/r/a", ROOT, is_include=True)])


def test_a_file_list_may_end_its_lines_with_zero_bytes():
    data = b"- /r/a\nb\0+ /r\0- **\0"
    listed = read_file_list(data, ROOT, is_include=True, is_null=True)
    assert [condition.text for condition in listed] == ["- /r/a\nb", "+ /r", "- **"]


def test_texts_tell_what_was_asked_for():
    rules = [
        by_expression("x", is_include=True),
        older_than(1, "7D"),
        on_other_filesystem(),
    ]
    assert Conditions(rules).texts == (
        "include-regexp x",
        "exclude-older-than 7D",
        "exclude-other-filesystems",
    )


def test_conditions_are_asked_of_real_files(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    found = os.lstat(tmp_path / "file")
    conditions = Conditions([older_than(found.st_mtime_ns + 1, "now")])
    path = os.fsencode(tmp_path / "file")
    assert conditions.verdict(path, found, found.st_dev) is Verdict.LEAVE_OUT
