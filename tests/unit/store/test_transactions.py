"""Units of work: in whole or not at all, on a snapshot, and never on the event loop."""

import asyncio
import resource
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secretsync.domain.entities import FolderRef
from secretsync.store.errors import CorruptDatabaseError, DiskError, StoreError
from secretsync.store.protocol import StorageFullError, Transaction
from secretsync.store.sqlite import DATABASE_FILE, SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

ROOT = FolderRef("e-dev", "/")


class OwnError(Exception):
    """Something that only the caller knows."""


def names(tx: Transaction) -> list[str]:
    return [project.slug for project in tx.projects.list("", 99)]


def execute(tx: Transaction, statement: str) -> None:
    assert isinstance(tx, SqliteTransaction)
    tx.database.execute(statement)


async def test_what_work_returns_comes_back(store: SqliteStore) -> None:
    assert await store.write(lambda _: "written") == "written"
    assert await store.read(lambda _: "read") == "read"


async def test_an_exception_rolls_back_and_comes_out_as_it_is(
    store: SqliteStore, make: "Make"
) -> None:
    raised = OwnError("mine")

    def work(tx: Transaction) -> None:
        tx.projects.insert(make.project())
        raise raised

    with pytest.raises(OwnError) as told:
        await store.write(work)
    assert told.value is raised
    assert await store.read(names) == []
    with pytest.raises(OwnError):
        await store.read(work_that_raises)


def work_that_raises(_: Transaction) -> None:
    raise OwnError


async def test_a_read_must_not_write(store: SqliteStore, make: "Make") -> None:
    with pytest.raises(StoreError, match="readonly"):
        await store.read(lambda tx: tx.projects.insert(make.project()))


async def test_a_read_sees_one_snapshot(store: SqliteStore, make: "Make") -> None:
    begun, written = threading.Event(), threading.Event()

    def look_twice(tx: Transaction) -> tuple[list[str], list[str]]:
        before = names(tx)
        begun.set()
        assert written.wait(60)
        return before, names(tx)

    reading = asyncio.create_task(store.read(look_twice))
    await asyncio.to_thread(begun.wait, 60)
    await store.write(lambda tx: tx.projects.insert(make.project("new")))
    # Other readers see it at once, while this one goes on with what it saw first.
    assert await store.read(names) == ["new"]
    written.set()
    assert await reading == ([], [])


async def test_the_event_loop_goes_on_meanwhile(store: SqliteStore) -> None:
    go_on = threading.Event()
    working = [
        asyncio.create_task(store.write(lambda _: go_on.wait(60))),
        asyncio.create_task(store.read(lambda _: go_on.wait(60))),
    ]
    # Only a loop that runs gets to set this.
    asyncio.get_running_loop().call_soon(go_on.set)
    assert await asyncio.gather(*working) == [True, True]


async def test_writes_run_one_after_another(store: SqliteStore, make: "Make") -> None:
    def work(tx: Transaction, slug: str) -> int:
        count = len(names(tx))
        tx.projects.insert(make.project(slug))
        return count

    counts = await asyncio.gather(
        *(store.write(lambda tx, slug=f"p{i}": work(tx, slug)) for i in range(20))  # type: ignore[misc]
    )
    assert counts == list(range(20))


async def test_a_transaction_that_began_finishes_though_its_task_is_cancelled(
    store: SqliteStore, make: "Make"
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        tx.projects.insert(make.project("first"))
        begun.set()
        assert go_on.wait(60)
        tx.projects.insert(make.project("second"))

    task = asyncio.create_task(store.write(work))
    await asyncio.to_thread(begun.wait, 60)
    waiting = asyncio.create_task(store.write(lambda tx: tx.projects.insert(make.project("third"))))
    await asyncio.sleep(0)
    for each in (task, waiting):
        each.cancel()
    results = await asyncio.gather(task, waiting, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 2
    go_on.set()
    # The first one finishes in whole; the one that had not begun never happens.
    await store.write(lambda _: None)
    assert await store.read(names) == ["first", "second"]


async def test_closing_finishes_what_was_asked_for(tmp_path: Path, make: "Make") -> None:
    store = SqliteStore.open(tmp_path)
    tasks = [
        asyncio.create_task(
            store.write(lambda tx, i=i: tx.projects.insert(make.project(f"p{i}")))  # type: ignore[misc]
        )
        for i in range(9)
    ]
    tasks.append(asyncio.create_task(store.read(lambda _: None)))
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*tasks)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.read(names)
    with pytest.raises(StoreError, match="closed"):
        await store.write(names)
    again = SqliteStore.open(tmp_path)
    assert len(await again.read(names)) == 9
    await again.close()


async def test_a_full_disk_rolls_back_and_passes(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)
    large = [make.secret(f"K{i}", sealed_value=bytes(10_000)) for i in range(50)]

    def fill(tx: Transaction) -> None:
        # Nothing after the first page is free from here on.
        execute(tx, "PRAGMA max_page_count = 1")
        tx.secrets.put(large)

    with pytest.raises(StorageFullError, match="full"):
        await store.write(fill)
    assert await store.read(lambda tx: tx.secrets.in_folder(ROOT)) == []
    # What needs no room still works, and all of it as soon as there is room.
    await store.write(lambda tx: tx.projects.update(make.project(display_name="x")))
    await store.write(lambda tx: execute(tx, "PRAGMA max_page_count = 1000000"))
    await store.write(lambda tx: tx.secrets.put(large))
    assert len(await store.read(lambda tx: tx.secrets.in_folder(ROOT))) == 50


async def test_a_disk_that_fails_is_told_and_nothing_is_changed(
    store: SqliteStore, make: "Make"
) -> None:
    await store.write(make.world)
    large = [make.secret(f"K{i}", sealed_value=bytes(10_000)) for i in range(50)]
    # The limit on a file's size makes the kernel refuse writes to the write-ahead log.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(DiskError, match="disk I/O error"):
            await store.write(lambda tx: tx.secrets.put(large))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await store.read(lambda tx: tx.secrets.in_folder(ROOT)) == []
    await store.write(lambda tx: tx.secrets.put(large))
    assert len(await store.read(lambda tx: tx.secrets.in_folder(ROOT))) == 50


async def test_a_program_that_locks_the_database_is_told(
    tmp_path: Path, store: SqliteStore, make: "Make"
) -> None:
    def impatient(tx: Transaction) -> None:
        execute(tx, "PRAGMA busy_timeout = 0")

    await store.write(impatient)
    other = sqlite3.connect(tmp_path / "data" / DATABASE_FILE)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program keeps the database locked"):
        await store.write(make.world)
    assert await store.read(names) == []
    other.rollback()
    other.close()
    await store.write(make.world)


async def test_damage_that_shows_later_is_told(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)

    def damage(tx: Transaction) -> None:
        # As if the table's pages were another table's.
        execute(tx, "PRAGMA writable_schema = ON")
        execute(
            tx,
            "UPDATE sqlite_schema SET rootpage = 100000 WHERE name = 'projects'",
        )
        execute(tx, "PRAGMA writable_schema = RESET")

    await store.write(damage)
    with pytest.raises(CorruptDatabaseError, match="damaged"):
        await store.write(names)
