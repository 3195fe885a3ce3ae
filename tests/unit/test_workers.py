"""Threads end with their block, and no exception is lost."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chunkvault import workers
from chunkvault.workers import WorkerGroup, map_ordered

PATIENCE = 30
"""Seconds after which a test that hangs fails; one that passes never waits so long."""


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


@pytest.fixture(params=[0, 1, 4])
def threads(request):
    return request.param


def interrupt_main_thread():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def fail(message="job failed"):
    raise ValueError(message)


def test_every_job_runs_once(threads):
    done = []
    with WorkerGroup(threads, 3) as group:
        for number in range(100):
            group.submit(done.append, number)
    assert sorted(done) == list(range(100))


def test_an_unused_group_starts_no_thread():
    before = threading.active_count()
    with WorkerGroup(4, 8) as group:
        assert threading.active_count() == before
        group.wait()


def test_keyword_arguments_are_passed_on(threads):
    results = {}
    with WorkerGroup(threads, 2) as group:
        group.submit(results.update, a=1)
    assert results == {"a": 1}


def test_wait_returns_when_all_is_done_and_the_group_goes_on(threads):
    done = []
    with WorkerGroup(threads, 10) as group:
        for number in range(5):
            group.submit(done.append, number)
        group.wait()
        assert sorted(done) == list(range(5))
        group.submit(done.append, 5)
        group.wait()
        assert len(done) == 6


def test_without_threads_jobs_run_in_the_caller_in_order():
    done = []
    with WorkerGroup(0, 1) as group:
        group.submit(lambda: done.append(threading.current_thread()))
        assert done == [threading.main_thread()]


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_jobs_than_the_limit_wait_or_run(threads):
    unfinished, most = 0, 0
    lock = threading.Lock()

    def job():
        nonlocal unfinished
        with lock:
            unfinished -= 1

    with WorkerGroup(threads, 3) as group:
        for _ in range(200):
            group.submit(job)
            with lock:
                unfinished += 1
                most = max(most, unfinished)
    assert unfinished == 0
    assert most <= 3


def test_submit_blocks_until_a_job_ends():
    full, done = threading.Event(), []

    def job():
        assert full.wait(PATIENCE)
        done.append("job")

    with WorkerGroup(1, 2) as group:
        group.submit(job)
        group.submit(job)
        full.set()
        group.submit(job)
        assert done


def test_jobs_run_side_by_side():
    barrier = threading.Barrier(4)
    with WorkerGroup(4, 4) as group:
        for _ in range(4):
            group.submit(barrier.wait, PATIENCE)


def test_a_failure_is_raised_at_the_end_of_the_block(threads):
    group = WorkerGroup(threads, 2)
    with pytest.raises(ValueError, match="job failed"), group:
        group.submit(fail)


def test_a_failure_stays_the_answer_of_wait_submit_and_the_block(threads):
    done = []
    group = WorkerGroup(threads, 2)
    with pytest.raises(ValueError, match="job failed"), group:
        with pytest.raises(ValueError, match="job failed"):
            group.submit(fail)
            group.wait()
        with pytest.raises(ValueError, match="job failed"):
            group.submit(done.append, 1)
        with pytest.raises(ValueError, match="job failed"):
            group.wait()
    assert done == []


def test_the_first_failure_wins():
    first_failed = threading.Event()

    def fail_first():
        try:
            fail("first")
        finally:
            first_failed.set()

    def fail_second():
        assert first_failed.wait(PATIENCE)
        fail("second")

    group = WorkerGroup(1, 2)
    with pytest.raises(ValueError, match="first"), group:
        group.submit(fail_first)
        group.submit(fail_second)


def test_a_failure_drops_the_jobs_that_wait():
    gate = threading.Event()
    done = []

    def wait_and_fail():
        assert gate.wait(PATIENCE)
        fail()

    group = WorkerGroup(1, 10)
    with pytest.raises(ValueError, match="job failed"), group:
        group.submit(wait_and_fail)
        for number in range(5):
            group.submit(done.append, number)
        gate.set()
    assert done == []


def test_a_failure_wakes_a_submit_that_blocks():
    group = WorkerGroup(1, 1)
    with pytest.raises(ValueError, match="job failed"), group:
        for _ in range(3):
            group.submit(fail)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_exception_in_the_block_drops_what_waits_and_ends_what_runs(error):
    running, queued = threading.Event(), threading.Event()
    done = []

    def job(group):
        running.set()
        assert queued.wait(PATIENCE)
        assert group._is_stopped.wait(PATIENCE)
        done.append("running")

    with pytest.raises(error), WorkerGroup(1, 10) as group:
        group.submit(job, group)
        assert running.wait(PATIENCE)
        group.submit(done.append, "waiting")
        queued.set()
        raise error
    assert done == ["running"]


def test_a_failure_is_noted_on_an_exception_of_the_block():
    failed = threading.Event()

    def fail_loudly():
        try:
            fail()
        finally:
            failed.set()

    with pytest.raises(RuntimeError) as caught, WorkerGroup(1, 2) as group:
        group.submit(fail_loudly)
        assert failed.wait(PATIENCE)
        raise RuntimeError("block failed")
    assert "job failed" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("limit", "block"),
    [(2, lambda group: group.submit(print, "too many")), (5, WorkerGroup.wait)],
    ids=["submit", "wait"],
)
def test_a_signal_interrupts_what_blocks(limit, block):
    queued = threading.Event()
    done = []

    def job(group):
        assert queued.wait(PATIENCE)
        interrupt_main_thread()
        assert group._is_stopped.wait(PATIENCE)
        done.append("running")

    with pytest.raises(KeyboardInterrupt), WorkerGroup(1, limit) as group:
        group.submit(job, group)
        group.submit(done.append, "waiting")
        queued.set()
        block(group)
    assert done == ["running"]


def test_map_gives_results_in_order(threads):
    results = map_ordered(lambda item: item * 2, range(50), threads, 7)
    assert list(results) == [number * 2 for number in range(50)]


def test_map_of_nothing_gives_nothing(threads):
    assert list(map_ordered(fail, [], threads, 2)) == []


def test_map_takes_no_more_than_the_look_ahead(threads):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = map_ordered(str, items(), threads, 5)
    for count in range(1, 20):
        assert next(results) == str(count - 1)
        assert len(taken) <= count + 4
    results.close()


def test_map_raises_a_failure_in_the_place_of_its_result(threads):
    results = map_ordered(lambda item: 6 // item, [3, 2, 0, 1], threads, 4)
    assert next(results) == 2
    assert next(results) == 3
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_map_closed_early_drops_what_waits_and_ends_what_runs(monkeypatch):
    running, dropped = threading.Event(), threading.Event()
    done = []

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            dropped.set()
            super().shutdown(wait=wait)

    def work(item):
        if item == 1:
            running.set()
            assert dropped.wait(PATIENCE)
        done.append(item)

    monkeypatch.setattr(workers, "ThreadPoolExecutor", Pool)
    results = map_ordered(work, range(10), 1, 5)
    next(results)
    assert running.wait(PATIENCE)
    results.close()
    assert done == [0, 1]


def test_map_passes_a_failure_of_the_items_on(threads):
    def items():
        yield 1
        fail("no more items")

    results = map_ordered(str, items(), threads, 3)
    with pytest.raises(ValueError, match="no more items"):
        list(results)
