"""A process that is killed in mid-write loses nothing that was acknowledged."""

import contextlib
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from secretsync.store.sqlite import DATABASE_FILE, SqliteStore

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from secretsync.domain.entities import Project
from secretsync.store.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)

def pair(number):
    def work(tx):
        for half in ("a", "b"):
            slug = f"p{number:08}{half}"
            tx.projects.insert(Project(uid=slug, slug=slug, create_time=NOW, update_time=NOW))
        tx.keys.set_meta("filler", bytes(20_000))
    return work

async def main(data_dir, number):
    store = SqliteStore.open(data_dir)
    while True:
        await store.write(pair(number))
        print(number, flush=True)
        number += 1

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def acknowledged_before_kill(data_dir: Path, first: int, kill_after: int) -> int:
    """Run the writer, kill it soon after it has acknowledged some writes, and return the next."""
    command = [sys.executable, "-c", WRITER, str(data_dir), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= first + kill_after:
                break
        writer.kill()
        # What it said until the signal reached it counts too; a line cut short does not.
        rest = [int(each) for each in writer.stdout.read().split("\n")[:-1]]
    return max([first + kill_after, *rest]) + 1


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  moments to kill at need no cryptography
    following = 0
    for _ in range(3):
        following = acknowledged_before_kill(tmp_path, following, rng.randrange(15))
        store = SqliteStore.open(tmp_path)
        found = [each.slug for each in await store.read(lambda tx: tx.projects.list("", 9999))]
        await store.close()
        # At most one more was committed and not acknowledged any more; none is there by half.
        written = len(found) // 2
        assert written in (following, following + 1)
        assert found == [f"p{n:08}{half}" for n in range(written) for half in "ab"]
        with contextlib.closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        following = written
