"""duplicity's own functional tests, with backups that chunkvault makes and exports.

Everything else in them the real programs do: restore, verify, clean up, remove, copy
an archive, make increments on top of our full set. Each test is run, or left out for a
reason, which stands here.
"""

import pytest

from tests.support.duplicity_tests import names_of_tests, run_tests
from tests.support.real_duplicity import VERSIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

OURS = ("full", "inc")
OUR_FULL = ("full",)

# What chunkvault makes: all backups; or the full ones, which duplicity continues.
BOTH_WAYS = [
    "test_final.FinalTest.test_basic_cycle",
    "test_final.FinalTest.test_asym_cycle",
    "test_final.FinalTest.test_asym_with_hidden_recipient_cycle",
    "test_final.FinalTest.test_empty_backup",
    "test_final.FinalTest.test_long_filenames",
    "test_final.FinalTest.test_empty_restore",
    "test_cleanup.CleanupTest.test_cleanup_after_partial",
    "test_cleanup.CleanupTest.test_remove_all_inc_of_but_n",
    "test_replicate.ReplicateTest.test_replicate",
]
ONLY_OURS = [
    # Ours do not go on where duplicity has gone over to another folder.
    "test_final.FinalTest.test_remove_older_than",
    "test_final.FinalTest.test_single_regfile",
    "test_cleanup.CleanupTest.test_remove_all_but_n",
    "test_replicate.ReplicateTest.test_replicate_noencryption",
    "test_replicate.ReplicateTest.test_replicate_asym",
    "test_verify.VerifyTest",
]
ONLY_CONTINUED = [
    "test_restart.RestartTest.test_restart_incremental",
    "test_restart.RestartTestWithoutEncryption.test_restart_incremental",
    "test_restart.RestartTestWithoutEncryption.test_ignore_double_snapshot",
]
SELECTION = [
    "TestIncludeExcludeOptions",
    "TestExcludeFilelistTest",
    "TestIncludeFilelistTest",
    "TestIncludeExcludedForContents",
    "TestAsterisks",
    "TestTrailingSlash",
    "TestTrailingSlash2",
    "TestGlobbingReplacement",
    "TestExcludeIfPresent",
    "TestLockedFoldersNoError",
    "TestFolderIncludesFiles",
    "TestAbsolutePaths",
    "TestUnicode",
]
"""What is selected is the same whatever restores it: one version will do."""
LEFT_OUT = {
    "test_selection.TestCheckTestFiles": "looks at its own files only",
    "test_final.FinalTest.test_piped_password": "answers duplicity's own questions",
    "test_final.OldFilenamesFinalTest": "exports have the names of today",
    "test_final.ShortFilenamesFinalTest": "exports have the names of today",
    "test_restart": "of partial sets, which only duplicity leaves and takes up",
    "test_badupload": "of a fault put into duplicity's own upload",
    "test_log": "of the log of a wrong command line",
    "test_rdiffdir": "of another program",
}
"""Tests, classes and files that say nothing about exports."""


ONLY_OLD = (
    "test_cleanup_after_partial",
    "test_restart_incremental",
    "ReplicateTest",
    "test_remove_all_but_n",
)
"""3.2 has no ``--fail``, which makes a backup of its own fail, no ``replicate``, and no
short form of ``remove-all-but-n-full``."""


def in_each_version(tests):
    pairs = [(name, version) for version in VERSIONS for name in tests]
    possible = [
        (name, version)
        for name, version in pairs
        if version == "0.8" or not any(old in name for old in ONLY_OLD)
    ]
    return pytest.mark.parametrize(("tests", "version"), possible)


def require_pass(tests, version, makes):
    outcome = run_tests(tests, version, makes)
    assert outcome.passed, outcome.output
    assert len(outcome.exported) >= outcome.count, "chunkvault made no backups"
    return set(outcome.exported)


@in_each_version(BOTH_WAYS)
def test_passes_with_fulls_and_increments_of_ours(tests, version):
    assert require_pass(tests, version, OURS) == set(OURS)


@in_each_version(BOTH_WAYS + ONLY_CONTINUED)
def test_passes_where_duplicity_continues_our_fulls(tests, version):
    assert require_pass(tests, version, OUR_FULL) == set(OUR_FULL)


@in_each_version(ONLY_OURS)
def test_passes_with_backups_of_ours(tests, version):
    require_pass(tests, version, OURS)


@pytest.mark.parametrize("tests", [f"test_selection.{name}" for name in SELECTION])
def test_passes_with_our_selection(tests):
    require_pass(tests, "0.8", OURS)


def test_every_one_of_their_tests_is_run_or_left_out_for_a_reason():
    entries = [*BOTH_WAYS, *ONLY_OURS, *ONLY_CONTINUED, *LEFT_OUT]
    entries += [f"test_selection.{name}" for name in SELECTION]
    names = names_of_tests()
    assert [n for n in names if not any(covers(e, n) for e in entries)] == []
    assert [e for e in entries if not any(covers(e, n) for n in names)] == []


def covers(entry, name):
    return f"{name}.".startswith(f"{entry}.")
