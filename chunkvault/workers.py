"""Bounded threads that end with their block and lose no exception.

This is the only module that starts threads. Jobs are plain calls; the thread
that submits them is slowed down when they pile up, so that memory stays bounded.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Lock, Thread
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

__all__ = ["WorkerGroup", "map_ordered"]

_Parameters = ParamSpec("_Parameters")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Job = Callable[[], object]


class WorkerGroup:
    """Runs jobs in threads, as a context manager.

    The first exception of a job stops the group: jobs that wait are dropped,
    running ones end, and the exception is raised in the caller by the next
    `submit`, by `wait`, or at the end of the block. An exception raised inside
    the block, Ctrl-C included, drops the waiting jobs too and goes on once the
    running ones have ended. No thread outlives the block.

    One thread owns the group and calls `submit` and `wait`. Jobs may not submit:
    with the group full they would wait for themselves.
    """

    def __init__(self, threads: int, limit: int) -> None:
        """Prepare a group; threads start when there is work for them.

        Args:
            threads: how many jobs run at once; 0 runs each in `submit` itself.
            limit: how many jobs may wait or run before `submit` blocks.
        """
        self._threads_wanted = threads
        self._limit = max(1, limit)
        self._threads: list[Thread] = []
        self._jobs: deque[_Job] = deque()
        self._unfinished = 0  # jobs that wait or run
        self._failure: BaseException | None = None
        self._is_closing = False
        lock = Lock()
        self._job_added = Condition(lock)
        self._job_ended = Condition(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._close()
        failure = self._failure
        if error is not None and failure is not None and failure is not error:
            error.add_note(f"a worker had failed too: {failure!r}")

    def submit(
        self,
        function: Callable[_Parameters, object],
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> None:
        """Have ``function(*args)`` called; its result is dropped.

        Raises:
            BaseException: the first one that a job raised.
        """

        def job() -> object:
            return function(*args, **kwargs)

        if self._threads_wanted:
            self._enqueue(job)
        else:
            self._raise_failure()
            self._run(job)
            self._raise_failure()

    def wait(self) -> None:
        """Wait until every submitted job is done.

        Raises:
            BaseException: the first one that a job raised.
        """
        with self._job_ended:
            while self._unfinished:
                self._job_ended.wait()
        self._raise_failure()

    def _enqueue(self, job: _Job) -> None:
        with self._job_ended:
            while self._unfinished >= self._limit and self._failure is None:
                self._job_ended.wait()
            self._raise_failure()
            self._jobs.append(job)
            self._unfinished += 1
            self._job_added.notify()
            self._start_thread_if_short()

    def _start_thread_if_short(self) -> None:
        count = len(self._threads)
        if count < min(self._threads_wanted, self._unfinished):
            thread = Thread(target=self._work, name=f"chunkvault-worker-{count}")
            thread.start()
            self._threads.append(thread)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        """Run jobs until the group closes: the life of a thread."""
        while (job := self._next_job()) is not None:
            self._run(job)
            # A finished job must not keep its buffers while the thread is idle.
            del job
            with self._job_ended:
                self._unfinished -= 1
                self._job_ended.notify_all()

    def _next_job(self) -> _Job | None:
        with self._job_added:
            while not self._jobs and not self._is_closing:
                self._job_added.wait()
            return self._jobs.popleft() if self._jobs else None

    def _run(self, job: _Job) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 -- raised again in the caller
            with self._job_ended:
                if self._failure is None:
                    self._failure = error
                self._drop_waiting_jobs()

    def _drop_waiting_jobs(self) -> None:
        self._unfinished -= len(self._jobs)
        self._jobs.clear()
        self._job_ended.notify_all()

    def _close(self) -> None:
        with self._job_ended:
            self._is_closing = True
            self._drop_waiting_jobs()
            self._job_added.notify_all()
        for thread in self._threads:
            thread.join()


def map_ordered(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    threads: int,
    ahead: int,
) -> Iterator[_Result]:
    """Call the function on every item in threads; yield the results in order.

    At most ``ahead`` items are taken before their results are asked for. The
    items are taken in the calling thread. With ``threads=0`` each is worked on
    when its result is asked for. Closing the generator early drops the items
    that wait and lets running calls end.

    Raises:
        BaseException: what the function raised, in the place of its result.
    """
    if not threads:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="chunkvault-map")
    pending: deque[Future[_Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
