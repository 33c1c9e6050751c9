"""Threads that each own a connection, and carry out units of work from one queue."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlite_utils import Database

from secretsync.store.sqlite.connection import telling_errors
from secretsync.store.sqlite.transaction import SqliteTransaction

T = TypeVar("T")


class ConnectionThreads:
    """A number of threads with a connection each, because SQLite's belong to one thread.

    Args:
        name: for the names of the threads.
        count: how many.
        connect: called in each thread to open its connection. What it raises, this raises.
    """

    def __init__(self, name: str, count: int, connect: Callable[[], Database]) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._connect = connect
        opened: list[Future[None]] = [Future() for _ in range(count)]
        self._threads = [
            # A daemon, so that a program that forgot to close the store can still end: a
            # transaction cut off by the end of the process is as if it had never begun.
            threading.Thread(target=self._serve, args=(future,), name=f"{name}-{i}", daemon=True)
            for i, future in enumerate(opened)
        ]
        for thread in self._threads:
            thread.start()
        try:
            for future in opened:
                future.result()
        except BaseException:
            self.stop()
            raise

    def submit(self, work: Callable[[SqliteTransaction], T]) -> Future[T]:
        """Queue a unit of work. Cancelling the future has an effect only until it begins."""
        future: Future[T] = Future()
        # The work sees the context variables of whoever submits it, as it would without threads.
        context = contextvars.copy_context()
        self._jobs.put(_Job(lambda tx: context.run(work, tx), future))
        return future

    def stop(self) -> None:
        """Finish all that is queued, close the connections and wait for the threads to end."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, opened: Future[None]) -> None:
        try:
            with telling_errors():
                database = self._connect()
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            opened.set_exception(error)
            return
        opened.set_result(None)
        transaction = SqliteTransaction(database)
        while (job := self._jobs.get()) is not None:
            job.run(database, transaction)
            # Nothing of a finished job may live on while the thread waits for the next.
            del job
        database.close()


class _Job:
    """One unit of work and the future of its result."""

    def __init__(self, work: Callable[[SqliteTransaction], Any], future: Future[Any]) -> None:
        self._work = work
        self._future = future

    def run(self, database: Database, transaction: SqliteTransaction) -> None:
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            with telling_errors(), database.atomic():
                result = self._work(transaction)
        except BaseException as error:  # noqa: BLE001  it is raised in the task that waits
            self._future.set_exception(error)
        else:
            self._future.set_result(result)
