"""Opening a store: what is made, and what is refused in words for an operator."""

# ruff: noqa: ASYNC220, ASYNC240  nothing else runs on the event loops of these tests
import contextlib
import errno
import fcntl
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from secretsync.store.errors import (
    CorruptDatabaseError,
    DataDirectoryError,
    DataDirectoryInUseError,
    DiskError,
    NewerDatabaseError,
)
from secretsync.store.protocol import StateStore, Transaction
from secretsync.store.sqlite import DATABASE_FILE, SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "some" / "data"


@contextlib.contextmanager
def sql(data_dir: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(data_dir / DATABASE_FILE)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


async def make_database(data_dir: Path, make: "Make") -> None:
    store = SqliteStore.open(data_dir)
    await store.write(make.world)
    await store.close()


def assert_left_alone(data_dir: Path) -> None:
    """Show that a refused start holds no lock, so that the next one gets as far."""
    with pytest.raises((CorruptDatabaseError, NewerDatabaseError, DataDirectoryError)):
        SqliteStore.open(data_dir)


async def test_files_are_private_whatever_the_umask(data_dir: Path, make: "Make") -> None:
    before = os.umask(0)
    try:
        store = SqliteStore.open(data_dir)
        await store.write(make.world)
    finally:
        os.umask(before)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
    await store.close()
    assert modes == dict.fromkeys(
        ["lock", "secretsync.db", "secretsync.db-shm", "secretsync.db-wal"], 0o600
    )
    # Nothing is left over for the next start to recover.
    assert {path.name for path in data_dir.iterdir()} == {"lock", "secretsync.db"}


async def test_what_was_written_is_there_after_a_restart(data_dir: Path, make: "Make") -> None:
    await make_database(data_dir, make)
    store: StateStore = SqliteStore.open(data_dir)
    assert await store.read(lambda tx: tx.syncs.get("p-shop", "to-octopus")) == make.sync()
    await store.close()


async def test_connections_are_set_up_for_safety(store: SqliteStore) -> None:
    def pragmas(tx: Transaction) -> dict[str, object]:
        assert isinstance(tx, SqliteTransaction)
        names = ("journal_mode", "synchronous", "foreign_keys", "query_only")
        return {name: tx.database.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    writer = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": 0}
    assert await store.write(pragmas) == writer
    assert await store.read(pragmas) == writer | {"query_only": 1}


async def test_all_tables_are_strict_and_come_from_known_migrations(
    data_dir: Path, make: "Make"
) -> None:
    await make_database(data_dir, make)
    with sql(data_dir) as connection:
        loose = connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict"
        ).fetchall()
        applied = connection.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = 'secretsync' ORDER BY id"
        ).fetchall()
    assert {name for (name,) in loose} == {"sqlite_schema", "sqlite_sequence", "_sqlite_migrations"}
    # Names that have been released stay as they are, in this order; new ones follow.
    assert [name for (name,) in applied] == [
        "m0001_resources",
        "m0002_syncs_and_runs",
        "m0003_requests_and_keys",
        "m0004_when_writes_began",
        "m0005_cancelled_runs_and_filters",
        "m0006_guards_and_approval",
        "m0012_attempts_and_requesters",
        "m0009_schedules",
        "m0010_key_states",
        "m0007_pauses",
        "m0008_events",
        "m0011_former_places",
        "m0013_checks",
        "m0014_returns",
        "m0015_moves",
        "m0016_approvers",
    ]


async def test_a_directory_in_use_is_refused(data_dir: Path) -> None:
    store = SqliteStore.open(data_dir)
    with pytest.raises(DataDirectoryInUseError, match=f"process {os.getpid()}") as told:
        SqliteStore.open(data_dir)
    assert str(data_dir) in str(told.value)
    await store.close()
    await SqliteStore.open(data_dir).close()


HOLDER = """
import sys
from pathlib import Path
from secretsync.store.sqlite import SqliteStore
store = SqliteStore.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


async def test_a_directory_that_another_process_uses_is_refused_until_it_dies(
    data_dir: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, data_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        try:
            with pytest.raises(DataDirectoryInUseError, match=f"process {holder.pid}"):
                SqliteStore.open(data_dir)
        finally:
            holder.kill()
    await SqliteStore.open(data_dir).close()


async def test_the_lock_comes_before_anything_else(data_dir: Path) -> None:
    store = SqliteStore.open(data_dir)
    database = data_dir / DATABASE_FILE
    database.rename(data_dir / "aside")
    with pytest.raises(DataDirectoryInUseError):
        SqliteStore.open(data_dir)
    assert not database.exists()
    (data_dir / "aside").rename(database)
    await store.close()


async def test_a_newer_database_is_refused_and_left_as_it_is(data_dir: Path, make: "Make") -> None:
    await make_database(data_dir, make)
    with sql(data_dir) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('secretsync', 'm9999_future', ''), ('other', 'm1', '')"
        )
    before = (data_dir / DATABASE_FILE).read_bytes()
    with pytest.raises(NewerDatabaseError, match=r"newer version .*m9999_future\)"):
        SqliteStore.open(data_dir)
    assert (data_dir / DATABASE_FILE).read_bytes() == before
    assert_left_alone(data_dir)


def test_a_file_that_is_no_database_is_refused(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / DATABASE_FILE).write_text("Dear diary, " * 1000)
    with pytest.raises(CorruptDatabaseError, match="not a database"):
        SqliteStore.open(data_dir)
    assert (data_dir / DATABASE_FILE).read_text().startswith("Dear diary, ")
    assert_left_alone(data_dir)


@pytest.mark.parametrize("page", [1, 5, 20])
async def test_a_damaged_database_is_refused(data_dir: Path, make: "Make", page: int) -> None:
    await make_database(data_dir, make)
    with (data_dir / DATABASE_FILE).open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(CorruptDatabaseError, match="damaged"):
        SqliteStore.open(data_dir)
    assert_left_alone(data_dir)


@pytest.mark.parametrize("below", [False, True])
def test_a_file_is_no_data_directory(tmp_path: Path, below: bool) -> None:  # noqa: FBT001
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(DataDirectoryError, match="is a file, or below one"):
        SqliteStore.open(file / "data" if below else file)
    assert file.read_text() == "mine"


def test_a_database_that_is_a_directory_is_refused(data_dir: Path) -> None:
    (data_dir / DATABASE_FILE).mkdir(parents=True)
    with pytest.raises(DataDirectoryError, match=r"secretsync\.db cannot be written"):
        SqliteStore.open(data_dir)
    assert_left_alone(data_dir)


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up root's right to write anywhere, if we have it."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("data", [".", "data"])
def test_a_directory_that_cannot_be_written_is_refused(data: str) -> None:
    # Not in tmp_path, whose parents an ordinary user may not even pass through.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o555)
        with (
            ordinary_user(),
            pytest.raises(DataDirectoryError, match="Permission denied; it must be writable"),
        ):
            SqliteStore.open(path / data)
        path.chmod(0o755)
        assert list(path.iterdir()) == []


def test_a_database_that_cannot_be_written_is_refused() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o777)
        (path / DATABASE_FILE).touch(mode=0o400)
        (path / DATABASE_FILE).chmod(0o400)
        if os.geteuid() == 0:
            os.chown(path / DATABASE_FILE, 0, 0)
        with (
            ordinary_user(),
            pytest.raises(DataDirectoryError, match=r"secretsync\.db cannot be written"),
        ):
            SqliteStore.open(path)


def test_a_file_system_without_locks_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DataDirectoryError, match="cannot be locked: No locks available"):
        SqliteStore.open(data_dir)
    assert [path.name for path in data_dir.iterdir()] == ["lock"]


async def test_a_disk_without_room_is_told_and_the_next_start_goes_on(data_dir: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 50_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(DiskError, match="disk I/O error"):
                SqliteStore.open(data_dir)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store = SqliteStore.open(data_dir)
    assert await store.read(lambda tx: tx.runs.next_due()) is None
    await store.close()


def test_threads_that_cannot_all_connect_leave_nothing_open(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    real: Callable[..., sqlite3.Connection] = sqlite3.connect

    def connect(*args: object, **kwargs: object) -> sqlite3.Connection:
        # The writer and one reader get theirs.
        if len(opened) == 2:
            raise sqlite3.OperationalError("unable to open database file")
        opened.append(real(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(Exception, match="unable to open database file"):
        SqliteStore.open(data_dir)
    monkeypatch.undo()
    # Closed by the threads that opened them: the write-ahead log is gone.
    assert {path.name for path in data_dir.iterdir()} == {"lock", "secretsync.db"}
