"""The server is killed in the middle of its work, again and again; nothing is lost or doubled."""

import functools
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from crash_kit import (
    SCOPES,
    Servers,
    Source,
    change_until_killed,
    connected,
)

from secretsync.adapter import LedgerEntry
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore
from secretsync.v1 import error_reason_pb2
from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

KILLS = 50
"""How often a server is killed in the middle of a run; the seldom other kills come on top."""
SET = "variableset-Projects-1"
DELAYS: list[dict[str, Any]] = [
    {"method": "GET", "seconds": 0.06},
    {"method": "GET", "seconds": 0.06, "skip": 1},
    {"method": "PUT", "seconds": 0.12},
    # Longer than a restart takes: such a write arrives while the next server is at work.
    {"method": "PUT", "seconds": 0.7},
    {"method": "PUT", "seconds": 0.12, "after": True},
    {"method": None, "seconds": 0.03},
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with start_sandbox() as started:
        yield started


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.kill_all()


def identity(row: dict[str, Any]) -> str:
    scope = {kind: sorted(ids) for kind, ids in row["Scope"].items() if ids}
    return json.dumps([row["Name"].casefold(), scope], sort_keys=True)


def in_mid_run(servers: Servers) -> int:
    """Return how many servers have found, when they began, that a run had been cut short."""
    return sum("had been cut short" in each.log.read_text() for each in servers.all)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_kill_9(sandbox: Sandbox, servers: Servers, tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED") or random.SystemRandom().getrandbits(32))
    print(f"CRASH_SEED={seed}")  # noqa: T201  shown if the test fails
    chance = random.Random(seed)  # noqa: S311  chance, not a secret
    foreign = sandbox.inspect(SET)["Variables"]
    sources = [Source(slug) for slug in SCOPES]

    server = servers.next()
    with connected(server) as client:
        client.set_up(sandbox)
        for source in sources:
            source.change(client, chance)
        change_until_killed(client, server, sources, chance)
    kills = 1
    while in_mid_run(servers) < KILLS and kills < 2 * KILLS:
        sandbox.clear_faults()
        sandbox.fault("delay", path="/variables$", times=None, **chance.choice(DELAYS))
        server = servers.next()
        with connected(server) as client:
            for source in sources:
                source.settle(client.held(source.slug))
            change_until_killed(client, server, sources, chance)
        kills += 1

    sandbox.clear_faults()
    server = servers.next()
    with connected(server) as client:
        for source in sources:
            source.settle(client.held(source.slug))
        runs = {source.slug: client.quiet_runs(source.slug) for source in sources}
        check_runs(runs, sources)
        check_rows(sandbox, sources, foreign)
        for source in sources:
            again = client.sync_now(source.slug)
            assert again.state == syncs.RUN_STATE_SUCCEEDED
            assert again.counts.unchanged == len(source.acknowledged)
            assert [request.method for request in again.http_requests] == ["GET"]
    assert server.stop() == 0
    await check_ledgers(tmp_path / "data", sandbox, sources)

    logs = [each.log.read_text() for each in servers.all]
    told = [sandbox.api_key, *(value for each in sources for value in each.acknowledged.values())]
    assert not [text for text in told if any(text.strip() in log for log in logs)]
    print(f"{kills} kills, {in_mid_run(servers)} of them in the middle of a run")  # noqa: T201
    assert in_mid_run(servers) >= KILLS


def check_runs(runs: dict[str, list[syncs.SyncRun]], sources: list[Source]) -> None:
    """No run is lost; each has succeeded, or a newer one took its place."""
    for source in sources:
        found = {run.name: run for run in runs[source.slug]}
        assert source.runs <= set(found)
        for run in found.values():
            superseded = run.error_reason == error_reason_pb2.ERROR_REASON_SUPERSEDED
            assert run.state == syncs.RUN_STATE_SUCCEEDED or superseded, run
        newest = runs[source.slug][0]
        assert newest.state == syncs.RUN_STATE_SUCCEEDED, newest


def check_rows(sandbox: Sandbox, sources: list[Source], foreign: list[dict[str, Any]]) -> None:
    """Everything desired is there, once and exactly; what is foreign is as it was at the start."""
    rows = sandbox.inspect(SET)["Variables"]
    doubled = [one for one, count in Counter(map(identity, rows)).items() if count > 1]
    assert doubled == []
    foreign_ids = {row["Id"] for row in foreign}
    kept = [row for row in rows if row["Id"] in foreign_ids]
    assert json.dumps(kept) == json.dumps(foreign)
    ours = [row for row in rows if row["Id"] not in foreign_ids]
    assert all(row["IsSensitive"] and row["Type"] == "Sensitive" for row in ours)
    for source in sources:
        scope = {"Environment": [SCOPES[source.slug]]}
        held = {row["Name"]: row["Value"] for row in ours if row["Scope"] == scope}
        assert held == source.acknowledged
    assert len(ours) == sum(len(source.acknowledged) for source in sources)


def ledger_of(tx: Transaction, slug: str) -> Sequence[LedgerEntry]:
    project = tx.projects.get("shop")
    assert project
    sync = tx.syncs.get(project.uid, slug)
    assert sync
    return tx.ledger.of_sync(sync.uid)


async def check_ledgers(data_dir: Path, sandbox: Sandbox, sources: list[Source]) -> None:
    """The ledgers list every row of ours and none that is not, and no intent is left."""
    rows = {row["Id"]: row for row in sandbox.inspect(SET)["Variables"]}
    store = SqliteStore.open(data_dir)
    try:
        for source in sources:
            slug = source.slug
            ledger = await store.read(functools.partial(ledger_of, slug=slug))
            assert all(entry.confirmed for entry in ledger)
            desired = {entry.name: entry for entry in ledger if entry.version is not None}
            assert sorted(desired) == sorted(source.acknowledged)
            for entry in desired.values():
                row = rows[entry.remote_id or ""]
                assert row["Name"] == entry.name
                assert row["Scope"] == {"Environment": [SCOPES[slug]]}
            # Deleted just before a kill: to the next run such a row is gone, or hidden from its
            # API key, so it is remembered.
            remembered = [entry for entry in ledger if entry.version is None]
            assert not [entry for entry in remembered if entry.remote_id in rows]
    finally:
        await store.close()
