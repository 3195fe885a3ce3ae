"""Bounded threads that end with their block and lose no exception.

This is the only module that starts threads. Jobs are plain calls; the thread
that submits them is slowed down when they pile up, so that memory stays bounded.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar

__all__ = ["Errands", "WorkerGroup", "map_ordered"]

_SIGNAL_CHECK_S = 1.0
"""How long a wait may last before signals are looked for.

A signal interrupts a wait at once, unless it arrives in the microseconds in
which the wait begins: that one would go unnoticed until a job ends.
"""

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

    One thread owns the group and calls `wait`. Jobs of another group may submit
    too; its own may not: with the group full they would wait for themselves.
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
        self._failures: list[BaseException] = []
        self._is_stopped = Event()  # jobs that wait are not run any more
        # SimpleQueue rather than Condition: a signal handler that raises
        # cannot leave it half locked.
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._free_places: SimpleQueue[None] = SimpleQueue()
        for _ in range(self._limit):
            self._free_places.put(None)

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
        if error is not None and self._failures and error is not self._failures[0]:
            error.add_note(f"a worker had failed too: {self._failures[0]!r}")

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

        self._raise_failure()
        if self._threads_wanted:
            self._take_place()
            self._raise_failure()
            self._jobs.put(job)
            self._start_thread_if_short()
        else:
            self._run(job)
            self._raise_failure()

    def wait(self) -> None:
        """Wait until every submitted job is done.

        Raises:
            BaseException: the first one that a job raised.
        """
        taken = 0
        try:
            while taken < self._limit:  # with all places taken, nothing is under way
                self._take_place()
                taken += 1
        finally:
            for _ in range(taken):
                self._free_places.put(None)
        self._raise_failure()

    def _take_place(self) -> None:
        while True:
            try:
                return self._free_places.get(timeout=_SIGNAL_CHECK_S)
            except Empty:
                continue

    def _start_thread_if_short(self) -> None:
        count = len(self._threads)
        unfinished = self._limit - self._free_places.qsize()
        if count < min(self._threads_wanted, unfinished):
            thread = Thread(target=self._work, name=f"chunkvault-worker-{count}")
            self._threads.append(thread)
            thread.start()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        """Run jobs until the group closes: the life of a thread."""
        while (job := self._jobs.get()) is not None:
            if not self._is_stopped.is_set():
                self._run(job)
            # A finished job must not keep its buffers while the thread is idle.
            del job
            self._free_places.put(None)

    def _run(self, job: _Job) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 -- raised again in the caller
            self._failures.append(error)
            self._is_stopped.set()

    def _close(self) -> None:
        self._is_stopped.set()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            with suppress(RuntimeError):  # it could not be started
                thread.join()


class Errands(Generic[_Result]):
    """Calls begun before anybody needs their results, each known by a name.

    Results nobody asks for are dropped, errors included. Any thread.
    """

    def __init__(self, threads: int) -> None:
        """Prepare; a thread starts with each of the first ``threads`` calls."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="chunkvault-ahead")
        self._begun: dict[str, Future[_Result]] = {}

    def begin(self, name: str, function: Callable[[], _Result]) -> None:
        """Have the function called; nothing happens after `close`."""
        with suppress(RuntimeError):  # closed meanwhile
            self._begun[name] = self._pool.submit(function)

    def take(self, name: str) -> Callable[[], _Result] | None:
        """What waits for the result, and raises what the call raised; once.

        None if no call of this name was begun.
        """
        future = self._begun.pop(name, None)
        return None if future is None else future.result

    def names(self) -> tuple[str, ...]:
        """Those whose results were not taken yet."""
        return tuple(self._begun)

    def close(self) -> None:
        """Begin no more, and wait for the calls that run."""
        self._begun.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)


def map_ordered(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    threads: int,
    ahead: int,
) -> Generator[_Result, None, None]:
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
