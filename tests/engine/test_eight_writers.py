"""Four syncs and four people write to one variable set at once: nobody loses an update."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from crash_kit import Server, connected
from writers_kit import SCOPES, SET, Editor, Owner, connect

from secretsync.v1 import error_reason_pb2
from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

EDITS = 1000
"""Of all eight together."""
PATHS = {
    "/api/Spaces-1/projects/Projects-1/variables": "syncs",
    f"/api/Spaces-1/variables/{SET}": "people",
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with start_sandbox() as started:
        yield started


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data", tmp_path / "log.txt")
    yield started
    started.kill()


@pytest.mark.long
def test_eight_writers_lose_no_update(sandbox: Sandbox, server: Server) -> None:
    seed = int(os.environ.get("WRITERS_SEED") or random.SystemRandom().getrandbits(32))
    print(f"WRITERS_SEED={seed}")  # noqa: T201  shown if the test fails
    editors = [
        Editor(sandbox, f"Editor{number}", random.Random(seed + number))  # noqa: S311  chance
        for number in range(4)
    ]
    sandbox.put_variables(SET, [row for editor in editors for row in editor.rows()])
    with connected(server) as client:
        connection = connect(client, sandbox)
        owners = [
            Owner(client, slug, random.Random(f"{seed} {slug}"))  # noqa: S311  chance
            for slug in SCOPES
        ]
        for owner in owners:
            owner.set_up(connection)
            client.quiet_runs(owner.slug)
        first_version = sandbox.inspect(SET)["Version"]
        sandbox.clear_requests()

        begun = time.monotonic()
        writers: list[Editor | Owner] = [*editors, *owners]
        with ThreadPoolExecutor(len(writers)) as threads:
            ended = [threads.submit(writer.edit_often, EDITS // len(writers)) for writer in writers]
            for one in ended:
                one.result()
        written = time.monotonic()
        runs = [run for owner in owners for run in client.runs(owner.slug)]
        starved = [
            run
            for run in runs
            if run.error_reason == error_reason_pb2.ERROR_REASON_DESTINATION_CONFLICT
        ]
        for owner in owners:
            # What waits for its next attempt need not wait any more.
            last = client.sync_now(owner.slug)
            assert last.state == syncs.RUN_STATE_SUCCEEDED, last
        quiet = time.monotonic()

    requests = sandbox.requests()
    puts = [request for request in requests if request.method == "PUT"]
    counts = Counter((PATHS[request.path], request.status) for request in puts)
    found = sandbox.inspect(SET)
    print(  # noqa: T201
        f"{EDITS} edits in {written - begun:.1f} s, at rest after {quiet - begun:.1f} s;"
        f" {sum(run.attempt for run in runs)} attempts of {len(runs)} runs, of which"
        f" {len(starved)} had met conflicts only; writes by who and status: {dict(counts)};"
        f" people began again {sum(editor.conflicts for editor in editors)} times"
    )
    # Every accepted write is one step, and there is no other: none replaced another one unseen.
    accepted = sum(count for (_, status), count in counts.items() if status == 200)
    assert found["Version"] - first_version == accepted
    assert {status for _, status in counts} <= {200, 400}
    assert counts["people", 200] == 4 * (EDITS // 8)
    assert counts["syncs", 400] > 0
    assert counts["people", 400] > 0

    rows = found["Variables"]
    held = {row["Name"]: row["Value"] for row in rows if row["Name"].startswith("Editor")}
    assert held == {name: value for editor in editors for name, value in editor.last.items()}
    ours = [row for row in rows if row["Name"].startswith("Ours.")]
    kinds = {"environments": "Environment", "roles": "Role"}
    for owner in owners:
        scope = {kinds[kind]: ids for kind, ids in SCOPES[owner.slug].items()}
        mine = [(row["Name"], row["Value"]) for row in ours if row["Scope"] == scope]
        assert sorted(mine) == sorted(owner.last.items())
    assert len(rows) == len(held) + len(ours) == 12 + sum(len(owner.last) for owner in owners)
