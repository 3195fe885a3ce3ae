"""What one entry's failure means for the others."""

import errno
import os

import pytest

from chunkvault.errors import (
    AccessDenied,
    DamageError,
    StorageUnreachable,
    TargetFull,
)
from chunkvault.localfs.apply import Target
from chunkvault.operations.restore import RestoreOptions
from chunkvault.operations.restore.job import Job
from chunkvault.operations.restore.plan import Plan
from chunkvault.report import Progress
from chunkvault.snapshots.tree_reader import TreeReader
from tests.support.trees import Listener, new_repository, take_snapshot


@pytest.fixture
def job(tmp_path):
    repository = new_repository()
    stored = take_snapshot(repository, {b"/data/a": b"content"})
    target = os.fsencode(tmp_path)
    return Job(
        repository,
        RestoreOptions(snapshot=stored, target=target),
        Listener(),
        Progress("restore"),
        TreeReader(repository.reader),
        Target(target),
        Plan(),
    )


@pytest.mark.parametrize("error", [DamageError("broken"), OSError(errno.EPERM, "no")])
def test_failure_of_one_entry_is_counted_and_told(job, error):
    job.fail(b"a", error)
    assert job.tally.failed == 1
    assert len(job.reporter.problems) == 1


@pytest.mark.parametrize(
    "error",
    [StorageUnreachable("no answer"), AccessDenied("no"), TargetFull("no space")],
)
def test_what_every_other_entry_would_meet_ends_the_restore(job, error):
    with pytest.raises(type(error)):
        job.fail(b"a", error)
    assert job.tally.failed == 0


def test_full_disk_is_told_as_that(job):
    with pytest.raises(TargetFull):
        job.fail(b"a", OSError(errno.ENOSPC, "no space left on device"))
